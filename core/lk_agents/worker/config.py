"""Options made definite: what the mode and the environment leave open is filled in, and mistakes are named."""

from __future__ import annotations

import functools
import inspect
import math
import pickle
import string
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.log import logger
from lk_agents.foundation.settings import Settings
from lk_agents.worker.options import (
    DEFAULT_WS_URL,
    JobExecutorType,
    WorkerOptions,
    WorkerPermissions,
    WorkerType,
    _WorkerEnvOption,
)

__all__ = ["WorkerConfig", "check_plugins", "resolve"]

LOOPBACK: Final = "127.0.0.1"
_DAY_SECONDS: Final = 86_400
URL_SCHEMES: Final = ("ws", "wss", "http", "https")
_FRAME: Final = string.whitespace + "\"'"
_NOT_IN_HOSTS: Final = frozenset(string.whitespace + "<>{}$\"'\\|^`%")
"""What a host's name never holds, but an example that was copied does: ``wss://<your-project>.example``."""
_GOOD_URLS: Final = "wss://HOST or ws://HOST:PORT"
SHORTEST_SECRET: Final = 32
"""Characters of a secret; a token that was signed with a shorter one can be forged by whoever has the token."""

SERVERS_OWN_PAIR: Final = ("devkey", "secret")
"""What ``livekit-server --dev`` takes when it is given no keys."""

ExecutorKind = Literal["process", "spawn", "thread"]


@dataclass(frozen=True, kw_only=True)
class WorkerConfig:
    """Everything that is settled before a worker starts; made by :func:`resolve`.

    :param options: the user's object, untouched; read only what is not repeated here.
    :param load_threshold: full from this load on; infinite for never.
    :param host: where the health endpoint listens; empty for all interfaces.
    :param credentials_in_code: key or secret are not those of the environment, so jobs must be sent them.
    """

    options: WorkerOptions
    devmode: bool
    url: str
    api_key: str
    api_secret: str = field(repr=False)
    load_threshold: float
    idle_processes: int
    memory_limit_mb: float
    executor: ExecutorKind
    host: str
    port: int
    credentials_in_code: bool


def resolve(options: WorkerOptions, settings: Settings, *, devmode: bool, platform: str = sys.platform) -> WorkerConfig:
    """Return what ``options`` mean in this mode and environment.

    :raises ConfigError: a value cannot work; the text names it and the remedy.
    """
    url = _filled("ws_url", _chosen_url(options, settings), settings.url, "LIVEKIT_URL")
    key = _filled("api_key", options.api_key, settings.api_key, "LIVEKIT_API_KEY")
    secret = _filled("api_secret", options.api_secret, settings.api_secret, "LIVEKIT_API_SECRET")
    _check_url(url)
    _check_proxies(settings.proxies)
    _check_secret(key, secret, devmode=devmode)
    _check_functions(options)
    _check_types(options)
    threshold = _WorkerEnvOption.getvalue(options.load_threshold, devmode)
    idle = _WorkerEnvOption.getvalue(options.num_idle_processes, devmode)
    port = _WorkerEnvOption.getvalue(options.port, devmode)
    _check_numbers(options, threshold=threshold, idle=idle, port=port)
    return WorkerConfig(
        options=options,
        devmode=devmode,
        url=url,
        api_key=key,
        api_secret=secret,
        load_threshold=threshold,
        idle_processes=idle,
        memory_limit_mb=_memory_limit(options),
        executor=_executor_kind(options.job_executor_type, platform),
        host=options.host or (LOOPBACK if devmode else ""),
        port=port,
        credentials_in_code=key != settings.api_key or secret != settings.api_secret,
    )


def _chosen_url(options: WorkerOptions, settings: Settings) -> str | None:
    """Return the user's URL; the default that nobody chose counts only where the environment names none."""
    nobody_chose = isinstance(options.ws_url, type(DEFAULT_WS_URL))
    return settings.url or DEFAULT_WS_URL if nobody_chose else options.ws_url


def _filled(name: str, given: str | None, from_environment: str, variable: str) -> str:
    value = given or from_environment
    if not value:
        raise ConfigError(f"{name} is empty; give WorkerOptions.{name} or set {variable}")
    if not isinstance(value, str):  # not shown: it may be a secret
        raise ConfigError(f"{name} is of type {type(value).__name__}; give WorkerOptions.{name} a text (str)")
    if value.strip(_FRAME) != value:  # the line break of a file, or quotes that the shell was not there to take away
        shown = f" ({_shown(value)!r})" if name == "ws_url" else ""
        raise ConfigError(
            f"{name}{shown} begins or ends with white space or a quotation mark; take that out of {variable} "
            f"or of WorkerOptions.{name}"
        )
    return value


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in URL_SCHEMES and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        usable = usable and _NOT_IN_HOSTS.isdisjoint(parts.hostname or "")
    except ValueError as error:  # a port that is no number, or a broken IPv6 address
        raise ConfigError(f"ws_url is {_shown(url)!r}, which is no URL ({error}); give {_GOOD_URLS}") from error
    if not usable:
        raise ConfigError(f"ws_url is {_shown(url)!r}; it must look like {_GOOD_URLS} (http and https do too)")


