"""Dispatch: walks a decision's chain of models and brings back one whole answer."""
