"""Play the demo; exit 0 only if all that should happen did, 1 if not, 130 if it was interrupted.

`python -m demo FILE` plays it with another agent than `echo_agent.py`.
"""

import os
import sys

INTERRUPTED = 130


def main() -> int:
    """Play the demo and return the exit code."""
    try:
        from demo.command import run  # takes a moment, in which Ctrl-C must not show a traceback

        return run(sys.argv[1:])
    except KeyboardInterrupt:
        print("interrupted; everything that was started has been ended")
        return INTERRUPTED


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # Everything has been closed. The media library's threads may still call into an interpreter that takes itself
    # apart, which aborts the process: so it does not take itself apart.
    os._exit(code)
