"""How many connections one process takes, so that files are left to everything else."""

import resource

MOST_CONNECTIONS = 16_384
"""Most concurrent connections of one process and one transport; further ones are closed when they arrive."""


def most_connections(*, share: float = 0.5) -> int:
    """Return how many connections use up that share of the files that may be open."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if files == resource.RLIM_INFINITY else min(MOST_CONNECTIONS, int(files * share))
