"""Responses that well-known programs ask for."""

from tests.support.known_requests import PARAMETERS, PATCH_GRAMMAR, PIXEL, KnownRequest

RESPONSES = "/v1/responses"
INPUT_TEXT = {"type": "input_text", "text": "Read a.py."}
KNOWN_RESPONSES: dict[str, KnownRequest] = {
    "Codex: a turn with every kind of tool but the hosted": KnownRequest(
        path=RESPONSES,
        headers={"originator": "codex_cli_rs", "session-id": "s", "x-codex-window-id": "w"},
        body={
            "model": "auto",
            "instructions": "You are Codex.",
            "input": [
                {
                    "type": "message",
                    "role": "developer",
                    "content": [{"type": "input_text", "text": "Sandbox."}],
                },
                {"type": "message", "role": "user", "content": [INPUT_TEXT]},
                {
                    "type": "reasoning",
                    "summary": [{"type": "summary_text", "text": "I read."}],
                    "content": None,
                    "encrypted_content": "gAAAAAB",
                },
                {
                    "type": "message",
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": "I read it."}],
                    "phase": "commentary",
                },
                {
                    "type": "function_call",
                    "name": "shell",
                    "arguments": '{"command": ["ls"]}',
                    "call_id": "c1",
                },
                {"type": "function_call_output", "call_id": "c1", "output": "a.py"},
                {
                    "type": "custom_tool_call",
                    "call_id": "c2",
                    "name": "apply_patch",
                    "input": "*** Begin Patch",
                },
                {"type": "custom_tool_call_output", "call_id": "c2", "output": "no"},
            ],
            "tools": [
                {
                    "type": "function",
                    "name": "shell",
                    "description": "Runs.",
                    "strict": False,
                    "parameters": {
                        "type": "object",
                        "properties": {"command": {"type": "array", "items": {"type": "string"}}},
                    },
                },
                {
                    "type": "custom",
                    "name": "apply_patch",
                    "description": "Changes files.",
                    "format": {"type": "grammar", "syntax": "lark", "definition": PATCH_GRAMMAR},
                },
            ],
            "tool_choice": "auto",
            "parallel_tool_calls": True,
            "reasoning": {"effort": "high", "summary": "auto"},
            "store": False,
            "stream": True,
            "include": ["reasoning.encrypted_content"],
            "service_tier": "priority",
            "prompt_cache_key": "thread",
            "text": {
                "verbosity": "low",
                "format": {
                    "type": "json_schema",
                    "strict": True,
                    "schema": PARAMETERS,
                    "name": "codex_output_schema",
                },
            },
            "client_metadata": {"turn": "1"},
        },
    ),
    "Codex: a tool that its provider runs": KnownRequest(
        path=RESPONSES,
        body={
            "model": "auto",
            "instructions": "You are Codex.",
            "input": [{"type": "message", "role": "user", "content": [INPUT_TEXT]}],
            "tools": [{"type": "web_search", "external_web_access": True}],
            "stream": True,
            "store": False,
        },
        refused_for="tools[0].type",
    ),
    "Zed: a thread of the other API": KnownRequest(
        path=RESPONSES,
        body={
            "model": "auto",
            "input": [
                {
                    "type": "message",
                    "role": "user",
                    "content": [INPUT_TEXT, {"type": "input_image", "image_url": PIXEL}],
                },
                {"type": "function_call", "call_id": "c", "name": "read", "arguments": "{}"},
                {
                    "type": "function_call_output",
                    "call_id": "c",
                    "output": [
                        {"type": "input_text", "text": "it"},
                        {"type": "input_image", "image_url": PIXEL},
                    ],
                },
            ],
            "store": False,
            "include": ["reasoning.encrypted_content"],
            "stream": True,
            "max_output_tokens": 4096,
            "parallel_tool_calls": False,
            "tool_choice": "required",
            "tools": [
                {"type": "function", "name": "read", "description": "Reads.", "parameters": PARAMETERS}
            ],
            "prompt_cache_key": "thread",
            "reasoning": {"effort": "none"},
        },
    ),
    "AI SDK: what it kept at a provider": KnownRequest(
        path=RESPONSES,
        body={
            "model": "auto",
            "input": [
                {"role": "user", "content": [INPUT_TEXT]},
                {"type": "item_reference", "id": "msg_1"},
            ],
        },
        refused_for="input[1].type",
    ),
}