def _check_proxies(proxies: Mapping[str, str]) -> None:
    """Refuse a proxy's address that cannot be read: every connection would fail, through that proxy or not."""
    for name, proxy in proxies.items():
        try:
            _ = urlsplit(proxy).port
        except ValueError as error:
            raise ConfigError(
                f"the variable {name} is {_shown(proxy)!r}, which is no URL ({error}); "
                f"set it to http://HOST:PORT, or take it away"
            ) from error


def _shown(url: str) -> str:
    """Return the URL without what stands before an @: it may be a password."""
    head, at, rest = url.rpartition("@")
    scheme, colon, _ = head.partition("://")
    return f"{scheme + colon if colon else ''}…@{rest}" if at else url


def _check_secret(key: str, secret: str, *, devmode: bool) -> None:
    """Refuse, in production, a secret that was cut off or made up; the pair of a development server may be used."""
    if len(secret) < SHORTEST_SECRET and not devmode and (key, secret) != SERVERS_OWN_PAIR:
        raise ConfigError(
            f"api_secret has {len(secret)} characters, at least {SHORTEST_SECRET} are needed; correct "
            f"LIVEKIT_API_SECRET or WorkerOptions.api_secret (livekit-server generate-keys makes a good pair)"
        )


def _executor_kind(kind: JobExecutorType, platform: str) -> ExecutorKind:
    if kind is JobExecutorType.THREAD:
        return "thread"
    if kind is JobExecutorType.PROCESS and platform.startswith("linux"):
        return "process"
    return "spawn"  # forking is unsafe or missing elsewhere


def _memory_limit(options: WorkerOptions) -> float:
    if options.job_memory_limit_mb > 0 and options.job_executor_type is JobExecutorType.THREAD:
        logger.warning(
            "job_memory_limit_mb is ignored: a job in a thread has no memory of its own",
            extra={"job_memory_limit_mb": options.job_memory_limit_mb},
        )
        return 0.0
    return float(options.job_memory_limit_mb)


# --- functions -----------------------------------------------------------------------------------


def _plain(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.unwrap(function)


def _is_coroutine_function(function: Any) -> bool:
    function = _plain(function)
    if inspect.iscoroutinefunction(function):
        return True
    return not inspect.isroutine(function) and inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004  its kind is asked, not whether it exists


def _name_of(function: Any) -> str:
    module = getattr(function, "__module__", None) or "?"
    return f"{module}.{getattr(function, '__qualname__', None) or repr(function)}"


def _check_functions(options: WorkerOptions) -> None:
    for name in ("entrypoint_fnc", "request_fnc", "prewarm_fnc", "load_fnc"):
        if not callable(function := getattr(options, name)):
            raise ConfigError(f"{name} is {function!r}, which cannot be called; give a function")
        if inspect.isclass(function):
            raise ConfigError(f"{name} is the class {_name_of(function)}; give a function, or an object of that class")
    _want_coroutine("entrypoint_fnc", options.entrypoint_fnc)
    parameters = {"entrypoint_fnc": "JobContext", "request_fnc": "JobRequest", "prewarm_fnc": "JobProcess"}
    for name, parameter in parameters.items():
        _check_takes_one(name, getattr(options, name), parameter)
    if getattr(options.request_fnc, "__name__", "") != "<lambda>":  # a lambda may return what accept() returns
        _want_coroutine("request_fnc", options.request_fnc)
    for name, plain in (("prewarm_fnc", options.prewarm_fnc), ("load_fnc", options.load_fnc)):
        if _is_coroutine_function(plain):
            raise ConfigError(f"{name} is {_name_of(plain)}, a coroutine function; it must be a plain one (def)")
    _check_found_by_name("entrypoint_fnc", options.entrypoint_fnc)
    _check_found_by_name("prewarm_fnc", options.prewarm_fnc)
    if options.job_executor_type is not JobExecutorType.THREAD:
        _check_in_a_file("entrypoint_fnc", options.entrypoint_fnc)
        _check_in_a_file("prewarm_fnc", options.prewarm_fnc)


def _want_coroutine(name: str, function: Callable[..., Any]) -> None:
    if inspect.isasyncgenfunction(_plain(function)):
        raise ConfigError(f"{name} is {_name_of(function)}, an asynchronous generator; take the yield out of it")
    if not _is_coroutine_function(function):
        raise ConfigError(f"{name} is {_name_of(function)}, a plain function; define it with async def")


def _check_takes_one(name: str, function: Callable[..., Any], parameter: str) -> None:
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):  # some built-in functions do not tell
        return
    try:
        signature.bind(None)
    except TypeError as error:
        raise ConfigError(
            f"{name} is {_name_of(function)}{signature}, which cannot be called with a {parameter}; "
            f"give it that one parameter"
        ) from error


