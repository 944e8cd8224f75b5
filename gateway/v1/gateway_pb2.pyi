from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROLE_UNSPECIFIED: _ClassVar[Role]
    ROLE_SYSTEM: _ClassVar[Role]
    ROLE_USER: _ClassVar[Role]
    ROLE_ASSISTANT: _ClassVar[Role]
    ROLE_TOOL: _ClassVar[Role]

class Route(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROUTE_UNSPECIFIED: _ClassVar[Route]
    ROUTE_LOCAL: _ClassVar[Route]
    ROUTE_CLOUD: _ClassVar[Route]
    ROUTE_CANNED: _ClassVar[Route]

class PrivacyClass(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PRIVACY_CLASS_UNSPECIFIED: _ClassVar[PrivacyClass]
    PRIVACY_CLASS_PUBLIC: _ClassVar[PrivacyClass]
    PRIVACY_CLASS_INTERNAL: _ClassVar[PrivacyClass]
    PRIVACY_CLASS_CONFIDENTIAL: _ClassVar[PrivacyClass]
    PRIVACY_CLASS_RESTRICTED: _ClassVar[PrivacyClass]

class FinishReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FINISH_REASON_UNSPECIFIED: _ClassVar[FinishReason]
    FINISH_REASON_STOP: _ClassVar[FinishReason]
    FINISH_REASON_LENGTH: _ClassVar[FinishReason]
    FINISH_REASON_STOP_SEQUENCE: _ClassVar[FinishReason]
    FINISH_REASON_CONTENT_FILTER: _ClassVar[FinishReason]
    FINISH_REASON_TOOL_CALLS: _ClassVar[FinishReason]

class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REASON_UNSPECIFIED: _ClassVar[Reason]
    REASON_CLEARANCE: _ClassVar[Reason]
    REASON_CONTEXT_LENGTH_EXCEEDED: _ClassVar[Reason]
    REASON_CAPABILITY: _ClassVar[Reason]
    REASON_DEADLINE: _ClassVar[Reason]
    REASON_BUDGET_EXHAUSTED: _ClassVar[Reason]
    REASON_LEDGER_UNAVAILABLE: _ClassVar[Reason]
    REASON_BREAKER_OPEN: _ClassVar[Reason]
    REASON_RETRY_BUDGET: _ClassVar[Reason]
    REASON_RATE_LIMITED: _ClassVar[Reason]
    REASON_QUEUE_FULL: _ClassVar[Reason]
    REASON_ENGINE_DOWN: _ClassVar[Reason]
    REASON_UPSTREAM_UNREACHABLE: _ClassVar[Reason]
    REASON_UPSTREAM_SILENT: _ClassVar[Reason]
    REASON_UPSTREAM_ERROR: _ClassVar[Reason]
    REASON_UPSTREAM_PROTOCOL: _ClassVar[Reason]
    REASON_UPSTREAM_CREDENTIALS: _ClassVar[Reason]
    REASON_CONTENT_FILTERED: _ClassVar[Reason]
    REASON_STREAM_TRUNCATED: _ClassVar[Reason]
    REASON_ALL_FAILED: _ClassVar[Reason]
    REASON_INVALID_REQUEST: _ClassVar[Reason]
    REASON_INTERNAL: _ClassVar[Reason]

class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_UNSPECIFIED: _ClassVar[Outcome]
    OUTCOME_ANSWERED: _ClassVar[Outcome]
    OUTCOME_FAILED: _ClassVar[Outcome]
    OUTCOME_REFUSED: _ClassVar[Outcome]
    OUTCOME_CANCELLED: _ClassVar[Outcome]
ROLE_UNSPECIFIED: Role
ROLE_SYSTEM: Role
ROLE_USER: Role
ROLE_ASSISTANT: Role
ROLE_TOOL: Role
ROUTE_UNSPECIFIED: Route
ROUTE_LOCAL: Route
ROUTE_CLOUD: Route
ROUTE_CANNED: Route
PRIVACY_CLASS_UNSPECIFIED: PrivacyClass
PRIVACY_CLASS_PUBLIC: PrivacyClass
PRIVACY_CLASS_INTERNAL: PrivacyClass
PRIVACY_CLASS_CONFIDENTIAL: PrivacyClass
PRIVACY_CLASS_RESTRICTED: PrivacyClass
FINISH_REASON_UNSPECIFIED: FinishReason
FINISH_REASON_STOP: FinishReason
FINISH_REASON_LENGTH: FinishReason
FINISH_REASON_STOP_SEQUENCE: FinishReason
FINISH_REASON_CONTENT_FILTER: FinishReason
FINISH_REASON_TOOL_CALLS: FinishReason
REASON_UNSPECIFIED: Reason
REASON_CLEARANCE: Reason
REASON_CONTEXT_LENGTH_EXCEEDED: Reason
REASON_CAPABILITY: Reason
REASON_DEADLINE: Reason
REASON_BUDGET_EXHAUSTED: Reason
REASON_LEDGER_UNAVAILABLE: Reason
REASON_BREAKER_OPEN: Reason
REASON_RETRY_BUDGET: Reason
REASON_RATE_LIMITED: Reason
REASON_QUEUE_FULL: Reason
REASON_ENGINE_DOWN: Reason
REASON_UPSTREAM_UNREACHABLE: Reason
REASON_UPSTREAM_SILENT: Reason
REASON_UPSTREAM_ERROR: Reason
REASON_UPSTREAM_PROTOCOL: Reason
REASON_UPSTREAM_CREDENTIALS: Reason
REASON_CONTENT_FILTERED: Reason
REASON_STREAM_TRUNCATED: Reason
REASON_ALL_FAILED: Reason
REASON_INVALID_REQUEST: Reason
REASON_INTERNAL: Reason
OUTCOME_UNSPECIFIED: Outcome
OUTCOME_ANSWERED: Outcome
OUTCOME_FAILED: Outcome
OUTCOME_REFUSED: Outcome
OUTCOME_CANCELLED: Outcome

class Message(_message.Message):
    __slots__ = ("role", "content")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    role: Role
    content: str
    def __init__(self, role: _Optional[_Union[Role, str]] = ..., content: _Optional[str] = ...) -> None: ...

class GenerationConfig(_message.Message):
    __slots__ = ("max_tokens", "temperature", "top_p", "seed", "stop", "json_schema")
    MAX_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    TOP_P_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    JSON_SCHEMA_FIELD_NUMBER: _ClassVar[int]
    max_tokens: int
    temperature: float
    top_p: float
    seed: int
    stop: _containers.RepeatedScalarFieldContainer[str]
    json_schema: str
    def __init__(self, max_tokens: _Optional[int] = ..., temperature: _Optional[float] = ..., top_p: _Optional[float] = ..., seed: _Optional[int] = ..., stop: _Optional[_Iterable[str]] = ..., json_schema: _Optional[str] = ...) -> None: ...

class Hints(_message.Message):
    __slots__ = ("privacy_class", "max_cost_usd", "allow_degraded")
    PRIVACY_CLASS_FIELD_NUMBER: _ClassVar[int]
    MAX_COST_USD_FIELD_NUMBER: _ClassVar[int]
    ALLOW_DEGRADED_FIELD_NUMBER: _ClassVar[int]
    privacy_class: PrivacyClass
    max_cost_usd: float
    allow_degraded: bool
    def __init__(self, privacy_class: _Optional[_Union[PrivacyClass, str]] = ..., max_cost_usd: _Optional[float] = ..., allow_degraded: _Optional[bool] = ...) -> None: ...

class GenerateRequest(_message.Message):
    __slots__ = ("messages", "config", "hints", "labels", "request_id")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    HINTS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[Message]
    config: GenerationConfig
    hints: Hints
    labels: _containers.ScalarMap[str, str]
    request_id: str
    def __init__(self, messages: _Optional[_Iterable[_Union[Message, _Mapping]]] = ..., config: _Optional[_Union[GenerationConfig, _Mapping]] = ..., hints: _Optional[_Union[Hints, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ..., request_id: _Optional[str] = ...) -> None: ...

class StreamGenerateRequest(_message.Message):
    __slots__ = ("messages", "config", "hints", "labels", "request_id")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    HINTS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[Message]
    config: GenerationConfig
    hints: Hints
    labels: _containers.ScalarMap[str, str]
    request_id: str
    def __init__(self, messages: _Optional[_Iterable[_Union[Message, _Mapping]]] = ..., config: _Optional[_Union[GenerationConfig, _Mapping]] = ..., hints: _Optional[_Union[Hints, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ..., request_id: _Optional[str] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("messages", "config", "hints", "labels", "request_id")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    HINTS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    messages: _containers.RepeatedCompositeFieldContainer[Message]
    config: GenerationConfig
    hints: Hints
    labels: _containers.ScalarMap[str, str]
    request_id: str
    def __init__(self, messages: _Optional[_Iterable[_Union[Message, _Mapping]]] = ..., config: _Optional[_Union[GenerationConfig, _Mapping]] = ..., hints: _Optional[_Union[Hints, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ..., request_id: _Optional[str] = ...) -> None: ...

class Usage(_message.Message):
    __slots__ = ("prompt_tokens", "completion_tokens")
    PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    prompt_tokens: int
    completion_tokens: int
    def __init__(self, prompt_tokens: _Optional[int] = ..., completion_tokens: _Optional[int] = ...) -> None: ...

class Degraded(_message.Message):
    __slots__ = ("reason", "canned_id")
    REASON_FIELD_NUMBER: _ClassVar[int]
    CANNED_ID_FIELD_NUMBER: _ClassVar[int]
    reason: Reason
    canned_id: str
    def __init__(self, reason: _Optional[_Union[Reason, str]] = ..., canned_id: _Optional[str] = ...) -> None: ...

class Scores(_message.Message):
    __slots__ = ("complexity", "privacy", "budget")
    COMPLEXITY_FIELD_NUMBER: _ClassVar[int]
    PRIVACY_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    complexity: float
    privacy: float
    budget: float
    def __init__(self, complexity: _Optional[float] = ..., privacy: _Optional[float] = ..., budget: _Optional[float] = ...) -> None: ...

class FindingCount(_message.Message):
    __slots__ = ("type", "count")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    type: str
    count: int
    def __init__(self, type: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...

class Refusal(_message.Message):
    __slots__ = ("model", "reason")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    model: str
    reason: Reason
    def __init__(self, model: _Optional[str] = ..., reason: _Optional[_Union[Reason, str]] = ...) -> None: ...

class Decision(_message.Message):
    __slots__ = ("scores", "privacy_class", "privacy_reason", "findings", "rule", "rule_errors", "chain", "refused", "policy_hash")
    SCORES_FIELD_NUMBER: _ClassVar[int]
    PRIVACY_CLASS_FIELD_NUMBER: _ClassVar[int]
    PRIVACY_REASON_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    RULE_ERRORS_FIELD_NUMBER: _ClassVar[int]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    POLICY_HASH_FIELD_NUMBER: _ClassVar[int]
    scores: Scores
    privacy_class: PrivacyClass
    privacy_reason: str
    findings: _containers.RepeatedCompositeFieldContainer[FindingCount]
    rule: str
    rule_errors: _containers.RepeatedScalarFieldContainer[str]
    chain: _containers.RepeatedScalarFieldContainer[str]
    refused: _containers.RepeatedCompositeFieldContainer[Refusal]
    policy_hash: str
    def __init__(self, scores: _Optional[_Union[Scores, _Mapping]] = ..., privacy_class: _Optional[_Union[PrivacyClass, str]] = ..., privacy_reason: _Optional[str] = ..., findings: _Optional[_Iterable[_Union[FindingCount, _Mapping]]] = ..., rule: _Optional[str] = ..., rule_errors: _Optional[_Iterable[str]] = ..., chain: _Optional[_Iterable[str]] = ..., refused: _Optional[_Iterable[_Union[Refusal, _Mapping]]] = ..., policy_hash: _Optional[str] = ...) -> None: ...

class Attempt(_message.Message):
    __slots__ = ("model", "outcome", "reason", "start_ms", "duration_ms", "prompt_tokens", "completion_tokens", "cost_usd")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    START_MS_FIELD_NUMBER: _ClassVar[int]
    DURATION_MS_FIELD_NUMBER: _ClassVar[int]
    PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COST_USD_FIELD_NUMBER: _ClassVar[int]
    model: str
    outcome: Outcome
    reason: Reason
    start_ms: float
    duration_ms: float
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float
    def __init__(self, model: _Optional[str] = ..., outcome: _Optional[_Union[Outcome, str]] = ..., reason: _Optional[_Union[Reason, str]] = ..., start_ms: _Optional[float] = ..., duration_ms: _Optional[float] = ..., prompt_tokens: _Optional[int] = ..., completion_tokens: _Optional[int] = ..., cost_usd: _Optional[float] = ...) -> None: ...

class GenerateResponse(_message.Message):
    __slots__ = ("request_id", "text", "finish_reason", "usage", "route", "model", "degraded", "cost_usd", "decision", "attempts")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    FINISH_REASON_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    COST_USD_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    text: str
    finish_reason: FinishReason
    usage: Usage
    route: Route
    model: str
    degraded: Degraded
    cost_usd: float
    decision: Decision
    attempts: _containers.RepeatedCompositeFieldContainer[Attempt]
    def __init__(self, request_id: _Optional[str] = ..., text: _Optional[str] = ..., finish_reason: _Optional[_Union[FinishReason, str]] = ..., usage: _Optional[_Union[Usage, _Mapping]] = ..., route: _Optional[_Union[Route, str]] = ..., model: _Optional[str] = ..., degraded: _Optional[_Union[Degraded, _Mapping]] = ..., cost_usd: _Optional[float] = ..., decision: _Optional[_Union[Decision, _Mapping]] = ..., attempts: _Optional[_Iterable[_Union[Attempt, _Mapping]]] = ...) -> None: ...

class Delta(_message.Message):
    __slots__ = ("text", "attempt")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    text: str
    attempt: int
    def __init__(self, text: _Optional[str] = ..., attempt: _Optional[int] = ...) -> None: ...

class Restart(_message.Message):
    __slots__ = ("model", "reason")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    model: str
    reason: Reason
    def __init__(self, model: _Optional[str] = ..., reason: _Optional[_Union[Reason, str]] = ...) -> None: ...

class StreamGenerateResponse(_message.Message):
    __slots__ = ("decision", "delta", "restart", "completed")
    DECISION_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    RESTART_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_FIELD_NUMBER: _ClassVar[int]
    decision: Decision
    delta: Delta
    restart: Restart
    completed: GenerateResponse
    def __init__(self, decision: _Optional[_Union[Decision, _Mapping]] = ..., delta: _Optional[_Union[Delta, _Mapping]] = ..., restart: _Optional[_Union[Restart, _Mapping]] = ..., completed: _Optional[_Union[GenerateResponse, _Mapping]] = ...) -> None: ...

class Finding(_message.Message):
    __slots__ = ("type", "start", "end", "confidence", "message_index")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_INDEX_FIELD_NUMBER: _ClassVar[int]
    type: str
    start: int
    end: int
    confidence: float
    message_index: int
    def __init__(self, type: _Optional[str] = ..., start: _Optional[int] = ..., end: _Optional[int] = ..., confidence: _Optional[float] = ..., message_index: _Optional[int] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("decision", "findings")
    DECISION_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    decision: Decision
    findings: _containers.RepeatedCompositeFieldContainer[Finding]
    def __init__(self, decision: _Optional[_Union[Decision, _Mapping]] = ..., findings: _Optional[_Iterable[_Union[Finding, _Mapping]]] = ...) -> None: ...
