"""Every error that lk_agents raises on purpose, by what the caller can do about it.

::

    LkAgentsError
    ├── ConfigError (also ValueError)      the set-up is wrong: the text names the value and the remedy
    ├── PluginError                        a plugin is broken, unknown or clashes with another
    │   └── HookError                      a hook implementation failed where its answer decides
    ├── WorkerError                        the worker cannot go on
    │   ├── RegistrationError              the server refused the worker, or could not be reached for too long
    │   └── WorkerClosedError              the worker has been closed
    ├── AssignmentTimeoutError             accepted, but no assignment came in time
    ├── AlreadyAnsweredError               a job request was answered twice
    ├── PoolError                          no process could be had for a job
    │   ├── NoProcessError                 none became ready before the deadline
    │   ├── ProcessStartError              processes cannot be started: the last failure is in the text
    │   └── PoolClosedError                the pool is closing or closed
    ├── ProtocolError                      the other end of a channel broke the rules
    ├── JobError (also RuntimeError)       a job cannot go on, or needs what is not there
    │   ├── RoomReplacedError              the room was closed and made anew before the job joined it
    │   └── RoomDisconnectedError          the room went away while somebody waited for it
    ├── StreamInputError (also RuntimeError)  a stream was given more than it can hold, or after its end
    ├── PlayoutError (also RuntimeError)   a sink stopped playing
    ├── DeadAirError (also RuntimeError)   a speech was given up, since nothing was heard
    ├── InferenceError                     the inference process could not answer
    │   └── InferenceOverloadedError       its queue is full: treat the answer as unknown
    └── APIError                           a provider failed; see APIError for its own tree
        ├── APIStatusError
        └── APIConnectionError
            └── APITimeoutError
"""

from __future__ import annotations

from typing import Self

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIStatusError",
    "APITimeoutError",
    "AlreadyAnsweredError",
    "AssignmentTimeoutError",
    "ConfigError",
    "DeadAirError",
    "HookError",
    "InferenceError",
    "InferenceOverloadedError",
    "JobError",
    "LkAgentsError",
    "NoProcessError",
    "PlayoutError",
    "PluginError",
    "PoolClosedError",
    "PoolError",
    "ProcessStartError",
    "ProtocolError",
    "RegistrationError",
    "RoomDisconnectedError",
    "RoomReplacedError",
    "StreamInputError",
    "WorkerClosedError",
    "WorkerError",
]


class LkAgentsError(Exception):
    """Root of all errors that lk_agents raises on purpose."""


class ConfigError(LkAgentsError, ValueError):
    """The set-up is wrong; the text names the offending value and the remedy."""


class PluginError(LkAgentsError):
    """A plugin is broken, unknown, or clashes with another one."""


class HookError(PluginError):
    """A hook implementation failed where its answer decides; the text names the plugin."""


class WorkerError(LkAgentsError):
    """The worker cannot go on."""


class RegistrationError(WorkerError):
    """The server refused the worker, or could not be reached for too long."""


class WorkerClosedError(WorkerError):
    """The worker has been closed."""


class AssignmentTimeoutError(LkAgentsError):
    """A job was accepted, but the server sent no assignment in time."""


class AlreadyAnsweredError(LkAgentsError):
    """A job request was accepted or rejected a second time."""


class PoolError(LkAgentsError):
    """No process could be had for a job."""


class NoProcessError(PoolError):
    """No process became ready before the job's deadline."""


class ProcessStartError(PoolError):
    """Processes cannot be started; the text carries the last failure."""


class PoolClosedError(PoolError):
    """The pool is closing or closed."""


class ProtocolError(LkAgentsError):
    """The other end of a channel broke the rules of the channel."""


class JobError(LkAgentsError, RuntimeError):
    """A job cannot go on, or what was asked needs a job, or a room, that is not there."""


class RoomReplacedError(JobError):
    """The room of the job was closed and made anew before the job joined it."""


