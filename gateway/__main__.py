"""`python -m gateway`, and the command `gateway`."""

import os
import sys


def main() -> None:
    """Run the command line and end the process with its exit status."""
    # gRPC's core tells of a peer's GOAWAY in its own words, in the middle of a log of JSON; it is read here,
    # before gRPC is loaded, and by the processes of engines and workers, which inherit it.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    try:
        # Imported here, so that Ctrl-C while it loads is no traceback.
        from gateway.cli.app import run
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
