"""`policies/default.yaml` as it ships, and with everything that it has commented out."""

import re

from gateway.policy.loading.load import default_policy_path

SHIPPED = default_policy_path().read_text(encoding="utf-8")


def with_cloud() -> str:
    """Return it without the `#` of keys; prose has a single space behind it."""
    return re.sub(r"^( *)#(?! \S|$)", r"\1", SHIPPED, flags=re.MULTILINE)
