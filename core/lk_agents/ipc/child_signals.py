"""Signals in a child.

SIGINT is ignored: a terminal sends it to everybody, and the worker decides. SIGTERM is blocked in every thread and
taken by the pulse, which sees who sent it. A blocked signal would stay blocked in the programs that a job starts, so
that their ``terminate()`` would do nothing: it is unblocked again in whatever is forked or executed from here.
"""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Any, Final

__all__ = ["prepare_signals", "take_signals"]

_prepared = False
"""Whether this process, or the one it was forked from, has been prepared."""
_taken = False
"""Whether this process, or the one it was forked from, has taken its signals."""
TAKEN: Final = (signal.SIGTERM, *(s for s in (getattr(signal, "SIGUSR2", None),) if s is not None))


def take_signals() -> None:
    """Arrange the signals of this process; before it starts any thread, and after :func:`prepare_signals`."""
    global _taken
    _taken = True
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not hasattr(signal, "sigtimedwait"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        return
    signal.signal(signal.SIGTERM, _unheeded)
    signal.pthread_sigmask(signal.SIG_BLOCK, TAKEN)


def prepare_signals() -> None:
    """Have whatever this process forks or executes begin with the signals unblocked. A zygote does it for all."""
    global _prepared
    if _prepared or not hasattr(signal, "sigtimedwait"):
        return
    _prepared = True
    os.register_at_fork(after_in_child=_give_back)
    _unblock_in_subprocesses()


def _unheeded(_number: int, _frame: object) -> None:
    """Block it again: it came in the moment in which a subprocess was started, and its sender is not known.

    ``multiprocessing`` leaves it unblocked behind it, too, whenever it looks for its resource tracker.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, TAKEN)


def _give_back() -> None:
    """In a fork of a child. In a child of the zygote, which has taken none, there is nothing to give back."""
    if _taken and signal.getsignal(signal.SIGTERM) is _unheeded:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, TAKEN)


def _unblock_in_subprocesses() -> None:
    """Have subprocess start programs with the signals unblocked; it offers no option for that."""
    fork_exec = getattr(subprocess, "_fork_exec", None)
    if fork_exec is None:  # another Python: the mask is inherited there, which docs/deployment.md tells
        return

    def fork_exec_unblocked(*args: Any) -> Any:
        mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, TAKEN)
        try:
            return fork_exec(*args)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    subprocess._fork_exec = fork_exec_unblocked  # type: ignore[attr-defined]  # noqa: SLF001  see the docstring
