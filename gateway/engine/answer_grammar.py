"""What the answer of a request must match: its schema, its grammar, and the calls of its tools."""

from gateway import errors
from gateway.engine.calls.calling import CallPlan
from gateway.engine.grammar.gbnf import lark_of
from gateway.engine.grammar.schema_grammar import grammar_of
from gateway.engine.interfaces import Constraint, GrammarRefused, Matcher, Model
from gateway.engine.prompt import PromptMaker
from gateway.engine.v1 import engine_pb2

TOOLS_FIELD = "config.tools"


def may_call(request: engine_pb2.GenerateRequest) -> bool:
    """Whether the answer may call tools."""
    return bool(request.tools) and request.tool_choice.mode != engine_pb2.ToolChoice.MODE_NONE


def is_constrained(request: engine_pb2.GenerateRequest) -> bool:
    """Whether the answer has to match something."""
    return may_call(request) or request.HasField("json_schema") or request.HasField("grammar")


def calls_of(request: engine_pb2.GenerateRequest, prompts: PromptMaker, *, name: str) -> CallPlan | None:
    """Return the plan of an answer that may call tools, else None; raises NotCapable or BackendInvalid."""
    if request.tools and prompts.calling is None:
        problem = "the chat template has no form for calls; write tools: true in the policy"
        raise errors.NotCapable(name, f"{TOOLS_FIELD}: {problem}", field=TOOLS_FIELD)
    if not may_call(request) or prompts.calling is None:
        return None
    if request.HasField("grammar"):
        raise errors.BackendInvalid(name, "grammar: must not be set together with tools")
    choice = request.tool_choice
    tools = [
        (number, tool.name, tool.parameters_json_schema)
        for number, tool in enumerate(request.tools)
        if choice.name in ("", tool.name)
    ]
    try:
        return prompts.calling.plan(
            tools,
            is_required=choice.mode == engine_pb2.ToolChoice.MODE_REQUIRED,
            is_single=request.single_tool_call,
            text_schema=request.json_schema if request.HasField("json_schema") else None,
        )
    except GrammarRefused as error:
        raise errors.NotCapable(name, f"{TOOLS_FIELD}{error}", field=TOOLS_FIELD) from None


def constraint_of(
    request: engine_pb2.GenerateRequest, calls: CallPlan | None, model: Model, *, name: str, is_deferred: bool
) -> tuple[Constraint | None, Matcher | None]:
    """Return what the answer must match, and a matcher for it; raises NotCapable."""
    if not is_constrained(request):
        return None, None
    field = "config.json_schema" if request.HasField("json_schema") else "config.grammar"
    if calls is not None:
        field = TOOLS_FIELD
    try:
        if calls is not None:
            grammar = calls.grammar
        elif request.HasField("json_schema"):
            grammar = grammar_of(request.json_schema)
        else:
            grammar = lark_of(request.grammar)
        constraint = Constraint(grammar=grammar, request_field=field, is_deferred=is_deferred)
        return constraint, model.matcher(constraint)
    except GrammarRefused as error:
        problem = f": {error}" if calls is None else _problem_of_a_tool(request, model) or f": {error}"
        raise errors.NotCapable(name, f"{field}{problem}", field=field) from None


def _problem_of_a_tool(request: engine_pb2.GenerateRequest, model: Model) -> str:
    """Return which tool has parameters whose grammar is refused by itself, and why; "" if none has."""
    for number, tool in enumerate(request.tools):
        if request.tool_choice.name in ("", tool.name):
            try:
                grammar = grammar_of(tool.parameters_json_schema or "{}")
                model.matcher(Constraint(grammar=grammar, request_field=TOOLS_FIELD))
            except GrammarRefused as error:
                return f"[{number}].parameters_json_schema: {error}"
    return ""
