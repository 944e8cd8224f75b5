"""Renders a conversation by the model's chat template, in a sandbox.

A template may refuse a system turn or two turns of one role in a row, or drop a turn silently. So each order
of roles is first rendered with test texts in the forms of `turns.FORMS`, until one form keeps them all."""

import functools
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import TemplateError, TemplateSyntaxError

from gateway.clock import Clock, Deadline, SystemClock
from gateway.engine.template_environment import Refused, TemplateEnvironment, TooLarge, TooSlow
from gateway.engine.turns import FORMS, ROLES, Form, RoleText

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
_CACHED_ORDERS = 256
"""Orders of roles whose form is cached."""
_NEEDED = ("u", "su", "uau")
"""Orders of roles, by their first letters, that every template must render."""
_FOLDED = {"su": "system", "sus": "later_system", "uu": "same_role", "au": "first_assistant"}
"""Orders that templates often refuse, with the name of each in logs when it is folded."""


class TemplateBroken(Exception):
    """A template does not compile, or refuses a conversation; the message quotes no conversation."""


@dataclass(frozen=True, slots=True)
class TemplateConvention:
    """Which variables a template gets besides the messages, and the form of their content."""

    has_parts: bool
    """Whether content is a list of parts instead of a text."""
    variables: dict[str, object]


_NO_TOOLS: tuple[dict[str, object], ...] = (
    {"tools": None, "documents": None},  # As transformers does.
    {},  # As llama.cpp does; some templates loop over the tools without a check.
    {"functions": ""},  # For templates made before `tools` was introduced.
)
"""Variables that say that there are no tools, the most common first."""
_CONVENTIONS = tuple(
    TemplateConvention(has_parts, variables) for has_parts in (False, True) for variables in _NO_TOOLS
)


class ChatTemplate:
    """A compiled chat template; safe to use from several threads."""

    def __init__(self, source: str, *, bos: str, eos: str, clock: Clock | None = None) -> None:
        self.source = source
        self._clock = clock or SystemClock()
        self._environment = TemplateEnvironment(self._clock)
        self._given: dict[str, object] = {"bos_token": bos, "eos_token": eos, "add_generation_prompt": True}
        self._running: dict[int, Deadline] = {}
        try:
            self._template = self._environment.from_string(source)
        except Exception as error:  # noqa: BLE001  a template is foreign code
            raise TemplateBroken(f"does not compile ({type(error).__name__}{_line(error)})") from None
        self._form = functools.lru_cache(_CACHED_ORDERS)(self._find_form)

    @property
    def is_hung(self) -> bool:
        """Whether a rendering runs long after its time limit."""
        return any(deadline.has_passed(self._clock) for deadline in tuple(self._running.values()))

    def check(self) -> tuple[str, ...]:
        """Return which conversations are folded; raises TemplateBroken with the template's own message."""
        for order in _NEEDED:
            if self._form_of(order) is None:
                roles = ", ".join(ROLES[letter] for letter in order)
                raise TemplateBroken(f"refuses a conversation of {roles}: {self._reason(order)}")
        return tuple(name for order, name in _FOLDED.items() if self._form_of(order) not in (None, FORMS[0]))

    def fit(self, turns: Sequence[RoleText]) -> list[RoleText]:
        """Return the turns in a form in which the template keeps every text; raises TemplateBroken."""
        form = self._form_of("".join(role[0] for role, _ in turns))
        if form is None:
            raise TemplateBroken("refuses this order of roles, or leaves a message out")
        return form.apply(turns)

    def render(self, turns: Sequence[RoleText]) -> str:
        """Return the prompt for turns returned by `fit`, up to the start of the answer; raises
        TemplateBroken."""
        try:
            return self._render(turns, self._convention)
        except TooSlow:
            raise TemplateBroken(f"takes longer than {MAX_RENDER_S:g} s for this conversation") from None
        except TooLarge:
            raise TemplateBroken("renders this conversation to a text that is too large") from None
        except Exception as error:  # noqa: BLE001  the error may quote the conversation
            raise TemplateBroken(f"refuses this conversation ({type(error).__name__})") from None

    def _render(self, turns: Sequence[RoleText], convention: TemplateConvention) -> str:
        messages = [
            {"role": role, "content": [{"type": "text", "text": text}] if convention.has_parts else text}
            for role, text in turns
        ]
        given = self._given | convention.variables | {"datetime": self._environment.strftime_now("%b %d %Y")}
        thread = threading.get_ident()
        self._running[thread] = Deadline.after(HUNG_AFTER_S, self._clock)
        self._environment.until(Deadline.after(MAX_RENDER_S, self._clock))
        try:
            return self._template.render(messages=messages, **given)
        finally:
            del self._running[thread]

    @functools.cached_property
    def _convention(self) -> TemplateConvention:
        """The first convention in which this template renders a user's message."""
        return next(
            (convention for convention in _CONVENTIONS if self._has_all("u", FORMS[0], convention)),
            _CONVENTIONS[0],
        )

    def _form_of(self, order: str) -> Form | None:
        try:
            return self._form(order)
        except (TooSlow, TooLarge) as error:
            excess = f"longer than {MAX_RENDER_S:g} s" if isinstance(error, TooSlow) else "too much memory"
            raise TemplateBroken(f"takes {excess} for a conversation of short messages") from None

    def _find_form(self, order: str) -> Form | None:
        """Return the first form in which the template keeps every message of such a conversation."""
        return next((form for form in FORMS if self._has_all(order, form, self._convention)), None)

    def _has_all(self, order: str, form: Form, convention: TemplateConvention) -> bool:
        texts = _test_texts(len(order))
        turns = form.apply([(ROLES[letter], text) for letter, text in zip(order, texts, strict=True)])
        try:
            prompt = self._render(turns, convention)
        except (TooSlow, TooLarge):
            raise  # Every other form would take as long.
        except Exception:  # noqa: BLE001  a failure means "not kept"; `_reason` says why
            return False
        # A template that expects a text may print a list, as Python or JSON.
        is_printed = convention.has_parts and any(key in prompt for key in ("'type':", '"type":'))
        return not is_printed and all(text in prompt for text in texts)

    def _reason(self, order: str) -> str:
        """Return why the template does not keep test texts in an order; quotes the template only."""
        turns = [(ROLES[letter], text) for letter, text in zip(order, _test_texts(len(order)), strict=True)]
        try:
            self._render(turns, self._convention)
        except (TemplateError, TypeError, ValueError, LookupError) as error:
            message = str(error) if isinstance(error, Refused) else f"{type(error).__name__}: {error}"
            words = "".join(c if c.isprintable() else " " for c in message)
            return f'"{words[:MAX_REASON_CHARS].strip()}"'
        except Exception as error:  # noqa: BLE001
            return type(error).__name__
        return "it leaves a message out, or changes its text"


def _test_texts(count: int) -> list[str]:
    return [f"text {number:06} of {count:06}" for number in range(count)]


def _line(error: Exception) -> str:
    return f" in line {error.lineno}" if isinstance(error, TemplateSyntaxError) else ""
