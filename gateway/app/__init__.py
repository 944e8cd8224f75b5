"""Construction of a serving process: settings, building, reload, and several workers."""
