"""What the watcher and the worker it restarts say to each other in ``dev``: typed records over a socket pair.

::

    worker   → Hello          once the user's file is loaded: how long a stop may take, what else to watch
    watcher  → Resume         the jobs to take over (none at the first start)
    worker   → Resumed        how many of them run again
    worker   → Jobs           the running jobs, whenever they change and once more when the worker stops
    watcher  → Stop           end: jobs get their full shutdown time
    watcher  → Force          end now

The watcher keeps the last ``Jobs`` it heard, so neither a worker that answers late nor one that crashes loses a
job. End-of-file means ``Stop`` to the worker: the watcher is gone.
"""

from __future__ import annotations

import msgspec

from lk_agents.foundation.errors import ProtocolError
from lk_agents.job.spec import JobSpec

__all__ = [
    "Force",
    "FromWorker",
    "Hello",
    "Jobs",
    "Resume",
    "Resumed",
    "Stop",
    "ToWorker",
    "decode_from_worker",
    "decode_to_worker",
]


class Hello(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The user's file has been loaded.

    :param stop_seconds: the longest time that a stop may take.
    :param watch: folders to watch besides the file's own.
    """

    stop_seconds: float
    watch: list[str] = []


class Jobs(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The jobs that would be lost if the worker ended now. Holds tokens: never logged."""

    jobs: list[JobSpec]

    def __repr__(self) -> str:
        return f"Jobs({[job.job_id for job in self.jobs]})"


class Resumed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The worker has taken over what it could.

    :param failed: why the others could not be, by job id.
    """

    running: int
    failed: dict[str, str] = {}


class Resume(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The jobs that ran before the restart. Holds tokens: never logged.

    :param reload_count: how many restarts there have been; 0 at the first start.
    """

    jobs: list[JobSpec]
    reload_count: int

    def __repr__(self) -> str:
        return f"Resume({[job.job_id for job in self.jobs]}, reload_count={self.reload_count})"


class Stop(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """End; jobs get their full shutdown time."""

    reason: str = ""


class Force(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """End within seconds."""


FromWorker = Hello | Jobs | Resumed
ToWorker = Resume | Stop | Force

_from_worker: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)
_to_worker: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)


def decode_from_worker(payload: bytes) -> FromWorker:
    """Return the worker's message.

    :raises ProtocolError: if it is none.
    """
    try:
        return _from_worker.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ProtocolError(f"not a message from a worker to its watcher: {error}") from error


def decode_to_worker(payload: bytes) -> ToWorker:
    """Return the watcher's message.

    :raises ProtocolError: if it is none.
    """
    try:
        return _to_worker.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ProtocolError(f"not a message from a watcher to its worker: {error}") from error
