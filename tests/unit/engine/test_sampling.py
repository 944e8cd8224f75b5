"""Who says how tokens are picked: the caller, the policy, the model's file, else llama.cpp."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from gateway.backends.engine_messages import to_request
from gateway.domain.request import GenerationConfig
from gateway.engine.requests import ENGINE_SAMPLING, sampling_of, sampling_of_file
from gateway.policy.loading.load import parse_policy
from tests.support.calls import call_of

POLICY = """\
version: 1
models:
  edge: {kind: llama_cpp, path: "builtin:demo", clearance: restricted%s}
rules: [{name: all, route: [edge]}]
replies: [{id: sorry, text: x}]
"""
FILE = {
    "general.sampling.temp": "0.6",
    "general.sampling.top_k": "20",
    "general.sampling.top_p": "0.9",
    "general.sampling.min_p": "0.01",
    "general.sampling.penalty_repeat": "1.05",
}


def effective(asked: GenerationConfig, policy: str, file: Mapping[str, str]) -> Mapping[str, float]:
    """Return how an engine samples a request."""
    spec = parse_policy(POLICY % policy, name="p").models["edge"]
    request = to_request(replace(call_of(config=asked), sampling=spec.sampling.values()), model="m")
    found = sampling_of(request, sampling_of_file(file.get))
    return {name: getattr(found, name) for name in ENGINE_SAMPLING}


FILE_SAYS = {"temperature": 0.6, "top_k": 20, "top_p": 0.9, "min_p": 0.01, "repeat_penalty": 1.05}
POLICY_SAYS = ", sampling: {temperature: 0.3, top_p: 0.7, top_k: 5, min_p: 0.2}"


@pytest.mark.parametrize(
    ("asked", "policy", "file", "expected"),
    [
        (GenerationConfig(), "", {}, ENGINE_SAMPLING),
        (GenerationConfig(), "", FILE, FILE_SAYS),
        (
            GenerationConfig(),
            POLICY_SAYS,
            FILE,
            {**FILE_SAYS, "temperature": 0.3, "top_k": 5, "top_p": 0.7, "min_p": 0.2},
        ),
        (
            GenerationConfig(temperature=0.0, top_p=1.0),
            POLICY_SAYS,
            FILE,
            {**FILE_SAYS, "temperature": 0.0, "top_k": 5, "top_p": 1.0, "min_p": 0.2},
        ),
        (
            GenerationConfig(top_p=1.0),
            ", sampling: {temperature: 0}",
            {"general.sampling.top_k": "7"},
            {**ENGINE_SAMPLING, "temperature": 0.0, "top_k": 7, "top_p": 1.0},
        ),
    ],
)
def test_the_caller_wins_over_the_policy_over_the_file(
    asked: GenerationConfig, policy: str, file: Mapping[str, str], expected: Mapping[str, float]
) -> None:
    """Each value by itself comes from the first that says it; a 0 is said, too."""
    assert effective(asked, policy, file) == pytest.approx(expected)


@pytest.mark.parametrize("value", ["", "hot", "nan", "-1", "1e9"])
def test_what_a_file_may_not_say_is_not_said(value: str) -> None:
    """A value that no request may have leaves llama.cpp's default."""
    assert sampling_of_file({"general.sampling.temp": value}.get) == {}
