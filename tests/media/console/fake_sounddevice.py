"""Stands in for the package ``sounddevice``: devices without hardware, emptied and filled by real threads.

The names and arguments are the package's own; what is not used here is not there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

OUTPUT_LATENCY = 0.02
INPUT_LATENCY = 0.01


class PortAudioError(Exception):
    """What the package raises when the library below it refuses."""


class _Default:
    device = (0, 1)


default = _Default()

DEVICES: list[dict[str, Any]] = [
    {"name": "Fake Microphone", "max_input_channels": 1, "max_output_channels": 0},
    {"name": "Fake Speaker", "max_input_channels": 0, "max_output_channels": 2},
]

played = bytearray()
"""What the speaker was given, silence included."""
said = bytearray()
"""What the microphone records next; silence when it is empty."""
open_streams: list[_Stream] = []


def query_devices() -> list[dict[str, Any]]:
    return DEVICES


class _Stream:
    channels_key = ""

    def __init__(
        self,
        *,
        samplerate: float,
        blocksize: int,
        device: int | str | None,
        channels: int,
        dtype: str,
        latency: str,
        callback: Callable[..., None],
        finished_callback: Callable[[], None],
    ) -> None:
        assert (dtype, latency) == ("int16", "low")
        names = [each["name"] for each in DEVICES if each[self.channels_key]]
        if isinstance(device, str) and not any(device.lower() in name.lower() for name in names):
            raise ValueError(f"No device matching {device!r}")
        if isinstance(device, int) and (device >= len(DEVICES) or not DEVICES[device][self.channels_key]):
            raise PortAudioError(f"Error querying device {device}")
        self.rate = samplerate
        self.block = blocksize
        self.size = channels * 2
        self.callback = callback
        self.finished_callback = finished_callback
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, name="fake-portaudio")

    def start(self) -> None:
        open_streams.append(self)
        self.thread.start()

    def close(self, ignore_errors: bool = True) -> None:
        self.stopping.set()
        if self.thread.is_alive():
            self.thread.join()
        if self in open_streams:
            open_streams.remove(self)

    def unplug(self) -> None:
        """Let the device go away."""
        self.stopping.set()

    def _run(self) -> None:
        began = time.monotonic()
        blocks = 0
        while not self.stopping.wait(max(0.0, began + blocks * self.block / self.rate - time.monotonic())):
            self.one_block(time.monotonic())
            blocks += 1
        self.finished_callback()

    def one_block(self, now: float) -> None:
        raise NotImplementedError


class RawOutputStream(_Stream):
    channels_key = "max_output_channels"

    def one_block(self, now: float) -> None:
        data = bytearray(self.block * self.size)
        times = SimpleNamespace(currentTime=now, outputBufferDacTime=now + OUTPUT_LATENCY, inputBufferAdcTime=0.0)
        self.callback(memoryview(data), self.block, times, None)
        played.extend(data)


class RawInputStream(_Stream):
    channels_key = "max_input_channels"

    def one_block(self, now: float) -> None:
        size = self.block * self.size
        data = bytes(said[:size]).ljust(size, b"\0")
        del said[:size]
        times = SimpleNamespace(currentTime=now, inputBufferAdcTime=now - INPUT_LATENCY, outputBufferDacTime=0.0)
        self.callback(memoryview(data), self.block, times, None)


def reset() -> None:
    """Forget what was played and said."""
    played.clear()
    said.clear()
    assert not open_streams, "a stream was left open"
