"""Asks LiteLLM's router, one line of JSON in and one out; run by the Python that has it.

python benchmarks/litellm_router.py BASE_URL
"""

import asyncio
import importlib
import json
import sys
import time
from typing import Any

PATIENCE_S = 0.6


async def ask(base_url: str, *, is_streamed: bool) -> dict[str, object]:
    """Send one request through a new router, set up as the gateway's policy is, as far as it can be."""
    litellm: Any = importlib.import_module("litellm")
    litellm.suppress_debug_info = True
    router = litellm.Router(
        model_list=[
            {
                "model_name": name,
                "litellm_params": {"model": f"openai/{name}", "api_base": base_url, "api_key": "none"},
            }
            for name in ("strong", "backup")
        ],
        fallbacks=[{"strong": ["backup"]}],
        context_window_fallbacks=[{"strong": ["backup"]}],
        num_retries=2,
        timeout=PATIENCE_S,
        stream_timeout=PATIENCE_S,
    )
    began_s = time.monotonic()
    messages = [{"role": "user", "content": "hello"}]
    text, error, finish = "", "", ""
    try:
        if is_streamed:
            stream = await router.acompletion(
                model="strong", messages=messages, max_tokens=64, stream=True,
                stream_options={"include_usage": True},
            )  # fmt: skip
            async for chunk in stream:
                for choice in chunk.choices:
                    text += choice.delta.content or ""
                    finish = choice.finish_reason or finish
        else:
            answer = await router.acompletion(model="strong", messages=messages, max_tokens=64)
            text = answer.choices[0].message.content or ""
            finish = answer.choices[0].finish_reason or ""
    except Exception as failure:  # noqa: BLE001 - what it raises is what is shown.
        error = type(failure).__name__
    return {"text": text, "error": error, "finish": finish, "seconds": time.monotonic() - began_s}


async def main(base_url: str) -> None:
    """Answer one line after the other."""
    out = sys.stdout
    sys.stdout = sys.stderr  # What a library prints is no answer.
    for line in sys.stdin:
        try:
            async with asyncio.timeout(20):
                told = await ask(base_url, is_streamed=json.loads(line)["is_streamed"])
        except TimeoutError:
            told = {"text": "", "error": "no end within 20 s", "finish": "", "seconds": 20.0}
        out.write(json.dumps(told) + "\n")
        out.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
