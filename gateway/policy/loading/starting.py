"""Starting policies: one from flags of `gateway serve`, and one for a new file. Pure."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from gateway.errors import StartupError
from gateway.policy.loading.catalogue import find_price
from gateway.policy.openai import OPENAI_BASE_URL, refused_by

KEY_VARIABLE = "OPENAI_API_KEY"
"""The environment variable that holds the key of the model that `--cloud` names."""
_PRICE_FORM = "--price INPUT,OUTPUT: US dollars per million tokens, as in --price 0.25,2.00"
_MORE = re.compile(r"^(?:models|rules):\n(?:(?:[ #].*)?\n)*", re.MULTILINE)
"""The sections whose commented lines are enabled; those of other sections are examples."""
_KEY_LINE = re.compile(r"^( *)#(?! \S)(?= *(?:- )?[\w-]+:(?: |$))", re.MULTILINE)
"""The start of a commented key; prose has a single space after the `#`."""
_HEAD = """\
# yaml-language-server: $schema=schema.json
#
# A starting policy: a model at the edge, one in the cloud, and a backup of another provider. Enter your own
# models, prices and addresses, and remove what you do not have.
#
# * gateway policy check FILE       every mistake, with its line
# * gateway policy test FILE        the section `tests` below
# * gateway policy show FILE        the policy with every default filled in
# * gateway serve --policy FILE     runs it; each api_key_env is a variable that must be set

"""


def starting_policy(default: str) -> str:
    """Return the packaged default policy with its commented models and rules enabled."""
    body = default[default.index("version: 1\n") :]
    return _HEAD + _MORE.sub(lambda section: _KEY_LINE.sub(r"\1", section[0]), body)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFlags:
    """The flags of `gateway serve` that replace a policy file; at least one model is set."""

    model: str | None
    """The absolute path of a GGUF file, or builtin:demo."""
    cloud: str | None
    """The name of a model at its provider."""
    price: str | None
    """`INPUT,OUTPUT` in US dollars per million tokens."""
    base_url: str | None

    def policy_text(self) -> str:
        """Return the policy as YAML; raises StartupError for flags that contradict each other."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield "# Made from flags of gateway serve. To change it, write it to a file with --show-policy, and"
        yield "# run: gateway serve --policy FILE"
        yield from ("version: 1", "", "models:")
        yield "  # A model gets only requests whose privacy class is at most its clearance."
        if self.model is not None:
            yield from _edge(self.model)
        if self.cloud is not None:
            yield from self._cloud(self.cloud)
            yield from (
                "",
                "budgets:",
                "  # The worst case of a call is reserved before it, so spend never passes this.",
                "  - {name: tenant-daily, per: tenant, limit_usd: 5.00, window: day}",
            )
        elif self.price is not None or self.base_url is not None:
            raise StartupError("--price and --base-url need --cloud MODEL: they give its price and address")
        yield from ("", "rules:", "  # The first rule that holds gives the models to try, in order.")
        if self.model is not None and self.cloud is not None:
            yield "  - {name: hard, when: 'complexity >= 0.6', route: [cloud, edge]}"
        names = [name for name, value in (("edge", self.model), ("cloud", self.cloud)) if value is not None]
        yield f"  - {{name: default, route: [{', '.join(names)}]}}"
        yield from ("", "replies:", "  # What is sent when no model may or can answer, marked as such.")
        if self.model is None:
            yield "  - {id: private, when_reason: [CLEARANCE],"
            yield '     text: "This looks private, and no model on this host may answer it."}'
        yield '  - {id: sorry, text: "The assistant is not available at the moment. Please try again later."}'

    def _cloud(self, name: str) -> Iterator[str]:
        yield from ("  cloud:", "    kind: openai", f"    model: {json.dumps(name)}")
        if self.base_url is not None:
            yield f"    base_url: {json.dumps(self.base_url)}"
        yield f"    api_key_env: {KEY_VARIABLE}  # The variable that holds the key."
        yield "    clearance: internal  # What is confidential or restricted never goes there."
        if self.price is not None:
            into, out = _prices(self.price)
            yield f"    price_per_million_usd: {{input: {into}, output: {out}}}"
        else:
            yield f"    price: catalogue  # {_catalogued(name, self.base_url or OPENAI_BASE_URL)}"
        if refused := refused_by(name):
            yield f"    drop: [{', '.join(refused)}]  # Parameters that it refuses."


def _edge(path: str) -> Iterator[str]:
    yield from ("  edge:", "    kind: llama_cpp", f"    path: {json.dumps(path)}")
    yield "    clearance: restricted  # It runs on this host, and may see everything."


def _catalogued(model: str, url: str) -> str:
    """Return the price of the catalogue in words; raises StartupError for a model that it does not know."""
    try:
        price, source = find_price(url, model)
    except LookupError as error:
        raise StartupError(f"--cloud {model}: {error.args[0]}; give {_PRICE_FORM}") from None
    return f"{price.input} in, {price.output} out by {source}."


def _prices(price: str) -> tuple[Decimal, Decimal]:
    """Return the prices of `INPUT,OUTPUT`; raises StartupError."""
    try:
        into, out = (Decimal(part.strip()) for part in price.split(","))
    except (InvalidOperation, ValueError):
        raise StartupError(f"write {_PRICE_FORM}") from None
    return into, out
