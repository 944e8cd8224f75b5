"""The tags of a model are found in what its template renders, or in its source."""

import jinja2
import pytest

from gateway.engine.thinking.thinking_form import ThinkingForm, thinking_form

SHOWN = (
    "{% for m in messages %}<s>{{ m.role }}\n"
    "{% if m.reasoning %}<think>\n{{ m.reasoning }}\n</think>\n\n{% endif %}{{ m.content }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant\n"
    "{% if thinking is false %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
"""As Qwen3's: the model opens the block, and a closed empty one turns thinking off."""
OPENED = SHOWN.replace("assistant\n{% if thinking", "assistant\n<think>\n{% if thinking")
"""As MiniMax M2's: the prompt opens the block."""
STRIPPED = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content.split('</think>')[-1] }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant><think>\n{% endif %}"
)
"""As DeepSeek R1's: reasoning of the history is left out."""
HARMONY = (
    "{% for m in messages %}{% if m.role == 'assistant' %}"
    "{% if m.reasoning %}<|start|>assistant<|channel|>analysis<|message|>{{ m.reasoning }}<|end|>{% endif %}"
    "<|start|>assistant<|channel|>final<|message|>{{ m.content }}"
    "{{ '<|return|>' if loop.last else '<|end|>' }}"
    "{% else %}<|start|>{{ m.role }}<|message|>{{ m.content }}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant{% endif %}"
)
"""As gpt-oss's: each message of a turn names its channel."""
STEPS = (
    "{% for m in messages %}<|{{ m.role }}|>\n{% if m.reasoning %}{{ m.reasoning }}\n[BEGIN FINAL RESPONSE]\n"
    "{% endif %}{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\nHere are my reasoning steps:\n{% endif %}"
)
"""As Apriel's: a sentence of the prompt opens the block."""
TOLD = (
    "{% if thinking %}Write your thoughts between <think></think>, your answer between <response></response>."
    "{% endif %}{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"
)
"""As Granite's: the model is told of the tags."""
CLOSED = SHOWN.replace(
    "{{ m.content }}",
    "{% if m.role == 'assistant' and not m.reasoning %}<think>\n\n</think>\n\n{% endif %}{{ m.content }}",
)
"""An answer without reasoning has an empty block."""
WITHOUT = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"


def form_of(source: str) -> ThinkingForm | None:
    """Return the form of a template."""
    template = jinja2.Environment(trim_blocks=True).from_string(source)  # As the engine's, without a sandbox.

    def render(
        answer: str, *, reasoning: str = "", is_last: bool = True, thinking: bool | None = None
    ) -> str | None:
        messages = [{"role": "user", "content": "question 000001 here"}]
        if answer:
            messages.append({"role": "assistant", "content": answer, "reasoning": reasoning})
        if answer and not is_last:
            messages.append({"role": "user", "content": "second"})
        switch = {} if thinking is None else {"thinking": thinking}
        return template.render(messages=messages, add_generation_prompt=not answer or not is_last, **switch)

    return thinking_form(source, render)


@pytest.mark.parametrize(
    ("source", "form"),
    [
        (SHOWN, ThinkingForm(start="<think>", end="</think>")),
        (OPENED, ThinkingForm(start="<think>", end="</think>")),
        (CLOSED, ThinkingForm(start="<think>", end="</think>")),
        (STRIPPED, ThinkingForm(start="<think>", end="</think>")),
        (
            HARMONY,
            ThinkingForm(
                start="<|channel|>analysis<|message|>",
                end="<|end|>",
                header="<|start|>assistant",
                answer="<|channel|>final<|message|>",
                before_end="",
                after_end="",
            ),
        ),
        (
            STEPS,
            ThinkingForm(
                start="Here are my reasoning steps:",
                end="[BEGIN FINAL RESPONSE]",
                answer_end="[END FINAL RESPONSE]",
                after_end="\n",
            ),
        ),
        (
            TOLD,
            ThinkingForm(start="<think>", end="</think>", answer="<response>", answer_end="</response>"),
        ),
        (WITHOUT, None),
    ],
    ids=["shown", "opened", "closed", "stripped", "harmony", "steps", "told", "without"],
)
def test_form_of_a_template(source: str, form: ThinkingForm | None) -> None:
    """No form is found by the name of a model."""
    assert form_of(source) == form
