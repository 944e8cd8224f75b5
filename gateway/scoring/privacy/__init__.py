"""What in a request is private, where it stands, and which class that makes the request."""

from gateway.scoring.privacy.defaults import FLOORS, WEIGHTS
from gateway.scoring.privacy.detector import Detector, Match
from gateway.scoring.privacy.scorer import DEFAULT_DETECTORS, PrivacyScorer

__all__ = ["DEFAULT_DETECTORS", "FLOORS", "WEIGHTS", "Detector", "Match", "PrivacyScorer"]
