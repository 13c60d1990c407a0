"""Options: defaults, what mode and environment make of them, and mistakes named in plain words."""

from __future__ import annotations

import functools
import math
import pickle
from dataclasses import fields
from typing import Any

import pytest

from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.settings import Settings
from lk_agents.worker.config import WorkerConfig, resolve
from lk_agents.worker.options import (
    JobExecutorType,
    WorkerOptions,
    WorkerPermissions,
    WorkerType,
    _DefaultLoadCalc,
    _WorkerEnvOption,
)

SECRET, OTHER = "env-secret-of-more-than-32-characters", "code-secret-of-more-than-32-characters"
ENVIRONMENT = Settings(url="wss://env", api_key="env-key", api_secret=SECRET)


async def entrypoint(ctx: Any) -> None: ...


async def takes_nothing() -> None: ...


def plain(ctx: Any) -> None: ...


async def prewarm_async(proc: Any) -> None: ...


async def load_async(worker: Any) -> float:
    return 0.0


async def request_with_level(level: int, req: Any) -> None: ...


class Callable:
    async def __call__(self, ctx: Any) -> None: ...


@functools.wraps(entrypoint)
def wrapped(ctx: Any) -> Any:
    return entrypoint(ctx)


wrapped.__qualname__ = "wrapped"
callable_object = Callable()


def settled(settings: Settings = ENVIRONMENT, *, devmode: bool = False, **changes: Any) -> WorkerConfig:
    return resolve(WorkerOptions(**({"entrypoint_fnc": entrypoint} | changes)), settings, devmode=devmode)


def test_the_fields_come_in_the_public_order() -> None:
    names = [one.name for one in fields(WorkerOptions)]

    assert names == [
        *("entrypoint_fnc", "request_fnc", "prewarm_fnc", "load_fnc", "job_executor_type", "load_threshold"),
        *("job_memory_warn_mb", "job_memory_limit_mb", "num_idle_processes", "shutdown_process_timeout"),
        *("initialize_process_timeout", "permissions", "agent_name", "worker_type", "max_retry", "ws_url"),
        *("api_key", "api_secret", "host", "port"),
        *("max_jobs", "plugins", "preload_app", "job_credentials", "request_timeout", "job_user_arguments"),
    ]


def test_the_defaults_are_the_public_ones() -> None:
    options = WorkerOptions(entrypoint)

    assert options.load_fnc is _DefaultLoadCalc.get_load
    assert options.load_threshold == _WorkerEnvOption(math.inf, 0.75)
    assert options.num_idle_processes == _WorkerEnvOption(0, 3)
    assert options.port == _WorkerEnvOption(0, 8081)
    assert (options.job_memory_warn_mb, options.job_memory_limit_mb) == (300, 0)
    assert (options.shutdown_process_timeout, options.initialize_process_timeout) == (60.0, 10.0)
    assert options.permissions == WorkerPermissions(True, True, True, True, [], False)
    assert (options.agent_name, options.worker_type, options.max_retry) == ("", WorkerType.ROOM, 16)
    assert (options.ws_url, options.api_key, options.api_secret) == ("ws://localhost:7880", None, None)
    assert options.host == ""


def test_options_survive_pickling_and_still_know_what_nobody_chose() -> None:
    options = pickle.loads(pickle.dumps(WorkerOptions(entrypoint, api_secret="s", job_user_arguments={"a": 1})))

    assert options == WorkerOptions(entrypoint, api_secret="s", job_user_arguments={"a": 1})
    assert resolve(options, ENVIRONMENT, devmode=True).url == "wss://env"


def test_the_secret_is_in_no_repr() -> None:
    options = WorkerOptions(entrypoint, api_secret="hush")

    assert "hush" not in repr(options)
    assert "hush" not in repr(resolve(options, ENVIRONMENT, devmode=True))


def test_a_short_secret_will_do_in_development_and_for_the_servers_own_pair() -> None:
    assert settled(devmode=True, api_secret="short").api_secret == "short"
    assert settled(api_key="devkey", api_secret="secret").api_secret == "secret"


def test_a_password_in_the_url_is_not_repeated() -> None:
    for url in ("ftp://me:hush@host", "ws://me:hush@host:port", "me:hush@host"):
        with pytest.raises(ConfigError, match="@host") as caught:
            settled(ws_url=url)
        assert "hush" not in str(caught.value)


