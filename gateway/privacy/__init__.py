"""What in a request is private, where it stands, and which class that makes the request."""

from gateway.privacy.detector import Detector, Match
from gateway.privacy.detectors.defaults import FLOORS, WEIGHTS
from gateway.privacy.scorer import DEFAULT_DETECTORS, PrivacyScorer

__all__ = ["DEFAULT_DETECTORS", "FLOORS", "WEIGHTS", "Detector", "Match", "PrivacyScorer"]
