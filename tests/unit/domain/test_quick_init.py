"""A value with a quick `__init__` is the same frozen dataclass as without."""

import copy
import inspect
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace

import pytest

from gateway.domain.quick_init import quick_init


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plain:
    name: str
    count: int = 1
    parts: list[int] = field(default_factory=list)


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class _Quick:
    name: str
    count: int = 1
    parts: list[int] = field(default_factory=list)


@quick_init
@dataclass(frozen=True, slots=True)
class _Positional:
    name: str
    count: int = 1


def test_it_has_the_same_fields() -> None:
    """Given ones, defaults, and a fresh value of each factory."""
    for given in ({"name": "a"}, {"name": "a", "count": 2, "parts": [3]}):
        quick, plain = _Quick(**given), _Plain(**given)
        assert [getattr(quick, each.name) for each in fields(quick)] == [
            getattr(plain, each.name) for each in fields(plain)
        ]
    assert _Quick(name="a").parts is not _Quick(name="a").parts
    assert _Positional("a", 2) == _Positional(name="a", count=2)


def test_it_is_frozen() -> None:
    """No field can be set, by assignment or by `__init__` of another value."""
    value = _Quick(name="a")
    with pytest.raises(FrozenInstanceError):
        value.name = "b"  # type: ignore[misc]
    assert (value, hash(_Positional("a"))) == (_Quick(name="a"), hash(_Positional("a")))


@pytest.mark.parametrize("given", [{}, {"name": "a", "other": 1}])
def test_wrong_arguments_are_refused(given: dict[str, object]) -> None:
    """A field without a default has to be given, and no other name is taken."""
    with pytest.raises(TypeError):
        _Quick(**given)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        _Quick("a")  # type: ignore[call-arg]


def test_it_is_copied_pickled_and_inspected_as_before() -> None:
    """Other processes are sent such values, and tools read their signature."""
    value = _Quick(name="a", parts=[1])
    assert pickle.loads(pickle.dumps(value)) == value == copy.deepcopy(value)
    assert replace(value, count=5) == _Quick(name="a", count=5, parts=[1])
    assert str(inspect.signature(_Quick)) == str(inspect.signature(_Plain))
    assert repr(value) == repr(_Plain(name="a", parts=[1])).replace("_Plain", "_Quick")


def test_what_a_class_does_after_its_init_is_not_lost() -> None:
    """A class that checks itself keeps its own `__init__`."""

    @dataclass(frozen=True, slots=True)
    class Checked:
        name: str

        def __post_init__(self) -> None:
            raise ValueError

    with pytest.raises(TypeError, match="Checked has a __post_init__"):
        quick_init(Checked)
