"""A process that serves does not pause for what it built before it served."""

import gc
import sys

from gateway.app.interpreter import COLLECTIONS, SWITCH_S, set_for_serving


def test_what_was_built_before_is_not_looked_through_again() -> None:
    """What there is when it begins to serve is in no collection; the ledger's thread waits for less."""
    before, switch_s = gc.get_threshold(), sys.getswitchinterval()
    built = len(gc.get_objects())
    try:
        set_for_serving()
        assert gc.get_freeze_count() > built / 2
        assert len(gc.get_objects()) < built / 10
        assert gc.get_threshold() == COLLECTIONS
        assert sys.getswitchinterval() <= SWITCH_S
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
        sys.setswitchinterval(switch_s)
