"""Privacy: finds private data in a request, and derives its privacy class."""

from gateway.privacy.detector import Detector, Match
from gateway.privacy.detectors.defaults import FLOORS, WEIGHTS
from gateway.privacy.scorer import DEFAULT_DETECTORS, PrivacyScorer

__all__ = ["DEFAULT_DETECTORS", "FLOORS", "WEIGHTS", "Detector", "Match", "PrivacyScorer"]
