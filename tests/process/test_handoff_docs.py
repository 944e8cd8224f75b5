"""The commands of docs/guides/handoff.md, run as they are written: an operator, a caller and a person."""

import asyncio
import os
import sys
from pathlib import Path

from tests.support.ports import free_address
from tests.support.repository import ROOT, code_blocks

PAGE = (ROOT / "docs" / "guides" / "handoff.md").read_text(encoding="utf-8")
TICKET = "ho_0123456789abcdef0123456789abcdef"
FOLDER = "/var/lib/gateway"
POLICY = """\
version: 1
models:
  cloud: {kind: openai, model: m, base_url: "http://127.0.0.1:9/v1", clearance: public,
          price_per_million_usd: {input: 1, output: 1}}
privacy: {classes: {internal: 0.0}}
rules: [{name: all, route: [cloud]}]
replies: [{id: sorry, text: "Nobody is here."}]
"""
"""Everything is internal, and no model may see that."""
LIMIT_S = 120.0


def script() -> str:
    """Return one shell script: the gateway in the background, then caller, person and caller."""
    operator, people, caller = code_blocks(PAGE, "sh")
    asks, fetches = caller.splitlines(keepends=True)
    return "\n".join(
        [
            f"{operator.rstrip()} 2> gateway.log &",
            "until grep -q gateway.serving gateway.log; do sleep 0.05; done",
            f"{asks.rstrip()} --json > canned.json || test $? = 3",
            "TICKET=$(grep -o 'ho_[0-9a-f]*' canned.json | head -1)",
            people.replace(TICKET, "$TICKET"),
            fetches.replace(TICKET, "$TICKET"),
            "kill -TERM %1; wait %1",
        ]
    )


async def test_the_commands_of_the_page_work_as_written(tmp_path: Path) -> None:
    """A person takes the request under a name, answers it, and the caller reads the answer."""
    (tmp_path / "policy.yaml").write_text(POLICY + code_blocks(PAGE, "yaml")[0])
    (tmp_path / "answer.txt").write_text("Ask at the front desk.\n")
    address = free_address()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    environ |= {
        "GATEWAY_LISTEN": address,
        "GATEWAY_SERVER": address,
        "GATEWAY_ADMIN": f"unix:{tmp_path}/a.sock",
    }
    environ["PATH"] = f"{Path(sys.executable).parent}:{environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        *("bash", "-e", "-c", script().replace(FOLDER, str(tmp_path))),
        cwd=tmp_path,
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), LIMIT_S)

    assert process.returncode == 0, err.decode()[-2000:]
    listed, _, rest = out.decode().partition("[user]")
    assert "waiting" in listed
    assert "Who can reset my badge?" in rest
    assert rest.rstrip().endswith("Ask at the front desk.")
    assert "is answered" in err.decode()