@pytest.mark.parametrize(("devmode", "expected"), [(True, (math.inf, 0, 0, "127.0.0.1")), (False, (0.75, 3, 8081, ""))])
def test_the_mode_decides_what_is_left_open(devmode: bool, expected: tuple[Any, ...]) -> None:
    config = settled(devmode=devmode)

    assert (config.load_threshold, config.idle_processes, config.port, config.host) == expected


def test_given_values_beat_the_mode() -> None:
    config = settled(devmode=True, load_threshold=0.5, num_idle_processes=2, port=1234, host="::1")

    assert (config.load_threshold, config.idle_processes, config.port, config.host) == (0.5, 2, 1234, "::1")


@pytest.mark.parametrize(
    ("given", "settings", "expected"),
    [
        ({}, ENVIRONMENT, ("wss://env", "env-key", SECRET, False)),
        ({"ws_url": "ws://code"}, ENVIRONMENT, ("ws://code", "env-key", SECRET, False)),
        ({"ws_url": ""}, ENVIRONMENT, ("wss://env", "env-key", SECRET, False)),
        ({"ws_url": None}, ENVIRONMENT, ("wss://env", "env-key", SECRET, False)),
        ({"api_key": "k", "api_secret": OTHER}, ENVIRONMENT, ("wss://env", "k", OTHER, True)),
        ({"api_key": "k", "api_secret": OTHER}, Settings(), ("ws://localhost:7880", "k", OTHER, True)),
    ],
)
def test_code_beats_environment_beats_default(given: Any, settings: Settings, expected: tuple[Any, ...]) -> None:
    config = settled(settings, **given)

    assert (config.url, config.api_key, config.api_secret, config.credentials_in_code) == expected


def test_the_users_object_is_left_as_it_is() -> None:
    options = WorkerOptions(entrypoint)
    resolve(options, ENVIRONMENT, devmode=False)

    assert options == WorkerOptions(entrypoint)


@pytest.mark.parametrize(
    ("given", "settings", "words"),
    [
        ({"ws_url": ""}, Settings(), ["ws_url", "LIVEKIT_URL"]),
        ({}, Settings(), ["api_key", "LIVEKIT_API_KEY"]),
        ({"api_key": "k"}, Settings(), ["api_secret", "LIVEKIT_API_SECRET"]),
        ({"api_secret": "hush-hush"}, ENVIRONMENT, ["api_secret has 9 characters", "32", "generate-keys"]),
        ({"api_secret": b"hush-hush"}, ENVIRONMENT, ["api_secret is of type bytes", "str"]),
        ({"entrypoint_fnc": takes_nothing}, ENVIRONMENT, ["takes_nothing()", "JobContext"]),
        ({"worker_type": "room"}, ENVIRONMENT, ["worker_type is 'room'", "WorkerType"]),
        ({"permissions": {}}, ENVIRONMENT, ["permissions is {}", "WorkerPermissions"]),
        ({"agent_name": None}, ENVIRONMENT, ["agent_name is None", "text"]),
        ({"ws_url": "ftp://host"}, ENVIRONMENT, ["ftp://host", "wss://"]),
        ({"ws_url": "host:7880"}, ENVIRONMENT, ["host:7880"]),
        ({"ws_url": "ws://host:99999"}, ENVIRONMENT, ["ws://host:99999"]),
        ({"entrypoint_fnc": plain}, ENVIRONMENT, ["entrypoint_fnc", "plain", "async def"]),
        ({"entrypoint_fnc": None}, ENVIRONMENT, ["entrypoint_fnc", "None"]),
        ({"entrypoint_fnc": lambda ctx: entrypoint(ctx)}, ENVIRONMENT, ["entrypoint_fnc", "async def"]),
        ({"request_fnc": plain}, ENVIRONMENT, ["request_fnc", "async def"]),
        ({"prewarm_fnc": prewarm_async}, ENVIRONMENT, ["prewarm_fnc", "prewarm_async", "def"]),
        ({"prewarm_fnc": lambda proc: None}, ENVIRONMENT, ["prewarm_fnc", "lambda", "top level"]),
        ({"load_fnc": load_async}, ENVIRONMENT, ["load_fnc", "load_async"]),
        ({"port": 70_000}, ENVIRONMENT, ["port", "70000", "65535"]),
        ({"port": "8081"}, ENVIRONMENT, ["port", "'8081'", "whole number"]),
        ({"load_threshold": 0}, ENVIRONMENT, ["load_threshold", "above 0"]),
        ({"load_threshold": math.nan}, ENVIRONMENT, ["load_threshold", "nan"]),
        ({"num_idle_processes": -1}, ENVIRONMENT, ["num_idle_processes", "-1"]),
        ({"num_idle_processes": 1.5}, ENVIRONMENT, ["num_idle_processes", "1.5"]),
        ({"max_jobs": 0}, ENVIRONMENT, ["max_jobs", "1 or more"]),
        ({"max_retry": -1}, ENVIRONMENT, ["max_retry", "-1"]),
        ({"request_timeout": 0}, ENVIRONMENT, ["request_timeout"]),
        ({"shutdown_process_timeout": math.inf}, ENVIRONMENT, ["shutdown_process_timeout", "inf"]),
        ({"job_memory_limit_mb": -5}, ENVIRONMENT, ["job_memory_limit_mb", "-5"]),
        ({"job_credentials": "some"}, ENVIRONMENT, ["job_credentials", "'some'"]),
        ({"job_executor_type": "process"}, ENVIRONMENT, ["job_executor_type", "JobExecutorType"]),
        ({"plugins": "silero"}, ENVIRONMENT, ["plugins", "['silero']"]),
        ({"job_user_arguments": lambda: None}, ENVIRONMENT, ["job_user_arguments", "pickled"]),
    ],
)
def test_mistakes_name_the_value_and_the_remedy(given: Any, settings: Settings, words: list[str]) -> None:
    with pytest.raises(ConfigError) as raised:
        settled(settings, **given)

    assert all(word in str(raised.value) for word in words), str(raised.value)


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_an_entrypoint_that_cannot_be_found_by_name_is_refused_on_every_platform(platform: str) -> None:
    async def local(ctx: Any) -> None: ...

    options = WorkerOptions(local, job_executor_type=JobExecutorType.THREAD)
    with pytest.raises(ConfigError, match="top level"):
        resolve(options, ENVIRONMENT, devmode=True, platform=platform)


