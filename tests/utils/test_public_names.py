"""The public names of the helpers are all there."""

import inspect
from importlib import import_module
from typing import Any

import pytest

SURFACE: dict[str, dict[str, str | None]] = {
    "lk_agents.utils": {
        "AudioBuffer": None,
        "ConnectionPool": "max_session_duration mark_refreshed_on_get connect_cb close_cb",
        "ConnectionPool.aclose": "",
        "ConnectionPool.connection": "",
        "ConnectionPool.get": "",
        "ConnectionPool.invalidate": "",
        "ConnectionPool.prewarm": "",
        "ConnectionPool.put": "conn",
        "ConnectionPool.remove": "conn",
        "EventEmitter": "",
        "EventEmitter.emit": "event args",
        "EventEmitter.off": "event callback",
        "EventEmitter.on": "event callback",
        "EventEmitter.once": "event callback",
        "ExpFilter": "alpha max_val",
        "ExpFilter.apply": "exp sample",
        "ExpFilter.filtered": "",
        "ExpFilter.reset": "alpha",
        "ExpFilter.update_base": "alpha",
        "MovingAverage": "window_size",
        "MovingAverage.add_sample": "sample",
        "MovingAverage.get_avg": "",
        "MovingAverage.reset": "",
        "MovingAverage.size": "",
        "_compute_changes": "old_list new_list key_fnc",
        "aio": None,
        "audio": None,
        "codecs": None,
        "combine_frames": "buffer",
        "http_context": None,
        "hw": None,
        "images": None,
        "is_given": "obj",
        "log_exceptions": "msg logger",
        "merge_frames": "buffer",
        "shortuuid": "prefix",
        "time_ms": "",
    },
    "lk_agents.utils.aio": {
        "Chan": "maxsize loop",
        "Chan.close": "",
        "Chan.empty": "",
        "Chan.full": "",
        "Chan.qsize": "",
        "Chan.recv": "",
        "Chan.recv_nowait": "",
        "Chan.send": "value",
        "Chan.send_nowait": "value",
        "Chan.closed": None,
        "ChanClosed": None,
        "ChanReceiver": None,
        "ChanReceiver.close": "",
        "ChanReceiver.recv": "",
        "ChanReceiver.recv_nowait": "",
        "ChanSender": None,
        "ChanSender.close": "",
        "ChanSender.send": "value",
        "ChanSender.send_nowait": "value",
        "Interval": "interval",
        "Interval.reset": "",
        "Interval.tick": "",
        "Sleep": "delay",
        "Sleep.cancel": "",
        "Sleep.reset": "new_delay",
        "SleepFinished": None,
        "TaskSet": "loop",
        "TaskSet.aclose": "",
        "TaskSet.create_task": "coro",
        "channel": None,
        "debug": None,
        "duplex_unix": None,
        "gracefully_cancel": "futures",
        "interval": "interval",
        "itertools": None,
        "sleep": "delay",
    },
    "lk_agents.utils.aio.channel": {"ChanEmpty": None, "ChanFull": None},
    "lk_agents.utils.aio.debug": {"hook_slow_callbacks": "slow_duration"},
    "lk_agents.utils.aio.duplex_unix": {"DuplexClosed": None, "_AsyncDuplex": None, "_Duplex": None},
    "lk_agents.utils.aio.itertools": {"Tee": "async_iterable n", "Tee.aclose": "", "tee": "async_iterable n"},
    "lk_agents.utils.audio": {
        "AudioByteStream": "sample_rate num_channels samples_per_channel",
        "AudioByteStream.flush": "",
        "AudioByteStream.push": "data",
        "AudioByteStream.write": "data",
        "calculate_audio_duration": "frames",
        "combine_frames": "buffer",
        "merge_frames": "buffer",
    },
    "lk_agents.utils.codecs": {
        "AudioStreamDecoder": "sample_rate num_channels",
        "AudioStreamDecoder.aclose": "",
        "AudioStreamDecoder.end_input": "",
        "AudioStreamDecoder.push": "chunk",
        "StreamBuffer": "",
        "StreamBuffer.close": "",
        "StreamBuffer.end_input": "",
        "StreamBuffer.read": "size",
        "StreamBuffer.write": "data",
    },
    "lk_agents.utils.images": {
        "EncodeOptions": "format resize_options quality",
        "ResizeOptions": "width height strategy",
        "encode": "frame options",
    },
    "lk_agents.utils.http_context": {"http_session": ""},
    "lk_agents.utils.hw": {
        "CGroupV2CPUMonitor": "",
        "CPUMonitor": "",
        "CPUMonitor.cpu_count": "",
        "CPUMonitor.cpu_percent": "interval",
        "DefaultCPUMonitor": "",
        "get_cpu_monitor": "",
    },
}
"""Module -> name -> its parameters, those that were there before any of ours; None for what is not called."""

NAMES = [(module, name, parameters) for module, names in SURFACE.items() for name, parameters in names.items()]


@pytest.mark.parametrize(("module", "name", "parameters"), NAMES)
def test_a_public_name_is_there_with_its_parameters(module: str, name: str, parameters: str | None) -> None:
    value: Any = import_module(module)
    for part in name.split("."):
        value = getattr(value, part)
    if parameters is None:
        return
    own = [parameter for parameter in inspect.signature(value).parameters if parameter != "self"]
    assert [parameter for parameter in own if parameter in parameters.split()] == parameters.split()
    added = {
        parameter.name
        for parameter in inspect.signature(value).parameters.values()
        if parameter.name not in parameters.split() and parameter.default is parameter.empty
    }
    assert added <= {"self"}, "what has been added is optional"


@pytest.mark.parametrize("module", ["lk_agents.utils", "lk_agents.utils.aio"])
def test_a_package_lists_its_names_and_has_no_others(module: str) -> None:
    package = import_module(module)

    assert set(SURFACE[module]) >= {name for name in package.__all__ if name != "cancel_and_wait"}
    assert dir(package) == sorted(package.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = package.nonsense


def test_a_function_stays_what_it_is_after_its_module_was_imported() -> None:
    from lk_agents.utils import aio

    import_module("lk_agents.utils.aio.timers")
    assert inspect.isfunction(aio.sleep)
    assert inspect.isfunction(aio.interval)
