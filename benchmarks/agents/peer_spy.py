"""Has livekit-agents note when the server's question came, when a process was asked for, and when it was ready.

Both versions tell of processes by events of the pool, and handle the question in a method of the same name.
"""

from __future__ import annotations

from typing import Any

from benchmarks.agents import work

EVENTS = {"process_created": "forking", "process_ready": "ready"}


def install(worker_class: Any) -> None:
    """Watch every pool and worker that this process makes from now on."""
    from livekit.agents.ipc.proc_pool import ProcPool  # type: ignore[import-untyped]

    emit, handle = ProcPool.emit, worker_class._handle_availability  # noqa: SLF001  it has no other place to look

    def emitting(pool: Any, event: str, *values: Any) -> None:
        if event in EVENTS:
            work.note(EVENTS[event], executor=id(values[0]))
        emit(pool, event, *values)

    def handling(worker: Any, message: Any) -> Any:
        work.note_later("offered", job=message.job.id)
        return handle(worker, message)

    ProcPool.emit = emitting
    worker_class._handle_availability = handling  # noqa: SLF001
