"""Renders a conversation by the model's chat template, in a sandbox.

A template may refuse a system turn or two turns of one role in a row, or drop a turn silently. So each order
of roles is first rendered with test texts in the forms of `turns`, until one form keeps them all."""

import functools
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jinja2 import TemplateError, TemplateSyntaxError

from gateway.clock import Clock, Deadline, SystemClock
from gateway.domain.template_facts import TemplateFacts
from gateway.engine.template import probes
from gateway.engine.template.conventions import THINKING, BadArguments, Protect, TemplateConvention
from gateway.engine.template.environment import Refused, TemplateEnvironment, TooLarge, TooSlow
from gateway.engine.template.turns import (
    CALL_FORMS,
    FORMS,
    WRITTEN_CALL_FORMS,
    WRITTEN_FORMS,
    Form,
    Turn,
    TurnTool,
    order_of,
)

PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}assistant:"
)
"""For a file without a template: such a model was not trained on conversations."""
MAX_RENDER_S = 5.0
"""Most seconds of one rendering; normal ones take milliseconds."""
HUNG_AFTER_S = 3 * MAX_RENDER_S
"""A rendering that takes longer hangs in an operation that cannot be interrupted."""
MAX_REASON_CHARS = 200
"""Most characters of a template's error message in an error."""
_JOINS = re.compile(r"\breplace\b|\bjoin\b|\[[^\]]*:[^\]]*\]")
"""What in a template may take characters out of the middle of a text."""
_CACHED_ORDERS = 256
"""Orders of roles whose form is cached."""
_NEEDED = {"u": "user", "su": "system, user", "uau": "user, assistant, user"}
"""Orders of roles that every template must render."""
_FOLDED = {"su": "system", "sus": "later_system", "uu": "same_role", "au": "first_assistant"}
"""Orders that templates often refuse, with the name of each in logs when it is folded."""
_CALLS_FOLDED = {"uc1t": "calls", "uc2tt": "parallel_calls", "ub1t": "text_beside_calls"}
"""Likewise, with calls, for a template that shows tools."""


class TemplateBroken(Exception):
    """A template does not compile, or refuses a conversation; the message quotes no conversation."""

    def __init__(self, problem: str, *, field: str = "messages") -> None:
        """`field` is what the template refuses of a request."""
        super().__init__(problem)
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderOptions:
    """What a prompt depends on besides its turns."""

    tools: tuple[TurnTool, ...] = ()
    thinking: bool | None = None
    """Whether the model thinks; None: as the template does by default."""
    effort: str = ""
    """"low", "medium" or "high"; empty: as the template does by default."""
    add_generation_prompt: bool = True
    """Whether the prompt ends with the start of the answer."""


DEFAULT_OPTIONS = RenderOptions()
"""A prompt for an answer, without tools."""


