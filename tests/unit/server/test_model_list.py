"""What every transport's list of models shows."""

from collections.abc import Mapping

from gateway.domain.answer import Route
from gateway.domain.capability import Capability
from gateway.policy.loading.load import parse_policy
from gateway.server.model_list import ListedModel, list_models
from tests.support.policies import POLICY

ALIASES = 'aliases: {fast: edge, "gpt-*": cloud, "claude-*": auto}\nkeys: {ci: {models: [fast]}}\n'
NAMED = POLICY.replace("rules:", f"{ALIASES}rules:", 1).replace(
    "model: m,", "model: m, modalities: [text, image], context: 400000,"
)


def _listed(
    key_name: str = "", lacking: Mapping[str, frozenset[Capability]] | None = None
) -> dict[str, ListedModel]:
    models = list_models(parse_policy(NAMED, name="p"), key_name=key_name, lacking=lacking or {})
    return {each.name: each for each in models}


def test_a_local_model_that_turned_out_to_lack_tools_is_shown_without() -> None:
    """Its aliases too; before its engine has said so, it may have them."""
    lacking = {"edge": frozenset({Capability.TOOLS})}
    assert [_listed()[name].calls_tools for name in ("edge", "fast")] == [True, True]
    listed = _listed(lacking=lacking)
    assert [listed[name].calls_tools for name in ("edge", "fast", "cloud", "auto")] == [
        False, False, True, True,
    ]  # fmt: skip


def test_models_come_first_then_auto_then_aliases_in_the_order_of_the_policy() -> None:
    """Each says what it stands for; only a pattern is no name by itself."""
    assert [(each.name, each.stands_for, each.is_pattern) for each in _listed().values()] == [
        ("edge", None, False),
        ("cloud", None, False),
        ("auto", "auto", False),
        ("fast", "edge", False),
        ("gpt-*", "cloud", True),
        ("claude-*", "auto", True),
    ]


def test_an_alias_can_what_its_model_can() -> None:
    """Place, context, forms of content, tools and price are the model's."""
    listed = _listed()
    cloud, alias = listed["cloud"], listed["gpt-*"]

    assert (cloud.place, cloud.context, cloud.modalities) == (Route.CLOUD, 400_000, ("text", "image"))
    assert cloud.calls_tools
    assert cloud.price is not None
    assert (alias.place, alias.context, alias.modalities, alias.calls_tools, alias.price) == (
        cloud.place, cloud.context, cloud.modalities, cloud.calls_tools, cloud.price,
    )  # fmt: skip


def test_auto_can_what_some_model_can() -> None:
    """A request that needs it goes to a model that can; where, and for which price, is not known before."""
    listed = _listed()
    auto = listed["auto"]

    assert (auto.context, auto.modalities, auto.calls_tools) == (400_000, ("text", "image"), True)
    assert (auto.place, auto.price) == (None, None)
    assert (listed["claude-*"].context, listed["claude-*"].place) == (400_000, None)


def test_a_key_sees_the_models_that_it_may_use() -> None:
    """No others, nor their aliases; and what `auto` can is what those can."""
    listed = _listed("ci")

    assert list(listed) == ["edge", "auto", "fast", "claude-*"]
    assert listed["auto"].modalities == ("text",)
    assert _listed("other") == _listed()
