"""The machine codes and statuses of providers that refuse, and what each means to us. Pure data.

Sources: the vendors' references and public bug reports about OpenAI, Azure, Gemini, Anthropic, Mistral, Groq,
DeepSeek, Moonshot, Zhipu, Alibaba, MiniMax, xAI, OpenRouter, Together, Fireworks, Bedrock, Copilot, NVIDIA,
vLLM, SGLang, TGI, llama-server, LM Studio, Ollama, LiteLLM and One API, read in November 2026.
"""

import re
from collections.abc import Mapping
from typing import Final

from gateway.errors import (
    BackendConflict,
    BackendCredentials,
    BackendError,
    BackendFailed,
    BackendInvalid,
    BackendModelMissing,
    BackendOverloaded,
    BackendQuotaUsedUp,
    BackendRateLimited,
    ContentFiltered,
    ContextTooLong,
    NotCapable,
)

Kind = type[BackendError]

STATUSES: Mapping[int, Kind] = {
    400: BackendInvalid,
    401: BackendCredentials,
    402: BackendQuotaUsedUp,  # What some providers say for an empty account.
    403: BackendCredentials,
    404: BackendModelMissing,
    407: BackendCredentials,  # Of the proxy.
    408: BackendFailed,
    409: BackendConflict,
    413: ContextTooLong,
    422: BackendInvalid,
    424: BackendFailed,  # What is behind the API failed: Text Generation Inference, Bedrock.
    425: BackendFailed,
    429: BackendRateLimited,
    431: ContextTooLong,
    498: BackendOverloaded,  # Groq, for capacity.
    499: BackendFailed,  # Their proxy gave up on their model.
    503: BackendOverloaded,
    529: BackendOverloaded,  # What some providers say for 503.
}
"""By HTTP status; another 5xx is BackendFailed, any other is BackendModelMissing: the policy names no
place that answers chat completions."""

_SHARP: Mapping[Kind, str] = {
    ContextTooLong: """
        context_length_exceeded exceed_context_size_error context_window_exceeded
        context_window_exceeded_error model_context_window_exceeded context_overflow
        model_max_prompt_tokens_exceeded max_tokens_exceeded max_context_length_exceeded
        string_above_max_length request_too_large prompt_too_long input_too_long tokens_limit_reached
        token_limit_exceeded payload_too_large
    """,
    ContentFiltered: """
        content_filter content_filtered content_policy_violation ContentPolicyViolationError
        ResponsibleAIPolicyViolation data_inspection_failed moderation_blocked content_moderation
        sensitive_words_detected content_blocked prompt_blocked safety_violation content_policy
        moderation_failed unsafe_content guardrail_intervened PROHIBITED_CONTENT
    """,
    BackendQuotaUsedUp: """
        insufficient_quota credit_balance_exhausted billing_hard_limit_reached billing_not_active
        billing_error insufficient_balance insufficient_credits insufficient_user_quota
        exceeded_current_quota_error quota_exhausted Arrearage payment_required account_overdue
        AccountOverdueError budget_exceeded spend_limit_exceeded ServiceQuotaExceededException
    """,
    BackendCredentials: """
        invalid_api_key incorrect_api_key api_key_invalid API_KEY_EXPIRED API_KEY_SERVICE_BLOCKED
        SERVICE_DISABLED CONSUMER_INVALID invalid_authentication authentication_error
        invalid_authentication_error unauthenticated unauthorized token_expired expired_api_key invalid_key
        missing_api_key account_deactivated account_suspended organization_deactivated
        unsupported_country_region_territory mismatched_organization ip_not_authorized ExpiredTokenException
        UnrecognizedClientException InvalidSignatureException ACCESS_TOKEN_EXPIRED
        ACCESS_TOKEN_TYPE_UNSUPPORTED
    """,
    BackendModelMissing: """
        model_not_found model_not_available model_decommissioned invalid_model model_deprecated
        unknown_model no_such_model DeploymentNotFound OperationNotSupported
        model_permission_blocked_project model_not_supported unsupported_model ModelNotOpen
    """,
    BackendRateLimited: """
        rate_limit_exceeded rate_limit_error rate_limited rate_limit_reached_error slow_down
        too_many_requests TooManyRequestsException ThrottlingException Throttling RateQuota AllocationQuota
        BurstRate RESOURCE_EXHAUSTED RateLimitReached concurrency_limit_exceeded
    """,
    BackendOverloaded: """
        overloaded_error server_is_overloaded engine_overloaded_error engine_overloaded overloaded
        service_unavailable capacity_exceeded no_capacity ModelNotReadyException ServiceUnavailableException
        server_overloaded unavailable
    """,
    NotCapable: """
        unsupported_parameter unknown_parameter unsupported_value extra_forbidden unrecognized_parameter
        unsupported_response_format structured_output_not_supported unrecognized_request_argument
        json_schema_not_supported
    """,
}
_VAGUE: Mapping[Kind, str] = {
    BackendCredentials: """
        permission_error permission_denied forbidden access_denied AccessDeniedException
        insufficient_permissions PermissionDeniedError
    """,
    BackendModelMissing: """
        not_found_error not_found ResourceNotFoundException
    """,
    BackendFailed: """
        server_error api_error internal_error internal internal_server_error InternalServerException timeout
        timeout_error deadline_exceeded upstream_error provider_error aborted ModelErrorException
        ModelTimeoutException generation bad_gateway
    """,
    BackendInvalid: """
        invalid_request_error invalid_request invalid_argument BadRequestError bad_request
        ValidationException validation_error invalid_prompt failed_precondition invalid_parameter
        invalid_parameter_error unprocessable_entity unprocessable_entity_error invalid_value invalid_type
        missing_required_parameter
    """,
}


def folded(code: str) -> str:
    """Return a code in the one spelling by which it is looked up: `Context-Length.Exceeded` and its like.

    AWS writes `com.amazon#ThrottlingException:http://...`, Alibaba `Throttling.RateQuota`.
    """
    name = code.split("#")[-1].split(":")[0].rsplit(".", 1)[-1]
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _by_fold(codes: Mapping[Kind, str]) -> Mapping[str, tuple[str, Kind]]:
    return {folded(name): (name, kind) for kind, names in codes.items() for name in names.split()}


SHARP_CODES: Final = _by_fold(_SHARP)
"""Codes that say what is wrong, by their folded spelling: how we write them, and what they mean."""
VAGUE_CODES: Final = _by_fold(_VAGUE)
"""Codes that say little: the words of the message are asked before them, and a status of 4xx but 403, too."""
