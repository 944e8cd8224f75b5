"""Chat completions that well-known programs ask for."""

from tests.support.known_requests import PARAMETERS, PATCH_GRAMMAR, PIXEL, KnownRequest, call, function
from tests.support.raw_http import CHAT

SYSTEM = {"role": "system", "content": "Be short."}
USER = {"role": "user", "content": "Read a.py."}
HISTORY = [
    SYSTEM,
    USER,
    {"role": "assistant", "content": None, "tool_calls": [call("call_1", "read")]},
    {"role": "tool", "tool_call_id": "call_1", "content": "print(42)"},
    {"role": "user", "content": "What does it print?"},
]
KNOWN_CHAT: dict[str, KnownRequest] = {
    "Open WebUI: a chat with parameters of its page": KnownRequest(
        path=CHAT,
        headers={
            "x-openwebui-user-name": "Ada",
            "x-openwebui-user-role": "admin",
            "http-referer": "https://openwebui.com/",
            "x-title": "Open WebUI",
        },
        body={
            "model": "auto",
            "stream": True,
            "stream_options": {"include_usage": True},
            "messages": [
                SYSTEM,
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What is it?"},
                        {"type": "image_url", "image_url": {"url": PIXEL}},
                    ],
                },
                {"role": "assistant", "content": "A dot."},
                {"role": "user", "content": "Sure?"},
            ],
            "temperature": 0.8,
            "top_p": 0.9,
            "min_p": 0.05,
            "max_tokens": 512,
            "frequency_penalty": 0.5,
            "presence_penalty": 0.5,
            "reasoning_effort": "medium",
            "seed": 7,
            "stop": ["###"],
            "logit_bias": {"42": -100},
            "user": {"name": "Ada", "id": "1", "email": "ada@example.com", "role": "admin"},
        },
    ),
    "Open WebUI: a title": KnownRequest(
        path=CHAT,
        body={
            "model": "auto",
            "messages": [USER],
            "stream": False,
            "max_completion_tokens": 1000,
            "metadata": {"task": "title_generation", "chat_id": "c", "task_body": {"messages": []}},
        },
    ),
    "LibreChat: an agent": KnownRequest(
        path=CHAT,
        body={
            "model": "auto",
            "user": "68906998cc83815dd7244885",
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": 1,
            "top_p": 1,
            "presence_penalty": 0,
            "frequency_penalty": 0,
            "n": 1,
            "messages": [
                SYSTEM,
                {"role": "user", "content": [{"type": "text", "text": "Read a.py."}]},
                {"role": "assistant", "content": "", "tool_calls": [call("call_1", "read_mcp_files")]},
                {"role": "tool", "tool_call_id": "call_1", "content": "print(42)", "name": "read_mcp_files"},
            ],
            "tools": [function("read_mcp_files")],
            "tool_choice": "auto",
        },
    ),
    "LibreChat: a title by a tool": KnownRequest(
        path=CHAT,
        body={
            "model": "auto",
            "messages": [USER],
            "tools": [function("output", strict=True)],
            "tool_choice": {"type": "function", "function": {"name": "output"}},
            "parallel_tool_calls": False,
            "logprobs": False,
            "stream": False,
        },
    ),
    "LibreChat: a web search": KnownRequest(
        path=CHAT,
        body={"model": "auto", "messages": [USER], "web_search_options": {}},
        refused_for="web_search_options",
    ),
    "Continue: an agent": KnownRequest(
        path=CHAT,
        headers={"x-api-key": "key", "authorization": "Bearer key"},
        body={
            "model": "auto",
            "messages": HISTORY,
            "max_tokens": 4096,
            "stream": True,
            "stream_options": {"include_usage": True},
            "tools": [function("read", strict=False)],
            "parallel_tool_calls": False,
        },
    ),
    "Continue: an edit that is nearly known": KnownRequest(
        path=CHAT,
        body={
            "model": "auto",
            "messages": [USER],
            "stream": True,
            "stop": ["```"],
            "prediction": {"type": "content", "content": "print(42)"},
        },
    ),
    "Aider: an edit, with what may be cached": KnownRequest(
        path=CHAT,
        body={
            "model": "auto",
            "temperature": 0,
            "stream": True,
            "messages": [
                {
                    "role": "system",
                    "content": [
                        {"type": "text", "text": "Be short.", "cache_control": {"type": "ephemeral"}}
                    ],
                },
                USER,
                {"role": "assistant", "content": "Ok."},
                {"role": "user", "content": "Change it."},
            ],
        },
    ),
    "Aider: more of an answer that was cut": KnownRequest(
        path=CHAT,
        body={
            "model": "auto",
            "temperature": 0,
            "stream": True,
            "messages": [USER, {"role": "assistant", "content": "print(", "prefix": True}],
        },
    ),
    "Cursor: tools of both APIs in one list": KnownRequest(
        path=CHAT,
        body={
            "model": "auto",
            "stream": True,
            "stream_options": {"include_usage": True},
            "user": "u",
            "messages": HISTORY,
            "tools": [
                function("read"),
                {"type": "function", "name": "grep", "description": "Finds.", "parameters": PARAMETERS},
                {
                    "type": "custom",
                    "name": "ApplyPatch",
                    "description": "Changes files.",
                    "format": {"type": "grammar", "syntax": "lark", "definition": PATCH_GRAMMAR},
                },
            ],
            "tool_choice": "auto",
        },
    ),
    "Cursor: a request of the other API": KnownRequest(
        path=CHAT,
        body={"model": "auto", "stream": True, "input": [{"role": "user", "content": "Read a.py."}]},
        refused_for="input",
    ),
    "Zed: a thread": KnownRequest(
        path=CHAT,
        body={
            "model": "auto",
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_completion_tokens": 4096,
            "temperature": 1.0,
            "tool_choice": "auto",
            "parallel_tool_calls": True,
            "prompt_cache_key": "thread",
            "reasoning_effort": "low",
            "messages": [
                SYSTEM,
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What is it?"},
                        {"type": "image_url", "image_url": {"url": PIXEL, "detail": None}},
                    ],
                },
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [call("call_1", "read")],
                    "reasoning_content": "I read.",
                },
                {"role": "tool", "content": [], "tool_call_id": "call_1"},
            ],
            "tools": [
                {"type": "function", "function": {"name": "read", "description": "", "parameters": None}}
            ],
        },
    ),
    "AI SDK: an object": KnownRequest(
        path=CHAT,
        body={
            "model": "auto",
            "temperature": 0,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"schema": PARAMETERS, "strict": True, "name": "response"},
            },
            "verbosity": "low",
            "messages": [
                SYSTEM,
                USER,
                {"role": "assistant", "content": "", "reasoning_content": "Hm."},
                USER,
            ],
        },
    ),
}