def _check_found_by_name(name: str, function: Callable[..., Any]) -> None:
    """Refuse what another process could not find: processes that are started anew look it up by its name."""
    try:
        pickle.dumps(function)
    except Exception as error:
        raise ConfigError(
            f"{name} is {_name_of(function)}, which a new process cannot find by that name; "
            f"define it with def at the top level of a module, not as a lambda or inside a function ({error})"
        ) from error


def _check_in_a_file(name: str, function: Callable[..., Any]) -> None:
    """Refuse what was typed into a notebook or a console: no other process can load that."""
    main = sys.modules["__main__"]
    if getattr(_plain(function), "__module__", None) != "__main__" or getattr(main, "__spec__", None) is not None:
        return
    from multiprocessing.process import ORIGINAL_DIR  # type: ignore[attr-defined]  # what spawning goes by

    file = getattr(main, "__file__", None)
    if file is None or not Path(ORIGINAL_DIR or "", file).exists():
        raise ConfigError(
            f"{name} is {_name_of(function)}, which is in no file, so a new process cannot load it; "
            f"put it into a module and import it, or set job_executor_type=JobExecutorType.THREAD"
        )


# --- values --------------------------------------------------------------------------------------


def _check_types(options: WorkerOptions) -> None:
    for name, kind, remedy in (
        ("job_executor_type", JobExecutorType, _one_of(JobExecutorType)),
        ("worker_type", WorkerType, _one_of(WorkerType)),
        ("permissions", WorkerPermissions, "a WorkerPermissions"),
        ("agent_name", str, "a text (str)"),
        ("host", str, "a text (str)"),
        ("preload_app", bool, "True or False"),
    ):
        if not isinstance(value := getattr(options, name), kind):
            raise ConfigError(f"{name} is {value!r}; give {remedy}")
    if options.job_credentials not in {"inherit", "none"}:
        raise ConfigError(f'job_credentials is {options.job_credentials!r}; it must be "inherit" or "none"')
    check_plugins(options)
    _check_permissions(options.permissions)
    try:
        pickle.dumps(options.job_user_arguments)
    except Exception as error:
        raise ConfigError(f"job_user_arguments cannot be pickled, so no process could be sent it: {error}") from error


def _one_of(kind: type[Enum]) -> str:
    return " or ".join(f"{kind.__name__}.{member.name}" for member in kind)


def check_plugins(options: WorkerOptions) -> None:
    """Refuse ``WorkerOptions.plugins`` that is no list; what stands in it is looked at when plugins are loaded.

    :raises ConfigError: the text names the value and the remedy.
    """
    plugins: object = options.plugins
    if isinstance(plugins, str):
        raise ConfigError(f"plugins is the text {plugins!r}; give a list: [{plugins!r}]")
    if plugins is not None and not isinstance(plugins, Iterable):
        raise ConfigError(f"plugins is {plugins!r}; give a list of names and objects with hooks")


def _check_permissions(permissions: WorkerPermissions) -> None:
    from livekit.protocol.models import TrackSource

    for name, value in vars(permissions).items():
        if name != "can_publish_sources" and not isinstance(value, bool):
            raise ConfigError(f"permissions.{name} is {value!r}; give True or False")
    sources: object = permissions.can_publish_sources
    known = TrackSource.values()
    if not isinstance(sources, Iterable) or not all(type(one) is int and one in known for one in sources):
        raise ConfigError(
            f"permissions.can_publish_sources is {sources!r}; give a list of livekit.protocol.models.TrackSource, "
            f"as in [TrackSource.MICROPHONE]"
        )


def _check_numbers(options: WorkerOptions, *, threshold: float, idle: int, port: int) -> None:
    _check_range("load_threshold", threshold, above=0)
    _check_range("num_idle_processes", idle, least=0, whole=True)
    _check_range("port", port, least=0, most=65535, whole=True)
    _check_range("max_retry", options.max_retry, least=0, whole=True)
    if options.max_jobs is not None:
        _check_range("max_jobs", options.max_jobs, least=1, whole=True)
    for name in ("job_memory_warn_mb", "job_memory_limit_mb"):
        _check_range(name, getattr(options, name), least=0)
    for name in ("shutdown_process_timeout", "initialize_process_timeout", "request_timeout"):
        _check_range(name, getattr(options, name), above=0, most=_DAY_SECONDS)


def _check_range(
    name: str,
    value: Any,
    *,
    least: float = -math.inf,
    above: float = -math.inf,
    most: float = math.inf,
    whole: bool = False,
) -> None:
    kind = "a whole number" if whole else "a number"
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        raise ConfigError(f"{name} is {value!r}; it must be {kind}")
    if not (least <= value <= most and value > above):  # NaN fails every comparison
        limits = [f"{least:g} or more"] if least > -math.inf else [f"above {above:g}"]
        if most < math.inf:
            limits.append(f"at most {most:g}")
        raise ConfigError(f"{name} is {value!r}; it must be {kind}, {' and '.join(limits)}")