@pytest.mark.parametrize(
    "changes",
    [
        {"entrypoint_fnc": functools.partial(entrypoint)},
        {"entrypoint_fnc": callable_object},
        {"entrypoint_fnc": wrapped},
        {"request_fnc": lambda req: req.accept()},
        {"request_fnc": functools.partial(request_with_level, 1)},
        {"load_fnc": lambda: 0.5},
        {"load_threshold": 2.0},
        {"max_retry": 0},
    ],
)
def test_unusual_but_right_values_are_taken(changes: Any) -> None:
    assert settled(**changes).options.max_jobs is None


@pytest.mark.parametrize(
    ("kind", "platform", "expected"),
    [
        (JobExecutorType.PROCESS, "linux", "process"),
        (JobExecutorType.PROCESS, "darwin", "spawn"),
        (JobExecutorType.SPAWN, "linux", "spawn"),
        (JobExecutorType.THREAD, "win32", "thread"),
    ],
)
def test_only_linux_forks(kind: JobExecutorType, platform: str, expected: str) -> None:
    options = WorkerOptions(entrypoint, job_executor_type=kind)

    assert resolve(options, ENVIRONMENT, devmode=True, platform=platform).executor == expected


def test_a_memory_limit_for_threads_is_ignored_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    config = settled(job_memory_limit_mb=500, job_executor_type=JobExecutorType.THREAD)

    assert config.memory_limit_mb == 0
    assert "job_memory_limit_mb is ignored" in caplog.text


@pytest.mark.parametrize(("devmode", "warnings"), [(True, 0), (False, 1)])
def test_validate_config_warns_of_a_threshold_that_no_load_reaches(
    devmode: bool, warnings: int, caplog: pytest.LogCaptureFixture
) -> None:
    WorkerOptions(entrypoint, load_threshold=1.5).validate_config(devmode)

    assert len(caplog.records) == warnings


def test_worker_types_have_the_servers_numbers() -> None:
    from livekit.protocol.agent import JobType

    assert WorkerType.ROOM.value == JobType.JT_ROOM
    assert WorkerType.PUBLISHER.value == JobType.JT_PUBLISHER
    assert WorkerType.PARTICIPANT.value == JobType.JT_PARTICIPANT
