"""Callers with named API keys, and a policy that narrows some of them and gives each a budget."""

from dataclasses import dataclass
from pathlib import Path

from gateway.backends.base import Backend
from gateway.clock import SystemClock
from gateway.domain.answer import Chunk, FinishReason, Usage
from gateway.server.access import TenantRule, by_credentials
from gateway.server.key_file import KeyFile, new_key
from gateway.testing.scripted import ScriptedBackend
from tests.support.policies import POLICY

NARROWED = f"""{POLICY}
aliases: {{fast: edge, "gpt-*": cloud}}
keys: {{ci: {{models: [fast]}}, desk: {{models: ["gpt-*"]}}}}
budgets:
  - {{name: each-key, per: key, limit_usd: 0.0003, window: day}}
  - {{name: only-bot, per: key, key: bot, limit_usd: 0, window: day}}
"""
"""The budget of a key has room for one answer at the cloud, not for two."""
USAGE = Usage(prompt_tokens=200, completion_tokens=50)


@dataclass(frozen=True)
class NamedKeys:
    """Who calls by the keys of a file."""

    tenant_of: TenantRule
    by_caller: dict[str, str]
    """The key of each, by TENANT/NAME."""

    def metadata(self, caller: str) -> tuple[tuple[str, str], ...]:
        """Return what a caller sends over gRPC."""
        return (("authorization", f"Bearer {self.by_caller[caller]}"),)


def named_keys(folder: Path, *callers: str) -> NamedKeys:
    """Make a key for each TENANT/NAME; "" for a key without a name."""
    made = {}
    for caller in callers:
        tenant, _, name = caller.partition("/")
        made[caller] = new_key(tenant, name=name)
    path = folder / "keys.txt"
    path.write_text("\n".join(entry.line() for _, entry in made.values()))
    rule = by_credentials(keys=KeyFile(path, clock=SystemClock()), takes_certificates=False)
    return NamedKeys(rule, {caller: key for caller, (key, _) in made.items()})


def edge_and_cloud() -> dict[str, Backend]:
    """Return a scripted model for the edge and one for the cloud."""
    answer = [Chunk(text="fine"), Chunk(finish_reason=FinishReason.STOP, usage=USAGE)]
    return {name: ScriptedBackend(name, lambda _: answer) for name in ("edge", "cloud")}
