"""A conversation as the text that a model was trained to go on from: its chat template, in a sandbox.

A template may refuse a system turn, or two turns of one role in a row, or leave a turn out without a word.
So each order of roles is tried with made-up texts first, in the forms of `turns.FORMS`, until one keeps
them all.
"""

import functools
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import TemplateError, TemplateSyntaxError

from gateway.clock import Clock, Deadline, SystemClock
from gateway.engine.template_environment import Refused, TemplateEnvironment, TooLarge, TooSlow
from gateway.engine.turns import FORMS, ROLES, Form, RoleText

PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}assistant:"
)
"""For a file that brings no template: such a model was not trained on conversations."""
MAX_RENDER_S = 5.0
"""How long one rendering may take; real ones take milliseconds."""
HUNG_AFTER_S = 3 * MAX_RENDER_S
"""A rendering that lasts so long is in an operation that nothing ends."""
MAX_REASON_CHARS = 200
_KNOWN_ORDERS = 256
_NEEDED = ("u", "su", "uau")
"""Orders of roles, by their first letters, without which a model cannot serve."""
_FOLDED = {"su": "system", "sus": "later_system", "uu": "same_role", "au": "first_assistant"}
"""Orders that templates often refuse, and how it is called when such a conversation is folded."""


class TemplateBroken(Exception):
    """A template does not compile, or refuses a conversation; the message holds no word of a conversation."""


@dataclass(frozen=True, slots=True)
class TemplateConvention:
    """What a template is called with beside the messages, and how their content is given."""

    has_parts: bool
    """Whether content is a list of parts rather than a text."""
    variables: dict[str, object]


_NO_TOOLS: tuple[dict[str, object], ...] = (
    {"tools": None, "documents": None},  # As transformers does.
    {},  # As llama.cpp does; some templates go through the tools without asking whether there are any.
    {"functions": ""},  # As templates want it that were made before tools had a name.
)
"""How templates are told that there are no tools, the commonest way first."""
_MANNERS = tuple(
    TemplateConvention(has_parts, variables) for has_parts in (False, True) for variables in _NO_TOOLS
)


class ChatTemplate:
    """A compiled chat template; safe to use from several threads."""

    def __init__(self, source: str, *, bos: str, eos: str, clock: Clock | None = None) -> None:
        self.source = source
        self._clock = clock or SystemClock()
        self._environment = TemplateEnvironment(self._clock)
        self._given: dict[str, object] = {"bos_token": bos, "eos_token": eos, "add_generation_prompt": True}
        self._running: dict[int, Deadline] = {}
        try:
            self._template = self._environment.from_string(source)
        except Exception as error:  # noqa: BLE001  a template is foreign code
            raise TemplateBroken(f"does not compile ({type(error).__name__}{_line(error)})") from None
        self._form = functools.lru_cache(_KNOWN_ORDERS)(self._find_form)

    @property
    def is_hung(self) -> bool:
        """Whether a rendering goes on although its time was up long ago."""
        return any(deadline.has_passed(self._clock) for deadline in tuple(self._running.values()))

    def check(self) -> tuple[str, ...]:
        """Return which conversations are folded; raises TemplateBroken, in its own words, where one fails."""
        for order in _NEEDED:
            if self._form_of(order) is None:
                said = ", ".join(ROLES[letter] for letter in order)
                raise TemplateBroken(f"refuses a conversation of {said}: {self._reason(order)}")
        return tuple(name for order, name in _FOLDED.items() if self._form_of(order) not in (None, FORMS[0]))

    def fit(self, turns: Sequence[RoleText]) -> list[RoleText]:
        """Return the turns in a form of which the template keeps every text; raises TemplateBroken."""
        form = self._form_of("".join(role[0] for role, _ in turns))
        if form is None:
            raise TemplateBroken("refuses this order of roles, or leaves a message out")
        return form.apply(turns)

    def render(self, turns: Sequence[RoleText]) -> str:
        """Return the prompt for turns that fit, up to where the answer begins; raises TemplateBroken."""
        try:
            return self._render(turns, self._manner)
        except TooSlow:
            raise TemplateBroken(f"takes longer than {MAX_RENDER_S:g} s for this conversation") from None
        except TooLarge:
            raise TemplateBroken("makes a text of this conversation that is too large") from None
        except Exception as error:  # noqa: BLE001  its own text may quote the conversation
            raise TemplateBroken(f"refuses this conversation ({type(error).__name__})") from None

    def _render(self, turns: Sequence[RoleText], manner: TemplateConvention) -> str:
        messages = [
            {"role": role, "content": [{"type": "text", "text": text}] if manner.has_parts else text}
            for role, text in turns
        ]
        given = self._given | manner.variables | {"datetime": self._environment.strftime_now("%b %d %Y")}
        thread = threading.get_ident()
        self._running[thread] = Deadline.after(HUNG_AFTER_S, self._clock)
        self._environment.until(Deadline.after(MAX_RENDER_S, self._clock))
        try:
            return self._template.render(messages=messages, **given)
        finally:
            del self._running[thread]

    @functools.cached_property
    def _manner(self) -> TemplateConvention:
        """How this template is called: the first manner in which it gives back a user's message."""
        return next((manner for manner in _MANNERS if self._keeps("u", FORMS[0], manner)), _MANNERS[0])

    def _form_of(self, order: str) -> Form | None:
        try:
            return self._form(order)
        except (TooSlow, TooLarge) as error:
            much = f"longer than {MAX_RENDER_S:g} s" if isinstance(error, TooSlow) else "too much memory"
            raise TemplateBroken(f"takes {much} for a conversation of short messages") from None

    def _find_form(self, order: str) -> Form | None:
        """Return the first form in which every message of such a conversation comes out."""
        return next((form for form in FORMS if self._keeps(order, form, self._manner)), None)

    def _keeps(self, order: str, form: Form, manner: TemplateConvention) -> bool:
        texts = _made_up(len(order))
        turns = form.apply([(ROLES[letter], text) for letter, text in zip(order, texts, strict=True)])
        try:
            prompt = self._render(turns, manner)
        except (TooSlow, TooLarge):
            raise  # In every other form it would take as long.
        except Exception:  # noqa: BLE001  that it fails is the answer; `_reason` says why
            return False
        # A template that wants a text may also print a list: as Python or as JSON writes it.
        is_printed = manner.has_parts and any(key in prompt for key in ("'type':", '"type":'))
        return not is_printed and all(text in prompt for text in texts)

    def _reason(self, order: str) -> str:
        """Say why made-up texts in an order do not come out: nobody's words but the template's are in it."""
        turns = [(ROLES[letter], text) for letter, text in zip(order, _made_up(len(order)), strict=True)]
        try:
            self._render(turns, self._manner)
        except (TemplateError, TypeError, ValueError, LookupError) as error:
            said = str(error) if isinstance(error, Refused) else f"{type(error).__name__}: {error}"
            words = "".join(c if c.isprintable() else " " for c in said)
            return f'"{words[:MAX_REASON_CHARS].strip()}"'
        except Exception as error:  # noqa: BLE001
            return type(error).__name__
        return "it leaves a message out, or changes its text"


def _made_up(count: int) -> list[str]:
    return [f"text {number:06} of {count:06}" for number in range(count)]


def _line(error: Exception) -> str:
    return f" in line {error.lineno}" if isinstance(error, TemplateSyntaxError) else ""
