"""`python -m gateway`, and the command `gateway`."""

import sys


def main() -> None:
    """Run the command line and end the process with its exit status."""
    try:
        # Imported here, so that Ctrl-C while it loads is no traceback.
        from gateway.cli.app import run
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
