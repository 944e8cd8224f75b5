"""What the scoring processes are sent, and what comes back from them."""

import pickle
from collections.abc import Sequence

from gateway.clock import Deadline
from gateway.domain.conversation import Image, Message, Role, Text
from gateway.domain.privacy import Entities
from gateway.domain.request import Request
from gateway.pipeline.assess import ON_LOOP_BYTES, Elsewhere, PolicyAssessor
from gateway.pipeline.assessor import Assessment, Assessor
from gateway.pipeline.loop_share import LoopShare
from gateway.policy.loading.load import parse_policy
from gateway.policy.model import Policy
from gateway.privacy.scanner import Summary
from tests.support.fakes import FakeClock
from tests.support.masking_requests import MAIL
from tests.support.masking_requests import POLICY as MASKING

IMAGES_ARE_PUBLIC = parse_policy(
    MASKING.effective_yaml.replace("unreadable: restricted", "unreadable: public"), name="p"
)
PICTURE = b"\x89PNG" + bytes(range(256)) * 100


class OtherProcess:
    """Scores what goes through pickle both ways, and notes it."""

    def __init__(self, policy: Policy) -> None:
        self._assessor = Assessor(policy, clock=FakeClock())
        self.sent = b""
        self.given_back = b""

    async def assess(
        self,
        policy: Policy,
        request: Request,
        entities: Entities,
        deadline: Deadline,
        known: Sequence[Summary | None] | None = None,
    ) -> Assessment:
        """Score and mask."""
        self.sent = pickle.dumps(request)
        self.given_back = pickle.dumps(self._assessor.measure(pickle.loads(self.sent), entities, known))
        measured: Assessment = pickle.loads(self.given_back)
        return measured


async def test_a_mask_travels_without_what_it_does_not_change() -> None:
    """No byte of an image goes to a scoring process, and of a mask only masked texts come back."""
    clock, pool = FakeClock(), OtherProcess(IMAGES_ARE_PUBLIC)
    assessor = PolicyAssessor(
        IMAGES_ARE_PUBLIC,
        Assessor(IMAGES_ARE_PUBLIC, clock=clock),
        elsewhere=Elsewhere(pool=pool, share=LoopShare(clock)),
    )
    picture = Image(data=PICTURE, media_type="image/png")
    filler = "The office opens at nine. " * ON_LOOP_BYTES
    messages = (
        Message(role=Role.USER, parts=(Text(f"Write to {MAIL}."), picture)),
        Message(role=Role.ASSISTANT, content=filler),
        Message(role=Role.USER, content="And then?"),
    )
    request = Request(request_id="r", tenant="t", messages=messages)

    assessed = await assessor.assess(request, Deadline.after(60.0, clock))

    assert assessed.texts is not None
    masked = assessed.texts.masked["cloud"].request
    parts = masked.messages[0].parts
    assert isinstance(parts[0], Text)
    assert parts[0].text.startswith("Write to <EMAIL_1_")
    assert parts[1:] == (picture,)
    assert masked.messages[1:] == messages[1:]
    assert PICTURE not in pool.sent
    assert len(pool.given_back) < len(filler) / 10
