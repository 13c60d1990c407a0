"""Runs a command as a container does: an init that adopts whatever loses its parent, and a starter that can be killed.

The starter holds the other ends of the command's standard output and error, and copies what comes to its own. The
init prints how each process ended that it was the parent of, and ends when it has none any more.
"""

from __future__ import annotations

import os
import subprocess
import sys

from lk_agents.ipc.orphans import adopt_orphans

STARTER = """
import subprocess, sys
started = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
for line in started.stdout:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
"""


def main() -> None:
    """Start, and reap."""
    assert adopt_orphans()
    starter = subprocess.Popen([sys.executable, "-c", STARTER, *sys.argv[1:]])
    while True:
        try:
            pid, status = os.wait()
        except ChildProcessError:
            break
        print(f"{pid} ended with {os.waitstatus_to_exitcode(status)}", flush=True)
    starter.returncode = 0  # it has been waited for


if __name__ == "__main__":
    main()
