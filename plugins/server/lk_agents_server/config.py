"""What the embedded server is told: options of ours in, its own configuration out. Nothing here touches the machine."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, get_args

from lk_agents.foundation.errors import ConfigError

__all__ = ["LOOPBACK", "Keys", "LogLevel", "Ports", "ServerOptions", "server_config"]

LOOPBACK: Final = "127.0.0.1"
SHORTEST_SECRET: Final = 32
STUN_PORT: Final = 3478

LogLevel = Literal["debug", "info", "warn", "error"]

# What `extra_config` may not change, and what to do instead.
_RESERVED: Final[Mapping[str, str]] = {
    "bind_addresses": "the embedded server is for this machine only",
    "key_file": "use the options api_key and api_secret",
    "keys": "use the options api_key and api_secret",
    "port": "use the option port",
    "redis.address": "use the option redis",
    "rtc.enable_loopback_candidate": "the embedded server is for this machine only",
    "rtc.interfaces": "the embedded server is for this machine only",
    "rtc.ips": "the embedded server is for this machine only",
    "rtc.node_ip": "the embedded server is for this machine only",
    "rtc.port_range_end": "use the option udp_port",
    "rtc.port_range_start": "use the option udp_port",
    "rtc.tcp_port": "use the option tcp",
    "rtc.udp_port": "use the option udp_port",
    "rtc.use_external_ip": "the embedded server is for this machine only",
}


class Keys(NamedTuple):
    """An API key and its secret. Never log it: its repr shows both."""

    api_key: str
    api_secret: str


class Ports(NamedTuple):
    """The ports of one server; ``rtc_tcp`` 0 means no media over TCP."""

    http: int
    rtc_udp: int
    rtc_tcp: int = 0


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """How an embedded server shall be.

    :param port: of HTTP and websockets; 0 takes a free one.
    :param udp_port: of all media; 0 takes a free one.
    :param tcp: offer media over TCP as well, on a free port. livekit-server cannot bind that port to one address: it
        listens on all of them.
    :param api_key: empty makes a random one.
    :param api_secret: at least 32 characters; empty makes a random one. Servers that share a Redis need the same pair.
    :param redis: ``host:port`` of a Redis through which several servers form one; empty for a server on its own.
    :param empty_timeout: seconds that a room nobody ever joined stays; None leaves the server's default (300).
    :param departure_timeout: seconds that a room stays when the last one has left; None leaves the default (20).
    :param log_level: of the server's own log.
    :param extra_config: more of livekit-server's configuration, merged into ours key by key.
    :param start_timeout: seconds in which the server must be ready.
    :param stop_timeout: seconds that it has to end before it is killed.
    :raises ConfigError: a value is impossible; the text names it.
    """

    port: int = 0
    udp_port: int = 0
    tcp: bool = False
    api_key: str = ""
    api_secret: str = field(default="", repr=False)
    redis: str = ""
    empty_timeout: int | None = None
    departure_timeout: int | None = None
    log_level: LogLevel = "info"
    extra_config: Mapping[str, Any] = field(default_factory=dict, repr=False)  # may hold passwords
    start_timeout: float = 15.0
    stop_timeout: float = 5.0

    def __post_init__(self) -> None:
        _check_port("port", self.port)
        _check_port("udp_port", self.udp_port)
        if self.api_secret and len(self.api_secret) < SHORTEST_SECRET:
            raise ConfigError(
                f"api_secret has {len(self.api_secret)} characters; at least {SHORTEST_SECRET} are needed, or leave it "
                "empty for a random one"
            )
        if self.redis:
            _check_address("redis", self.redis)
        for name in ("empty_timeout", "departure_timeout"):
            seconds = getattr(self, name)
            if seconds is not None and (not isinstance(seconds, int) or not 0 <= seconds < 2**32):
                raise ConfigError(f"{name}={seconds!r}: a whole number of seconds, 0 or more, is needed")
        if self.log_level not in get_args(LogLevel):
            raise ConfigError(f"log_level={self.log_level!r} is none of {', '.join(get_args(LogLevel))}")
        for name in ("start_timeout", "stop_timeout"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name}={getattr(self, name)!r}: more than 0 seconds are needed")
        object.__setattr__(self, "extra_config", _checked_extra(self.extra_config))


def server_config(options: ServerOptions, ports: Ports, keys: Keys) -> dict[str, Any]:
    """Return livekit-server's configuration: reachable from this machine only, and asking nobody outside of it.

    ``agents.target_load`` stays the server's own, so that a worker which misreports its load is noticed here too.
    """
    config: dict[str, Any] = {
        "port": ports.http,
        "bind_addresses": [LOOPBACK],  # HTTP and websockets only: the media ports have their own rules
        "keys": {keys.api_key: keys.api_secret},
        "logging": {"level": options.log_level, "pion_level": "error", "json": False},
        "rtc": {
            "udp_port": ports.rtc_udp,
            "tcp_port": ports.rtc_tcp,
            "node_ip": LOOPBACK,
            "use_external_ip": False,
            "enable_loopback_candidate": True,
            "ips": {"includes": [f"{LOOPBACK}/32"]},  # what UDP binds; without it, every address of the machine
            # Without an entry clients are told to ask public STUN servers. Nobody listens here; our own UDP port will
            # not do, it takes such a question for the beginning of a connection, and the real one then fails.
            "stun_servers": [f"{LOOPBACK}:{STUN_PORT}"],
        },
    }
    room = {"empty_timeout": options.empty_timeout, "departure_timeout": options.departure_timeout}
    if given := {name: seconds for name, seconds in room.items() if seconds is not None}:
        config["room"] = given
    if options.redis:
        config["redis"] = {"address": options.redis}
    return _merged(config, options.extra_config)


def _check_port(name: str, port: Any) -> None:
    if not isinstance(port, int) or isinstance(port, bool) or not 0 <= port <= 65535:
        raise ConfigError(f"{name}={port!r}: a port from 1 to 65535 is needed, or 0 for any free one")


def _check_address(name: str, address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal() or not 0 < int(port) <= 65535:
        raise ConfigError(f"{name}={address!r}: host:port is needed, for example 127.0.0.1:6379")


def _checked_extra(extra: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy that nobody else can change, after looking for what it may not hold."""
    for section in ("logging", "redis", "room", "rtc"):
        if section in extra and not isinstance(extra[section], Mapping):
            raise ConfigError(f"extra_config[{section!r}] is {extra[section]!r}: a mapping is needed")
    for path in _paths(extra):
        if remedy := _RESERVED.get(path):
            raise ConfigError(f"extra_config may not set {path}: {remedy}")
    try:
        json.dumps(extra, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"extra_config cannot be written as JSON: {error}") from error
    return copy.deepcopy(dict(extra))


def _paths(extra: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in extra.items():
        yield f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from _paths(value, f"{prefix}{name}.")


def _merged(base: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for name, value in extra.items():
        below = result.get(name)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            result[name] = _merged(below, value)
        else:
            result[name] = copy.deepcopy(value)
    return result
