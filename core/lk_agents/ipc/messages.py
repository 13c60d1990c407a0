"""What worker, zygote and job processes say to each other: tagged frozen records, nothing in them is code.

Three conversations, each with its unions: worker and child (:data:`ToChild`, :data:`FromChild`), and worker and
zygote (:data:`ToZygote`, :data:`FromZygote`). Log lines and beats travel on a side channel of their own, because
they are written synchronously, from any thread, even while the child's event loop is blocked.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Literal

import msgspec

from lk_agents.foundation.errors import ProtocolError
from lk_agents.job.spec import EndCause, JobOutcome, JobSpec, TimelineMark

__all__ = [
    "Beat",
    "ChildExited",
    "EndReported",
    "Fork",
    "ForkFailed",
    "Forked",
    "FromChild",
    "FromZygote",
    "InferenceAnswer",
    "InferenceAsk",
    "Initialize",
    "JobEnded",
    "JobEnding",
    "JobStarted",
    "LogLine",
    "Mark",
    "Measured",
    "PermitAsk",
    "PermitBack",
    "PermitGranted",
    "Phase",
    "PreloadRefused",
    "Ready",
    "Rehearse",
    "Role",
    "StartFailed",
    "StartJob",
    "Stop",
    "Terminated",
    "ToChild",
    "ToZygote",
    "ZygoteFailed",
    "ZygoteReady",
    "decode_from_child",
    "decode_from_zygote",
    "decode_to_child",
    "decode_to_zygote",
    "encode",
]

Role = Literal["job", "inference"]


# --- worker to child ---------------------------------------------------------------------------------------------


class Initialize(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The first thing a child gets to know; with a zygote it comes along with the fork request.

    :param beat_seconds: how often the child says that it is alive.
    :param log_levels: levels of the worker's loggers by name, ``""`` for the root.
    """

    executor_id: int
    role: Role = "job"
    worker_pid: int
    beat_seconds: float
    shutdown_seconds: float
    asyncio_debug: bool = False
    log_levels: dict[str, int] = {}


