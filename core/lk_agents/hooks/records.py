"""What hooks receive and return: small frozen records, checked when they are built.

A record that makes no sense is refused where the plugin builds it, so that the traceback points into the plugin.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lk_agents.foundation.errors import ConfigError

if TYPE_CHECKING:
    import click

__all__ = [
    "Command",
    "InferenceRunnerRecord",
    "JobFinished",
    "JobLost",
    "Load",
    "Reject",
    "ServerInfo",
    "WorkerInfo",
]

_COMMAND_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def _require_text(record: str, name: str, value: Any) -> None:
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"{record}.{name} is {value!r}; it must be a text that is not empty")


def _require_callable(record: str, name: str, value: Any) -> None:
    if not callable(value):
        raise ConfigError(f"{record}.{name} is {value!r}; it must be a function or class that can be called")


@dataclass(frozen=True)
class Reject:
    """Refuse a job; the server then asks the next worker.

    :param reason: why, for the log.
    :raises ConfigError: the reason is empty.
    """

    reason: str

    def __post_init__(self) -> None:
        _require_text("Reject", "reason", self.reason)


@dataclass(frozen=True)
class Load:
    """How busy one resource of the worker is.

    :param value: 0 for idle; the worker is full at ``WorkerOptions.load_threshold``. May exceed 1.
    :param name: names the signal in log and metrics, such as ``"gpu"``.
    :raises ConfigError: the value is negative, not finite or no number, or the name is empty.
    """

    value: float
    name: str

    def __post_init__(self) -> None:
        value: object = self.value  # plugins need not be type-checked
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ConfigError(f"Load.value is {self.value!r}; it must be a finite number, 0 for idle")
        if self.value < 0:
            raise ConfigError(f"Load.value is {self.value!r}; it must be 0 or more")
        _require_text("Load", "name", self.name)


@dataclass(frozen=True)
class Command:
    """A command of ``lk-agents``.

    :param name: what the user types: lower-case letters, digits and single hyphens.
    :param build: returns the click command; called only when the user runs the command or asks for its help.
    :param help: one line for ``lk-agents --help``.
    :raises ConfigError: the name has another form, or ``build`` cannot be called.
    """

    name: str
    build: Callable[[], click.Command]
    help: str = ""

    def __post_init__(self) -> None:
        if not _COMMAND_NAME.fullmatch(str(self.name)):
            raise ConfigError(
                f"Command.name is {self.name!r}; use lower-case letters, digits and single hyphens, such as 'warm-up'"
            )
        _require_callable("Command", "build", self.build)


@dataclass(frozen=True)
class ServerInfo:
    """Where a server listens, and the credentials that it takes.

    :param url: ``ws://`` or ``wss://`` address.
    :raises ConfigError: the address has another scheme, or key or secret are empty.
    """

    url: str
    api_key: str
    api_secret: str = field(repr=False)

    def __post_init__(self) -> None:
        if not str(self.url).startswith(("ws://", "wss://")):
            raise ConfigError(f"ServerInfo.url is {self.url!r}; it must begin with ws:// or wss://")
        _require_text("ServerInfo", "api_key", self.api_key)
        if not self.api_secret:
            raise ConfigError("ServerInfo.api_secret is empty; give the secret that belongs to api_key")

    def __repr__(self) -> str:
        return f"ServerInfo(url={self.url!r}, api_key={self.api_key!r}, api_secret='***')"


@dataclass(frozen=True)
class InferenceRunnerRecord:
    """A model that runs once for the whole worker, in a process of its own.

    :param method: the name under which jobs call it.
    :param build: returns the runner (``initialize()``, ``run(data)``); called in the inference process, which may
        have been started anew: give a class or function that can be found by its module and name.
    :raises ConfigError: the method is empty, or ``build`` cannot be called.
    """

    method: str
    build: Callable[[], Any]

    def __post_init__(self) -> None:
        _require_text("InferenceRunnerRecord", "method", self.method)
        _require_callable("InferenceRunnerRecord", "build", self.build)


@dataclass(frozen=True, kw_only=True)
class WorkerInfo:
    """What the server answered when the worker registered.

    :param worker_id: the id that the server gave to the worker; another one after each reconnect.
    :param url: the server's address.
    :param agent_name: for which agent the worker takes jobs; "" for automatic dispatch.
    :param server_version: the server's version; "" if it did not say.
    :param server_region: the server's region; "" if it has none.
    :param server_node_id: the node that the worker is connected to.
    :param reconnected: False for the first registration of this worker.
    """

    worker_id: str
    url: str
    agent_name: str = ""
    server_version: str = ""
    server_region: str = ""
    server_node_id: str = ""
    reconnected: bool = False


@dataclass(frozen=True, kw_only=True)
class JobFinished:
    """How a job ended, told in the job's own process.

    :param job_id: the server's id of the job.
    :param room_name: the room that the job was for.
    :param success: what the server is told: SUCCESS or FAILED.
    :param cause: the first thing that ended the job, such as ``"shutdown"`` or ``"raised"``; see ``EndCause``.
    :param reason: the same in words.
    :param seconds: how long the job ran.
    """

    job_id: str
    room_name: str
    success: bool
    cause: str
    reason: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class JobLost:
    """A job whose process could not run its shutdown callbacks, told in the worker.

    :param job_id: the server's id of the job.
    :param room_name: the room that the job was for.
    :param metadata: the job's metadata, as it was dispatched.
    :param cause: what ended it, such as ``"process_lost"`` or ``"native_panic"``; see ``EndCause``.
    :param reason: the same in words, such as ``"killed by SIGKILL, perhaps out of memory"``.
    :param exit_code: the process's exit code, minus the signal's number, or None where it still runs.
    :param stacks: the stacks of all threads, as far as they could be had; "" if not.
    :param pid: the process, or None where jobs run in threads.
    :param agent_name: for which agent the job was dispatched.
    :param worker_id: the worker that had the job.
    :param peak_pss_mb: the largest memory share seen, in MB, or None.
    """

    job_id: str
    room_name: str
    metadata: str
    cause: str
    reason: str = ""
    exit_code: int | None = None
    stacks: str = ""
    pid: int | None = None
    agent_name: str = ""
    worker_id: str = ""
    peak_pss_mb: float | None = None
