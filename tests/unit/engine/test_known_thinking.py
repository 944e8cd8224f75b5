"""The tags around reasoning of known families, found in their chat templates.

They are files of others: `make test-templates` fetches them, without them these tests are skipped.
"""

import pytest

from gateway.engine.template.chat_template import ChatTemplate
from gateway.engine.thinking.loading import renderer_of
from gateway.engine.thinking.thinking_form import thinking_form
from tests.support.template_models import known_template, known_template_names

PLAIN = ("<think>", "</think>", "", "")
FORMS = {
    "Apertus-8B-Instruct": ("<|inner_prefix|>", "<|inner_suffix|>", "", ""),
    "Apriel-1.6-15b-Thinker-fixed": ("Here are my reasoning steps:", "[BEGIN FINAL RESPONSE]", "", ""),
    "ByteDance-Seed-OSS": ("<seed:think>", "</seed:think>", "", ""),
    "Cohere2MoE": ("<|START_THINKING|>", "<|END_THINKING|>", "", "<|START_TEXT|>"),
    "CohereForAI-c4ai-command-r7b-12-2024-tool_use": (
        "<|START_THINKING|>",
        "<|END_THINKING|>",
        "",
        "<|START_RESPONSE|>",
    ),
    "Kimi-K3": ("think<|sep|>", "<|close|>think<|sep|><|open|>response<|sep|>", "", ""),
    "MiniMax-M3": ("<mm:think>", "</mm:think>", "", ""),
    "google-gemma-4-31B-it": ("<|channel>thought", "<channel|>", "", ""),
    "google-gemma-4-31B-it-interleaved": ("<|channel>thought", "<channel|>", "", ""),
    "ibm-granite-granite-3.3-2B-Instruct": ("<think>", "</think>", "", "<response>"),
    "mistralai-Ministral-3-14B-Reasoning-2512": ("[THINK]", "[/THINK]", "", ""),
    "muse-glimmer": ("to=self<|message|>", "<|eom|>", "<|start|>assistant", "to=user<|message|>"),
    "openai-gpt-oss-120b": (
        "<|channel|>analysis<|message|>",
        "<|end|>",
        "<|start|>assistant",
        "<|channel|>final<|message|>",
    ),
    "tencent-Hy3": ("<think:opensource>", "</think:opensource>", "", ""),
    "unsloth-Apriel-1.5": ("Here are my reasoning steps:", "[BEGIN FINAL RESPONSE]", "", ""),
    "upstage-Solar-Open-100B": ("<|think|>", "<|end|>", "<|begin|>assistant", "<|content|>"),
}
"""Start, end, header of one more message, and beginning of the answer, where they are not as `PLAIN`."""
THINKING = {
    "Bielik-11B-v3.0-Instruct",
    "GLM-4.6",
    "GLM-4.7-Flash",
    "HuggingFaceTB-SmolLM3-3B",
    "Kimi-K2-Thinking",
    "LFM2.5-8B-A1B",
    "LFM2.5-Instruct",
    "MiniMax-M2",
    "NVIDIA-Nemotron-3-Nano-30B-A3B-BF16",
    "NVIDIA-Nemotron-Nano-v2",
    "Qwen-QwQ-32B",
    "Qwen-Qwen3-0.6B",
    "Qwen3.5-4B",
    "Reka-Edge",
    "Spark2.5",
    "StepFun3.5-Flash",
    "deepseek-ai-DeepSeek-R1-Distill-Llama-8B",
    "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B",
    "deepseek-ai-DeepSeek-V3.1",
    "deepseek-ai-DeepSeek-V3.2",
    "deepseek-ai-DeepSeek-V4",
    "deepseek-ai-DeepSeek-V4-Flash-0731",
    "inclusionai-ling-3.0-flash",
    "llama-cpp-deepseek-r1",
    "llama-cpp-rwkv-world",
    "openbmb-MiniCPM5-1B",
    "poolside-Laguna-S-2.1",
    "poolside-Laguna-XS-2.1",
    "poolside-Laguna-XS.2",
}
"""Templates whose tags are `PLAIN`; those that are nowhere here have none."""


@pytest.mark.parametrize("name", known_template_names())
def test_tags_of_a_known_template(name: str) -> None:
    """They are found by rendering, or in the source; the names here are for the test only."""
    source = known_template(name)
    form = thinking_form(source, renderer_of(ChatTemplate(source, bos="<s>", eos="</s>")))
    found = None if form is None else (form.start, form.end, form.header, form.answer)
    assert found == FORMS.get(name, PLAIN if name in THINKING else None)