class ChatTemplate:
    """A compiled chat template; safe to use from several threads."""

    def __init__(
        self,
        source: str,
        *,
        bos: str,
        eos: str,
        clock: Clock | None = None,
        variables: Mapping[str, object] | None = None,
    ) -> None:
        """`variables` are those that the policy sets."""
        self.source = source
        self._clock = clock or SystemClock()
        self._environment = TemplateEnvironment(self._clock)
        self._given: dict[str, object] = {**(variables or {}), "bos_token": bos, "eos_token": eos}
        self._running: dict[int, Deadline] = {}
        try:
            self._template = self._environment.from_string(source)
        except Exception as error:  # noqa: BLE001  a template is foreign code
            raise TemplateBroken(f"does not compile ({type(error).__name__}{_line(error)})") from None
        self._form = functools.lru_cache(_CACHED_ORDERS)(self._find_form)
        self._refused = functools.lru_cache(_CACHED_ORDERS)(_no_forms)

    @functools.cached_property
    def may_join(self) -> bool:
        """Whether parts of a text that were apart may be side by side in the prompt."""
        return _JOINS.search(self.source) is not None

    @property
    def is_hung(self) -> bool:
        """Whether a rendering runs long after its time limit."""
        return any(deadline.has_passed(self._clock) for deadline in tuple(self._running.values()))

    @functools.cached_property
    def facts(self) -> TemplateFacts:
        """What the template renders; raises TemplateBroken if that takes too long."""
        return self._probed[1]

    def check(self) -> tuple[str, ...]:
        """Return which conversations are folded; raises TemplateBroken with the template's own message."""
        for order, roles in _NEEDED.items():
            if self._form_of(order, has_tools=False) is None:
                raise TemplateBroken(f"refuses a conversation of {roles}: {self._reason(order)}")
        known = (None, FORMS[0])
        found = [
            name for order, name in _FOLDED.items() if self._form_of(order, has_tools=False) not in known
        ]
        if self.facts.takes_tools:
            orders = _CALLS_FOLDED.items()
            found += [name for order, name in orders if self._form_of(order, has_tools=True) != FORMS[0]]
        return tuple(found)

    def fit(self, turns: Sequence[Turn], options: RenderOptions = DEFAULT_OPTIONS) -> list[Turn]:
        """Return the turns in a form in which the template keeps every text; raises TemplateBroken."""
        if options.tools and not self.facts.tools:
            raise TemplateBroken("shows the model no tools", field="config.tools")
        form = self._form_of(order_of(turns), has_tools=bool(options.tools))
        if form is None:
            raise TemplateBroken("refuses this order of roles, or leaves a message out")
        return form.apply(turns)

    def render(
        self,
        turns: Sequence[Turn],
        options: RenderOptions = DEFAULT_OPTIONS,
        protect: Protect = lambda text, is_required: text,
    ) -> str:
        """Return the prompt for turns returned by `fit`; raises TemplateBroken.

        `protect` is applied to every text of the caller before it is rendered."""
        field = "config.tools" if options.tools else "messages"
        try:
            return self._render(turns, options, self.convention, protect=protect)
        except TooSlow:
            raise TemplateBroken(f"takes longer than {MAX_RENDER_S:g} s for this conversation") from None
        except TooLarge:
            raise TemplateBroken("renders this conversation to a text that is too large") from None
        except BadArguments:
            raise TemplateBroken("takes calls whose arguments are a JSON object only") from None
        except Exception as error:  # noqa: BLE001  the error may quote the conversation
            problem = f"refuses this conversation ({type(error).__name__})"
            raise TemplateBroken(problem, field=field) from None

    def _render(
        self,
        turns: Sequence[Turn],
        options: RenderOptions,
        convention: TemplateConvention,
        *,
        variables: Mapping[str, object] | None = None,
        protect: Protect = lambda text, is_required: text,
    ) -> str:
        """Render by a convention; `variables` are added to those of the options."""
        given = self._given | convention.tools(options.tools, protect)
        given["add_generation_prompt"] = options.add_generation_prompt
        given["datetime"] = self._environment.strftime_now("%b %d %Y")
        given |= variables or self._switches(options)
        messages = convention.messages(turns, protect)
        thread = threading.get_ident()
        self._running[thread] = Deadline.after(HUNG_AFTER_S, self._clock)
        self._environment.until(Deadline.after(MAX_RENDER_S, self._clock))
        try:
            return self._template.render(messages=messages, **given)
        finally:
            del self._running[thread]

    def _switches(self, options: RenderOptions) -> dict[str, object]:
        """Return the variables of thinking and effort that the template knows."""
        if options.thinking is None and not options.effort:
            return {}
        facts, found = self.facts, dict[str, object]()
        if options.thinking is not None and facts.thinking_variable:
            found[facts.thinking_variable] = THINKING[facts.thinking_variable][not options.thinking]
        if options.effort in facts.efforts:
            found[facts.effort_variable] = options.effort
        return found

    @functools.cached_property
    def _probed(self) -> tuple[TemplateConvention, TemplateFacts]:
        return probes.probe(self._try)

    @property
    def convention(self) -> TemplateConvention:
        """How the template wants its variables."""
        return self._probed[0]

    def _try(self, test: probes.Probe) -> str | None:
        """Return the prompt of a test; None if the template refuses it. TooSlow and TooLarge pass."""
        try:
            options = RenderOptions(tools=test.tools, add_generation_prompt=test.add_generation_prompt)
            return self._render(test.turns, options, test.convention, variables=test.variables)
        except (TooSlow, TooLarge):
            raise  # Every other form would take as long.
        except Exception:  # noqa: BLE001  a failure means "not kept"; `_reason` says why
            return None

    def _form_of(self, order: str, *, has_tools: bool) -> Form | None:
        try:
            return self._form(order, has_tools)
        except (TooSlow, TooLarge) as error:
            excess = f"longer than {MAX_RENDER_S:g} s" if isinstance(error, TooSlow) else "too much memory"
            raise TemplateBroken(f"takes {excess} for a conversation of short messages") from None

    def _find_form(self, order: str, has_tools: bool) -> Form | None:
        """Return the first form in which the template keeps every message of such a conversation."""
        turns = probes.turns_of(order)
        forms: tuple[Form, ...] = FORMS
        if any(turn.calls or turn.role == "tool" for turn in turns):
            forms = self._call_forms(has_tools)
        tools = (probes.TOOL,) if has_tools else ()
        refused = self._refused(probes.neighbours_in(order), has_tools)
        # Those that another order with the same neighbours was refused in come last.
        for form in sorted(forms, key=refused.__contains__):
            if self._has_all(turns, form, tools):
                return form
            refused.add(form)
        return None

    def _call_forms(self, has_tools: bool) -> tuple[Form, ...]:
        """Return the forms for a conversation with calls; text only if there is nothing better."""
        facts = self.facts
        if has_tools and facts.takes_tools:
            return CALL_FORMS
        native = CALL_FORMS if facts.calls else WRITTEN_CALL_FORMS if facts.results else ()
        return native + WRITTEN_FORMS

    def _has_all(self, turns: Sequence[Turn], form: Form, tools: tuple[TurnTool, ...]) -> bool:
        prompt = self._try(probes.Probe(form.apply(turns), self.convention, tools=tools))
        return prompt is not None and all(text in prompt for text in probes.texts_of(turns))

    def _reason(self, order: str) -> str:
        """Return why the template does not keep test texts in an order; quotes the template only."""
        try:
            self._render(probes.turns_of(order), DEFAULT_OPTIONS, self.convention)
        except (TemplateError, TypeError, ValueError, LookupError) as error:
            message = str(error) if isinstance(error, Refused) else f"{type(error).__name__}: {error}"
            words = "".join(c if c.isprintable() else " " for c in message)
            return f'"{words[:MAX_REASON_CHARS].strip()}"'
        except Exception as error:  # noqa: BLE001
            return type(error).__name__
        return "it leaves a message out, or changes its text"


def _no_forms(neighbours: frozenset[tuple[str, str]], has_tools: bool) -> set[Form]:
    """Return the forms that orders with these neighbours were refused in, at first none; for a cache."""
    return set()


def _line(error: Exception) -> str:
    return f" in line {error.lineno}" if isinstance(error, TemplateSyntaxError) else ""
