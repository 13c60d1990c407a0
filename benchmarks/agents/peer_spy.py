"""Has livekit-agents' pool note when a process was asked for and when it was ready; both versions tell it by events."""

from __future__ import annotations

from typing import Any

from benchmarks.agents import work

EVENTS = {"process_created": "forking", "process_ready": "ready"}


def install() -> None:
    """Listen to every pool that this process makes from now on."""
    from livekit.agents.ipc.proc_pool import ProcPool  # type: ignore[import-untyped]

    emit = ProcPool.emit

    def noting(pool: Any, event: str, *values: Any) -> None:
        if event in EVENTS:
            work.note(EVENTS[event], executor=id(values[0]))
        emit(pool, event, *values)

    ProcPool.emit = noting
