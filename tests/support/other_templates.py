"""Chat templates in the manner of families that `make test-templates` does not have, written anew.

Markers and forms of calls are those of the families; texts and structure are not taken from their files.
"""

from collections.abc import Mapping

_ARGUMENTS = (
    "{% for k, v in c.function.arguments.items() %}{{ k }}={{ v | tojson }}"
    "{{ ', ' if not loop.last }}{% endfor %}"
)
_CALL = '{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}'
_SOURCES: Mapping[str, str] = {
    # A role beside the usual ones for results, and a name behind the role of the message with tools.
    "internlm 2.5": """{%- set calls = namespace(n=0) -%}
{%- if messages[0].role == 'system' -%}
<|im_start|>system
{{ messages[0].content }}<|im_end|>
{% endif -%}
{%- if tools -%}
<|im_start|>system name=<|plugin|>
{{ tools | map(attribute='function') | list | tojson }}<|im_end|>
{% endif -%}
{%- for m in messages -%}
{%- if m.role == 'user' -%}
<|im_start|>user
{{ m.content }}<|im_end|>
{% elif m.role == 'assistant' -%}
<|im_start|>assistant
{{ m.content or '' }}
{%- for c in m.tool_calls or [] -%}
<|action_start|><|plugin|>
{"name": "{{ c.function.name }}", "parameters": {{ c.function.arguments | tojson }}}<|action_end|>
{%- endfor -%}
<|im_end|>
{% elif m.role == 'tool' -%}
<|im_start|>environment name=<|plugin|>
{{ m.content }}<|im_end|>
{% endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
<|im_start|>assistant
{% endif -%}""",
    # Tools are an attribute of the system message; arguments are a text within the JSON of a list.
    "phi 4 mini": """{%- for m in messages -%}
{%- if m.role == 'system' -%}
<|system|>{{ m.content }}{% if tools %}<|tool|>{{ tools | tojson }}<|/tool|>{% endif %}<|end|>
{%- elif loop.first and tools -%}
<|system|>You can call functions.<|tool|>{{ tools | tojson }}<|/tool|><|end|>
{%- endif -%}
{%- if m.role == 'user' -%}
<|user|>{{ m.content }}<|end|>
{%- elif m.role == 'assistant' -%}
<|assistant|>
{%- if m.tool_calls -%}
functools[{% for c in m.tool_calls %}@CALL@{{ ", " if not loop.last }}{% endfor %}]
{%- else -%}
{{ m.content }}
{%- endif -%}
<|end|>
{%- elif m.role == 'tool' -%}
<|tool_response|>{{ m.content }}<|end|>
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}""",
    # White space within the list of calls, and a space before each text.
    "jamba 1.5": """{%- macro message(role, text) -%}<|bom|><|{{ role }}|> {{ text }}<|eom|>{%- endmacro -%}
{%- set ns = namespace(system='', rest=messages) -%}
{%- if messages[0].role == 'system' -%}
{%- set ns.system = messages[0].content -%}{%- set ns.rest = messages[1:] -%}
{%- endif -%}
{%- if ns.system or tools -%}
<|bom|><|system|> {{ ns.system }}
{%- if tools %}

# Tools
<tool_definitions>
[
{%- for t in tools %}
  {{ t.function | tojson }}{{ ',' if not loop.last }}
{%- endfor %}
]
</tool_definitions>
{%- endif -%}
<|eom|>
{%- endif -%}
{%- for m in ns.rest -%}
{%- if m.role == 'assistant' and m.tool_calls -%}
<|bom|><|assistant|> {{ m.content or '' }}<tool_calls>[
{%- for c in m.tool_calls %}
  @CALL@{{ ',' if not loop.last }}
{%- endfor %}
]</tool_calls><|eom|>
{%- elif m.role in ('user', 'assistant', 'tool') -%}
{{ message(m.role, m.content) }}
{%- else -%}
{{ raise_exception('a role that is not known') }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}<|bom|><|assistant|>{%- endif -%}""",
    # Brackets as markers of turns; reasoning only behind the last question.
    "exaone 4": """{%- set last = namespace(user=-1) -%}
{%- for m in messages if m.role == 'user' -%}{%- set last.user = messages.index(m) -%}{%- endfor -%}
[|system|]
{% if messages[0].role == 'system' %}{{ messages[0].content }}{% endif %}
{%- if tools %}

# Available Tools
{% for t in tools %}<tool>{{ t.function | tojson }}</tool>
{% endfor -%}
To call one, write <tool_call>{"name": its name, "arguments": an object}</tool_call>.
{%- endif -%}
[|endofturn|]
{% for m in messages -%}
{%- if m.role == 'user' -%}
[|user|]
{{ m.content }}[|endofturn|]
{% elif m.role == 'assistant' -%}
[|assistant|]
{% if m.reasoning_content and loop.index0 > last.user %}<think>
{{ m.reasoning_content }}
</think>

{% else %}<think>

</think>

{% endif %}{{ m.content or '' }}
{%- for c in m.tool_calls or [] -%}
<tool_call>@CALL@</tool_call>
{%- endfor -%}
[|endofturn|]
{% elif m.role == 'tool' -%}
[|tool|]
<tool_result>{{ m.content }}</tool_result>[|endofturn|]
{% endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
[|assistant|]
<think>
{% if not enable_thinking | default(false) %}
</think>

{% endif -%}
{%- endif -%}""",
    # Numbered control tokens, roles as words, one call a line.
    "nemotron mini": """<extra_id_0>System
{% for m in messages if m.role == 'system' %}{{ m.content }}
{% endfor %}{% for t in tools or [] %}<tool> {{ t.function | tojson }} </tool>
{% endfor %}
{% for m in messages %}{% if m.role == 'user' %}<extra_id_1>User
{{ m.content | trim }}
{% elif m.role == 'assistant' and m.tool_calls %}<extra_id_1>Assistant
{% for c in m.tool_calls %}<toolcall> @CALL@ </toolcall>
{% endfor %}{% elif m.role == 'assistant' %}<extra_id_1>Assistant
{{ m.content | trim }}
{% elif m.role == 'tool' %}<extra_id_1>Tool
{{ m.content | trim }}
{% endif %}{% endfor %}{% if add_generation_prompt %}<extra_id_1>Assistant
{% endif %}""",
    # Calls as lines of Python without a list, values as JSON writes them.
    "olmo 3": """{%- set offered = (tools or []) | map(attribute='function') | list | tojson -%}
{%- for m in messages -%}
{%- if m.role == 'system' -%}
<|im_start|>system
{{ m.content }}{% if tools %} <functions>{{ offered }}</functions>{% endif %}<|im_end|>
{% elif loop.first -%}
<|im_start|>system
{% if tools %}<functions>{{ offered }}</functions>{% endif %}<|im_end|>
{% endif -%}
{%- if m.role == 'user' -%}
<|im_start|>user
{{ m.content }}<|im_end|>
{% elif m.role == 'assistant' -%}
<|im_start|>assistant
{{ m.content or '' }}{% if m.tool_calls %}<function_calls>
{%- for c in m.tool_calls %}{{ '\\n' if not loop.first }}{{ c.function.name }}("""
    + _ARGUMENTS
    + """){% endfor -%}
</function_calls>{% endif %}<|im_end|>
{% elif m.role == 'tool' -%}
<|im_start|>environment
{{ m.content }}<|im_end|>
{% endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}<|im_start|>assistant
{% endif -%}""",
    # Calls as a list of Python without a mark, so that an answer begins like a call or not.
    "toolace": """{%- set who = '<|start_header_id|>%s<|end_header_id|>\n\n' -%}
{%- if tools or messages[0].role == 'system' -%}
{{ who | format('system') }}{% if messages[0].role == 'system' %}{{ messages[0].content }}
{% endif %}{% if tools %}Call functions as [name(key=value), ...], and say nothing else then.
{{ tools | map(attribute='function') | list | tojson }}{% endif %}<|eot_id|>
{%- endif -%}
{%- for m in messages if m.role != 'system' -%}
{%- if m.tool_calls -%}
{{ who | format('assistant') }}[{% for c in m.tool_calls %}{{ c.function.name }}("""
    + _ARGUMENTS
    + """){{ ', ' if not loop.last }}{% endfor %}]<|eot_id|>
{%- else -%}
{{ who | format(m.role) }}{{ m.content }}<|eot_id|>
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ who | format('assistant') }}{%- endif -%}""",
    # Words as markers, no tools, and turns that must alternate.
    "openchat": """{%- for m in messages -%}
{%- if (m.role == 'user') != (loop.index0 % 2 == 0) -%}
{{ raise_exception('user and assistant take turns') }}
{%- endif -%}
GPT4 Correct {{ m.role | title }}: {{ m.content }}<|end_of_turn|>
{%- endfor -%}
{%- if add_generation_prompt -%}GPT4 Correct Assistant:{%- endif -%}""",
}
TEMPLATES: Mapping[str, str] = {name: source.replace("@CALL@", _CALL) for name, source in _SOURCES.items()}
