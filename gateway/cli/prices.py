"""`gateway prices`: what the catalogue of prices says, and how a policy's prices differ from it."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.exits import FAILED, CommandFailed
from gateway.cli.options import Json
from gateway.cli.terminal import show, table
from gateway.policy.loading.catalogue import find_price
from gateway.policy.loading.load import load_policy
from gateway.policy.openai import OPENAI_BASE_URL
from gateway.policy.priced import KINDS_OF_TOKENS, Price

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Show prices of the offline catalogue, and compare a policy's.",
    add_completion=False,
)
_COLUMNS = ("model", "prompt above", "input", "output", "cached", "written")


@app.command("show")
def show_price(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model's name at its provider.")],
    *,
    base_url: Annotated[
        str, typer.Option(metavar="URL", help="The provider's base_url, as in a policy.")
    ] = OPENAI_BASE_URL,
    as_json: Json = False,
) -> None:
    """Show what the catalogue says of a model, in US dollars per million tokens; nothing is fetched.

    A policy takes it with `price: catalogue`.

    Exit status: 0, or 1 for a model that the catalogue does not know.

    Example: gateway prices show gpt-5-mini

    Example: gateway prices show deepseek-chat --base-url https://api.deepseek.com
    """
    try:
        price, source = find_price(base_url, model)
    except LookupError as error:
        raise CommandFailed(str(error.args[0])) from None
    if as_json:
        amounts = price.model_dump(mode="json", exclude_none=True)
        print(json.dumps({"source": source, "price_per_million_usd": amounts}, indent=2))
        return
    show(table(_COLUMNS, list(_rows(model, price))), stream=sys.stdout)
    print(f"USD per million tokens, by {source}")


@app.command()
def diff(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The policy.")], *, as_json: Json = False
) -> None:
    """Show which prices of a policy differ from the installed catalogue.

    To see what a newer catalogue would change: keep `gateway policy show FILE`, upgrade the package
    genai-prices, and compare what was kept.

    Exit status: 0 no price differs, 1 one does, 2 the policy is refused.

    Example: gateway prices diff policy.yaml
    """
    policy = load_policy(file)
    found, unknown = [], []
    for name, spec in policy.models.items():
        if spec.token_price is None or spec.provider_model is None:
            continue
        try:
            price, _ = find_price(spec.server_url or "", spec.provider_model)
        except LookupError:
            unknown.append(name)
            continue
        found += [{"model": name, **change} for change in _changes(spec.token_price, price)]
    if as_json:
        print(json.dumps({"changes": found, "not_in_catalogue": unknown}, indent=2))
    else:
        for change in found:
            above = f" above {change['above_tokens']} tokens" if change["above_tokens"] else ""
            print(
                f"{change['model']}: {change['kind']}{above} is {change['policy']},"
                f" the catalogue says {change['catalogue']}"
            )
        for name in unknown:
            print(f"{name}: not in the catalogue")
        if not found:
            print("no price differs")
    if found:
        raise typer.Exit(FAILED)


def _changes(own: Price, catalogued: Price) -> Iterator[dict[str, object]]:
    for above in sorted({0, *(tier.above_tokens for tier in (*own.tiers, *catalogued.tiers))}):
        for kind in KINDS_OF_TOKENS:
            in_policy, in_catalogue = own.at(above + 1).of(kind), catalogued.at(above + 1).of(kind)
            if in_policy != in_catalogue:
                yield {
                    "above_tokens": above,
                    "kind": kind,
                    "policy": f"{in_policy.normalize():f}",
                    "catalogue": f"{in_catalogue.normalize():f}",
                }


def _rows(model: str, price: Price) -> Iterator[tuple[str, ...]]:
    for above, prices in ((0, price), *((tier.above_tokens, tier) for tier in price.tiers)):
        amounts = (f"{prices.of(kind).normalize():f}" for kind in KINDS_OF_TOKENS)
        yield (model, f"{above}" if above else "", *amounts)
