"""Microsoft Presidio as an entity detector: an extra, `pip install edge-cloud-gateway[presidio]`."""

import asyncio
import importlib
import importlib.metadata
import importlib.util
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from gateway.clock import Deadline
from gateway.domain.optional import require
from gateway.domain.privacy import Finding
from gateway.domain.request import Request
from gateway.errors import StartupError
from gateway.policy.entities import PresidioEntities
from gateway.privacy.entities.ask import read_strings

_TYPES = {
    "PERSON": "PERSON",
    "LOCATION": "LOCATION",
    "ORGANIZATION": "ORG",
    "NRP": "NRP",
    "DATE_TIME": "DATE",
    "AGE": "AGE",
    "TITLE": "TITLE",
}
"""Presidio's types with the gateway's. Its pattern recognisers are not used: one of them uses the network."""


THREADS = 2
"""Threads of the detector; more do not help, because they share the interpreter lock."""


class PresidioResult(Protocol):
    """One result of Presidio."""

    entity_type: str
    start: int
    end: int
    score: float


class Analyzer(Protocol):
    """The part of `presidio_analyzer.AnalyzerEngine` that is used."""

    def get_supported_entities(self, language: str) -> Sequence[str]:
        """Return the types that it can find."""
        ...

    def analyze(
        self, text: str, language: str, *, entities: Sequence[str], score_threshold: float
    ) -> Sequence[PresidioResult]:
        """Return the entities in a text."""
        ...


class PresidioDetector:
    """Runs an analyzer over every string of the messages, in a thread, because it takes milliseconds."""

    def __init__(self, analyzer: Analyzer, spec: PresidioEntities) -> None:
        self._analyzer = analyzer
        self._spec = spec
        known = set(analyzer.get_supported_entities(spec.language))
        # Own threads: the event loop's pool also resolves host names.
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="presidio")
        self._entities = [name for name in _TYPES if name in known]

    async def find(self, request: Request, deadline: Deadline) -> Sequence[Finding]:
        """Return the findings; after a timeout the thread runs to its end, and nobody waits for it."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._find, request)

    def _find(self, request: Request) -> list[Finding]:
        return [
            Finding(
                type=_TYPES[result.entity_type],
                start=result.start,
                end=result.end,
                confidence=min(1.0, float(result.score)),
                message_index=string.message_index,
                path=string.path,
            )
            for string in read_strings(request)
            for result in self._analyzer.analyze(
                string.text,
                self._spec.language,
                entities=self._entities,
                score_threshold=self._spec.threshold,
            )
        ]


def open_presidio(spec: PresidioEntities) -> PresidioDetector:
    """Load Presidio and its spaCy model, without downloads; raises StartupError if one is missing."""
    require("presidio", because="privacy.entities: this policy asks Presidio")
    try:
        importlib.metadata.distribution(spec.spacy_model)  # Presidio would download a missing one.
    except importlib.metadata.PackageNotFoundError:
        raise StartupError(
            f"privacy.entities.spacy_model: {spec.spacy_model} is not installed;"
            f" install it with: python -m spacy download {spec.spacy_model}"
        ) from None
    analyzer: Any = importlib.import_module("presidio_analyzer")
    engines: Any = importlib.import_module("presidio_analyzer.nlp_engine")
    models = [{"lang_code": spec.language, "model_name": spec.spacy_model}]
    provider = engines.NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": models})
    engine = analyzer.AnalyzerEngine(nlp_engine=provider.create_engine(), supported_languages=[spec.language])
    return PresidioDetector(engine, spec)
