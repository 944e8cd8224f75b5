"""`python -m gateway`, and the command `gateway`."""

import os
import sys

from gateway.domain.optional import server_line
from gateway.errors import STARTUP_STATUS


def main() -> None:
    """Run the command line and end the process with its exit status."""
    # gRPC's core tells of a peer's GOAWAY in its own words, in the middle of a log of JSON; it is read here,
    # before gRPC is loaded, and by the processes of engines and workers, which inherit it.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    # Likewise for numpy: for matrices as small as here, threads of OpenBLAS only double the CPU of a scan.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        # Imported here, so that Ctrl-C while it loads is no traceback.
        from gateway.cli.app import run
    except KeyboardInterrupt:
        sys.exit(130)
    except ModuleNotFoundError as error:
        # The distribution without an extra is the client alone.
        line = server_line(error)
        if line is None:
            raise
        sys.stderr.write(f"{line}\n")
        sys.exit(STARTUP_STATUS)
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
