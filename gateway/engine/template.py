"""A conversation as the text that a model was trained to go on from: its chat template, in a sandbox."""

from collections.abc import Sequence

from jinja2 import TemplateError
from jinja2.exceptions import SecurityError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}assistant:"
)
"""For a file that brings no template: such a model was not trained on conversations."""


class TemplateBroken(Exception):
    """A template does not compile, or refuses a conversation; the message holds none of its words."""


class ChatTemplate:
    """A compiled chat template; safe to use from several threads."""

    def __init__(self, source: str, *, bos: str, eos: str) -> None:
        self.source = source
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
        )
        environment.globals["raise_exception"] = _refuse
        self._tokens = {"bos_token": bos, "eos_token": eos}
        try:
            self._template = environment.from_string(source)
        except TemplateError as error:
            raise TemplateBroken(f"does not compile ({type(error).__name__})") from None

    def render(self, messages: Sequence[tuple[str, str]]) -> str:
        """Return the prompt for messages of (role, content), up to where the answer begins."""
        turns = [{"role": role, "content": content} for role, content in messages]
        try:
            return self._template.render(messages=turns, add_generation_prompt=True, **self._tokens)
        except (TemplateError, SecurityError, TypeError, ValueError, LookupError, ArithmeticError) as error:
            # The error's own text may quote the conversation.
            raise TemplateBroken(f"refuses this conversation ({type(error).__name__})") from None


def _refuse(_reason: str) -> str:
    raise TemplateError("raise_exception")
