"""Write every file that is made from the code: `make pages`.

The pages of docs/reference/, the board for Grafana, and the schema of a policy for editors.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from reference import board, cli, errors, metrics, policy

from gateway.policy.loading.schema import schema_text

ROOT = Path(__file__).resolve().parents[1]

PAGES: Mapping[str, Callable[[], str]] = {
    "policies/schema.json": schema_text,
    "docs/dashboards/gateway.json": board.text,
    "docs/reference/cli.md": cli.text,
    "docs/reference/errors.md": errors.text,
    "docs/reference/metrics.md": metrics.text,
    "docs/reference/policy.md": policy.text,
}
"""File -> what makes its text."""


def main() -> None:
    """Write them all."""
    for name, text in PAGES.items():
        (ROOT / name).write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
