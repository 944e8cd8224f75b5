"""What a chat template may cost: time, memory, and the engine when it hangs all the same."""

import time

import pytest

from gateway.engine.template.chat_template import HUNG_AFTER_S, MAX_RENDER_S, ChatTemplate, TemplateBroken
from gateway.engine.template.turns import Turn
from tests.support.fakes import FakeClock


class Passing(FakeClock):
    """A clock that moves on a little with each look at it, so that what takes many looks takes long."""

    def monotonic_s(self) -> float:
        """Seconds since an arbitrary moment."""
        self.advance(0.001)
        return super().monotonic_s()


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{% for i in range(99999) %}{% for j in range(9) if false %}{% endfor %}{% endfor %}",
        "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
        "{% for n in [60] recursive %}{% if n %}{{ loop([n - 1, n - 1]) }}{% endif %}{% endfor %}",
        "{% macro m(n) %}{{ caller(n) }}{% endmacro %}{% for i in range(99999) %}{% call(n) m(i) %}"
        "{{ n }}{% endcall %}{% endfor %}",
    ],
    ids=["nested", "filtered", "macro", "recursive loop", "call block"],
)
def test_a_template_that_loops_ends_in_time(source: str) -> None:
    """However it repeats itself, a template is ended when its time is up, and says so."""
    chat = ChatTemplate(source, bos="", eos="", clock=Passing())

    with pytest.raises(
        TemplateBroken, match=rf"^takes longer than {MAX_RENDER_S:g} s for this conversation$"
    ):
        chat.render([Turn("user", "hi")])
    with pytest.raises(TemplateBroken, match=rf"^takes longer than {MAX_RENDER_S:g} s for a conversation"):
        chat.check()


GROWING = "{{% set n = namespace(x='0123456789') %}}{{% for i in range(64) %}}{0}{{% endfor %}}{{{{ n.x }}}}"


@pytest.mark.parametrize(
    "source",
    [
        GROWING.format("{% set n.x = n.x + n.x %}"),
        GROWING.format("{% set n.x = n.x ~ n.x %}"),
        GROWING.format("{% set n.x = '%s%s' % (n.x, n.x) %}"),
        GROWING.format("{% set x %}{{ n.x }}{{ n.x }}{% endset %}{% set n.x = x %}"),
        GROWING.format("{% set n.x = n.x | replace('0', n.x) %}"),
        GROWING.format("{% set n.x = [n.x, n.x] | join %}"),
        GROWING.format("{% set n.x = n.x.join(['', '', '']) %}"),
        "{% set n = namespace(x=[1]) %}{% for i in range(64) %}{% set n.x = n.x + n.x %}{% endfor %}",
        "{% macro m(x) %}{{ x }}{{ x }}{% endmacro %}" + GROWING.format("{% set n.x = m(n.x) %}"),
        "{{ 'x' * 10 ** 9 }}",
        "{{ 10 ** 9 * [1] }}",
        "{{ 9 ** (9 ** 9) }}",
        "{{ '%999999999d' % 1 }}",
        "{{ '%*d' % (999999999, 1) }}",
        "{{ 'x'.ljust(10 ** 9) }}",
        "{{ 'x' | center(10 ** 9) }}",
        "{{ '{:>999999999}'.format(1) }}",
        "{% for i in range(99999) %}{{ '0123456789' * 100 }}{% endfor %}",
    ],
)
def test_a_template_that_grows_is_ended(source: str) -> None:
    """However it grows, a template is ended before it uses up the memory."""
    start_s = time.thread_time()
    with pytest.raises(TemplateBroken, match=r"too large$"):
        ChatTemplate(source, bos="", eos="", clock=FakeClock()).render([Turn("user", "hi")])

    assert time.thread_time() - start_s < 2.0


def test_a_thread_that_hangs_is_noticed() -> None:
    """A rendering that goes on long after its time makes the engine unwell; one that ended does not."""
    clock = FakeClock()
    seen = []
    chat = ChatTemplate("{{ messages[0].content }}", bos="", eos="", clock=clock)

    class Stuck(str):
        def __str__(self) -> str:
            seen.append(chat.is_hung)
            clock.advance(HUNG_AFTER_S + 0.1)
            seen.append(chat.is_hung)
            return "text"

    chat.render([Turn("user", Stuck("x"))])

    assert [*seen, chat.is_hung] == [False, True, False]
