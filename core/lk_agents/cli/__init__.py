"""The command line: ``run_app`` for a user's file, and the command ``lk-agents``. Light until it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lk_agents.worker.options import WorkerOptions

__all__ = ["run_app"]


def run_app(opts: WorkerOptions) -> None:
    """Run the command that ``sys.argv`` names (start, dev, connect, …) with these options; ends the process.

    Call it at the end of your file, under ``if __name__ == "__main__":``. It works the same whether the file was
    given to Python (``python my_agent.py start``) or to the command (``lk-agents start my_agent.py``). In a process
    that runs jobs, which may load the file anew, it does nothing.

    :raises SystemExit: always in your own process: 0 fine, 1 the set-up is wrong or the worker failed, 2 wrong usage
        of the command line.
    """
    from lk_agents.cli.main import run_for

    run_for(opts)