class StartJob(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Run this job; a child gets at most one."""

    spec: JobSpec


class Rehearse(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The next job is yours, and nothing else happens at the moment: go through one without anybody's code."""


class Stop(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """End: the job within ``grace_seconds``, an idle child at once."""

    reason: str
    grace_seconds: float
    cause: EndCause = EndCause.STOPPED


class Terminated(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The server terminated the job; the job decides whether that still means anything."""

    reason: str


class EndReported(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The worker has written the job's final status to the server: the room may be left."""


class PermitGranted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The child may connect now."""


class InferenceAnswer(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The answer to the :class:`InferenceAsk` of that id; ``error`` is empty where there is none."""

    request_id: str
    data: bytes | None = None
    error: str = ""
    overloaded: bool = False


# --- child to worker ---------------------------------------------------------------------------------------------


class Phase(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A starting child has come to another phase, or its prewarm says that it gets on."""

    name: str


class Ready(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The child is warm."""


class StartFailed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The child could not get warm and ends itself."""

    phase: str
    error: str
    traceback: str = ""


class JobStarted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The entrypoint is about to be called."""


class JobEnding(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The job has begun to end; its limit counts from here."""

    cause: EndCause
    reason: str = ""


class JobEnded(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The job is over, its callbacks have run; the room is left once the worker has answered."""

    outcome: JobOutcome


class Mark(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A point of the job's timeline."""

    mark: TimelineMark


class Measured(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What the job has measured since it said so last; see ``metrics.totals.Totals.take``."""

    counts: dict[str, float]
    spreads: dict[str, list[float]]


class PermitAsk(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """May I connect?"""


class PermitBack(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Connected, failed, or gave up waiting: the permit is free again."""


class InferenceAsk(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Run ``method`` in the inference process; also what the worker sends to that process."""

    request_id: str
    method: str
    data: bytes


# --- side channel ------------------------------------------------------------------------------------------------


class LogLine(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One log record; the worker re-emits it through its own logger of that name."""

    level: int
    logger: str
    text: str
    created: float
    exception: str = ""
    extras: dict[str, Any] = {}


class Beat(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Alive.

    :param cpu_seconds: CPU time of the process so far: growth is progress.
    :param bytes_read: bytes it has read so far: growth is progress.
    :param lag_seconds: how long the event loop has not got round to a callback; 0 without a loop.
    :param pss_kb: its share of memory, -1 where unknown.
    :param dropped_logs: log lines lost since the last beat because the worker did not read.
    """

    cpu_seconds: float
    bytes_read: int = 0
    lag_seconds: float = 0.0
    pss_kb: int = -1
    dropped_logs: int = 0


# --- worker and zygote -------------------------------------------------------------------------------------------


class Fork(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Fork a child; its descriptors come along: channel, side channel, stack file."""

    init: Initialize


class Forked(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The child exists; its pidfd comes along."""

    executor_id: int
    pid: int


class ForkFailed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """There is no child."""

    executor_id: int
    error: str


class ChildExited(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A child ended: its exit code, or minus the number of the signal."""

    pid: int
    code: int


class ZygoteReady(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """All is loaded and frozen.

    :param native_threads: modules whose import started native threads (harmless, worth knowing).
    :param failed_imports: modules named for preloading that could not be imported, with the error.
    """

    native_threads: list[str] = []
    failed_imports: dict[str, str] = {}


class PreloadRefused(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A preloaded module opened a thread or socket, so this zygote must not fork; it ends itself."""

    module: str
    opened: str


class ZygoteFailed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The user's module or the plugins could not be loaded; the zygote ends itself."""

    error: str
    traceback: str = ""


ToChild = (
    Initialize | Rehearse | StartJob | Stop | Terminated | EndReported | PermitGranted | InferenceAnswer | InferenceAsk
)
FromChild = (
    Phase
    | Ready
    | StartFailed
    | JobStarted
    | JobEnding
    | JobEnded
    | Mark
    | Measured
    | PermitAsk
    | PermitBack
    | InferenceAsk
    | InferenceAnswer
    | LogLine
    | Beat
)
ToZygote = Fork
FromZygote = Forked | ForkFailed | ChildExited | ZygoteReady | PreloadRefused | ZygoteFailed | LogLine

_encoder = msgspec.msgpack.Encoder(enc_hook=repr)
_to_child: msgspec.msgpack.Decoder[ToChild] = msgspec.msgpack.Decoder(ToChild)
_from_child: msgspec.msgpack.Decoder[FromChild] = msgspec.msgpack.Decoder(FromChild)
_to_zygote: msgspec.msgpack.Decoder[ToZygote] = msgspec.msgpack.Decoder(ToZygote)
_from_zygote: msgspec.msgpack.Decoder[FromZygote] = msgspec.msgpack.Decoder(FromZygote)


def encode(message: ToChild | FromChild | ToZygote | FromZygote) -> bytes:
    """Return the message as bytes; values that msgpack does not know are sent as their ``repr``.

    Texts may come from anywhere (a file name in an error), so what UTF-8 has no bytes for is written out.
    """
    try:
        return _encoder.encode(message)
    except (UnicodeEncodeError, OverflowError):
        return _encoder.encode(_sendable(message))


def _sendable(value: Any) -> Any:
    """Return the value with lone surrogates as escapes and integers beyond 64 bits as texts."""
    if isinstance(value, msgspec.Struct):
        fields = {name: _sendable(getattr(value, name)) for name in value.__struct_fields__}
        return type(value)(**fields)
    if isinstance(value, dict):
        return {_sendable(key): _sendable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_sendable(item) for item in value]
    if isinstance(value, str) and not isinstance(value, Enum):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)
    return value


def _decode(decoder: msgspec.msgpack.Decoder[Any], data: bytes, direction: str) -> Any:
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise ProtocolError(f"{direction}: {error} ({_kind(data)}, {len(data)} bytes)") from error


def _kind(data: bytes) -> str:
    """Name the kind that a message claims to be, for an error text."""
    try:
        claimed = msgspec.msgpack.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "not msgpack"
    return f"kind {claimed.get('type')!r}" if isinstance(claimed, dict) else f"a {type(claimed).__name__}"


def decode_to_child(data: bytes) -> ToChild:
    """Decode one message that a child received.

    :raises ProtocolError: for an unknown kind, which it names, or a malformed one.
    """
    message: ToChild = _decode(_to_child, data, "worker to child")
    return message


def decode_from_child(data: bytes) -> FromChild:
    """Decode one message that a child sent; errors as in :func:`decode_to_child`."""
    message: FromChild = _decode(_from_child, data, "child to worker")
    return message


def decode_to_zygote(data: bytes) -> ToZygote:
    """Decode one message that a zygote received; errors as in :func:`decode_to_child`."""
    message: ToZygote = _decode(_to_zygote, data, "worker to zygote")
    return message


def decode_from_zygote(data: bytes) -> FromZygote:
    """Decode one message that a zygote sent; errors as in :func:`decode_to_child`."""
    message: FromZygote = _decode(_from_zygote, data, "zygote to worker")
    return message
