"""Options are checked when they are built, and become a configuration for this machine only."""

from __future__ import annotations

from typing import Any

import pytest

from lk_agents.foundation.errors import ConfigError
from lk_agents_server.config import Keys, Ports, ServerOptions, server_config

KEYS = Keys("APIkey", "s" * 32)
PORTS = Ports(http=7001, rtc_udp=7002)


def config(**options: Any) -> dict[str, Any]:
    return server_config(ServerOptions(**options), PORTS, KEYS)


def test_everything_is_bound_to_the_loopback_address() -> None:
    made = config()

    assert made["bind_addresses"] == ["127.0.0.1"]
    assert made["rtc"]["node_ip"] == "127.0.0.1"
    assert made["rtc"]["ips"] == {"includes": ["127.0.0.1/32"]}
    assert made["rtc"]["tcp_port"] == 0


def test_ports_and_keys_are_those_given() -> None:
    made = config()

    assert (made["port"], made["rtc"]["udp_port"]) == (7001, 7002)
    assert made["keys"] == {"APIkey": "s" * 32}


def test_clients_are_not_told_of_public_stun_servers_nor_of_our_own_port() -> None:
    (stun,) = config()["rtc"]["stun_servers"]

    assert stun.startswith("127.0.0.1:")
    assert stun != "127.0.0.1:7002"


def test_the_load_limit_is_left_to_the_server() -> None:
    assert "agents" not in config()


def test_what_is_not_asked_for_is_left_to_the_server() -> None:
    assert not {"room", "redis", "webhook"} & config().keys()


def test_options_find_their_place() -> None:
    made = config(redis="127.0.0.1:6379", empty_timeout=3, departure_timeout=0, log_level="debug")

    assert made["redis"] == {"address": "127.0.0.1:6379"}
    assert made["room"] == {"empty_timeout": 3, "departure_timeout": 0}
    assert made["logging"]["level"] == "debug"


def test_extra_config_is_merged_key_by_key() -> None:
    made = config(departure_timeout=2, extra_config={"room": {"auto_create": False}, "limit": {"num_tracks": 5}})

    assert made["room"] == {"departure_timeout": 2, "auto_create": False}
    assert made["limit"] == {"num_tracks": 5}


def test_a_change_of_the_callers_mapping_comes_too_late() -> None:
    extra: dict[str, Any] = {"room": {"auto_create": False}}
    options = ServerOptions(extra_config=extra)
    extra["room"]["auto_create"] = True

    assert server_config(options, PORTS, KEYS)["room"] == {"auto_create": False}


def test_a_configuration_does_not_share_parts_with_the_options() -> None:
    options = ServerOptions(extra_config={"webhook": {"urls": ["http://127.0.0.1:1"]}})
    server_config(options, PORTS, KEYS)["webhook"]["urls"].append("http://127.0.0.1:2")

    assert server_config(options, PORTS, KEYS)["webhook"]["urls"] == ["http://127.0.0.1:1"]


@pytest.mark.parametrize(
    "extra",
    [
        {"port": 1},
        {"keys": {"a": "b"}},
        {"bind_addresses": ["0.0.0.0"]},
        {"rtc": {"tcp_port": 7881}},
        {"rtc": {"udp_port": {"start": 1, "end": 2}}},
        {"rtc": {"node_ip": "10.0.0.1"}},
        {"redis": {"address": "elsewhere:6379"}},
    ],
)
def test_extra_config_may_not_open_the_server_or_replace_an_option(extra: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="extra_config may not set"):
        ServerOptions(extra_config=extra)


def test_a_section_cannot_be_replaced_as_a_whole() -> None:
    with pytest.raises(ConfigError, match="a mapping is needed"):
        ServerOptions(extra_config={"rtc": None})


def test_extra_config_must_be_json() -> None:
    with pytest.raises(ConfigError, match="JSON"):
        ServerOptions(extra_config={"webhook": object()})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"port": -1}, "port=-1"),
        ({"port": True}, "port=True"),
        ({"udp_port": 65536}, "udp_port=65536"),
        ({"api_secret": "short"}, "5 characters"),
        ({"redis": "localhost"}, "host:port"),
        ({"redis": "redis://localhost:6379"}, "host:port"),
        ({"empty_timeout": -1}, "empty_timeout=-1"),
        ({"departure_timeout": 1.5}, "departure_timeout=1.5"),
        ({"log_level": "warning"}, "debug, info, warn, error"),
        ({"start_timeout": 0}, "start_timeout=0"),
        ({"stop_timeout": float("nan")}, "stop_timeout=nan"),
    ],
)
def test_an_impossible_option_is_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        ServerOptions(**options)


def test_the_secret_is_in_no_repr_and_in_no_error() -> None:
    secret = "never-to-be-seen"
    long = secret * 3

    assert secret not in repr(ServerOptions(api_secret=long, extra_config={"turn": {"secret": secret}}))
    with pytest.raises(ConfigError) as caught:
        ServerOptions(api_secret=secret)
    assert secret not in str(caught.value)