class RoomDisconnectedError(JobError):
    """The room went away while somebody waited for something in it."""


class InferenceError(LkAgentsError, RuntimeError):
    """The inference process could not answer; the text names the method."""


class InferenceOverloadedError(InferenceError):
    """The inference queue is full; treat the answer as unknown."""


class StreamInputError(LkAgentsError, RuntimeError):
    """A stream was fed after its end, or holds as much as it can while nobody takes it; the text says which."""


class PlayoutError(LkAgentsError, RuntimeError):
    """A speech cannot be heard to its end, because what should play it does not."""


class DeadAirError(LkAgentsError, RuntimeError):
    """A speech was given up, because nothing of it came to be heard in time."""


class APIError(LkAgentsError):
    """A provider failed.

    Attributes beyond the parameters are filled in by whoever knows them, the streams of the framework above all; None
    or empty means unknown.

    :param message: what happened, in plain words, without any credential.
    :param body: the decoded answer of the provider, if there was one.
    :param retryable: whether trying again may help.
    """

    message: str
    body: object | None
    retryable: bool
    provider: str = ""
    """Who failed, as ``"<module>.<class>"``."""
    phase: str = ""
    """What was being done: ``connect``, ``send``, ``receive``, ``first_output``, ``idle``, ``close``, ``decode``."""
    code: str | int | None = None
    """The provider's own code: of its error message, or of the close of its socket."""
    request_id: str | None = None
    """The provider's id of the request, for its support."""
    retry_after_seconds: float | None = None
    """How long the provider asks to wait before the next attempt."""
    attempts: int = 1
    """How often it was tried before this error was handed on."""

    def __init__(self, message: str, *, body: object | None = None, retryable: bool = True) -> None:
        super().__init__(message)
        self.message = message
        self.body = body
        self.retryable = retryable

    def located(
        self,
        *,
        provider: str = "",
        phase: str = "",
        code: str | int | None = None,
        request_id: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> Self:
        """Fill in what is not known yet and return the error itself, to be raised."""
        self.provider = self.provider or provider
        self.phase = self.phase or phase
        self.code = code if self.code is None else self.code
        self.request_id = self.request_id or request_id
        if self.retry_after_seconds is None:
            self.retry_after_seconds = retry_after_seconds
        return self

    def located_like(self, other: APIError) -> Self:
        """Fill in what ``other``, which this error sums up, knows of place, code and wait; returns the error itself."""
        return self.located(
            phase=other.phase,
            code=other.code,
            request_id=other.request_id,
            retry_after_seconds=other.retry_after_seconds,
        )


_RETRYABLE_STATUS = frozenset({-1, 408, 409, 429})


class APIStatusError(APIError):
    """A provider answered with an error status.

    ``retryable=None`` decides by status: 408, 409, 429, every 5xx and an unknown status (-1) may be tried
    again, other 4xx may not. 499 is never retried.

    :param status_code: the HTTP status, -1 if there was none.
    :param request_id: the provider's id of the request, for its support.
    """

    status_code: int

    def __init__(
        self,
        message: str,
        *,
        status_code: int = -1,
        request_id: str | None = None,
        body: object | None = None,
        retryable: bool | None = None,
    ) -> None:
        if retryable is None:
            retryable = status_code in _RETRYABLE_STATUS or status_code >= 500
        super().__init__(message, body=body, retryable=retryable)
        self.status_code = status_code
        self.request_id = request_id

    def __str__(self) -> str:
        return f"{self.message} (status_code={self.status_code}, request_id={self.request_id}, body={self.body})"


class APIConnectionError(APIError):
    """A provider could not be reached."""

    def __init__(self, message: str = "Connection error.", *, retryable: bool = True) -> None:
        super().__init__(message, body=None, retryable=retryable)


class APITimeoutError(APIConnectionError):
    """A provider did not answer in time."""

    def __init__(self, message: str = "Request timed out.", *, retryable: bool = True) -> None:
        super().__init__(message, retryable=retryable)
