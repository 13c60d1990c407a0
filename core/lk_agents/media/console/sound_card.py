"""Microphone and speaker of this machine, by the package sounddevice (extra ``console``)."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lk_agents.foundation.errors import ConfigError, PlayoutError
from lk_agents.foundation.log import logger
from lk_agents.media.console.echo import BLOCK_MS, EchoCanceller
from lk_agents.media.console.microphone import DeviceAudioIn
from lk_agents.media.console.ports import INPUT_RATE
from lk_agents.media.console.speaker import DeviceAudioOut

if TYPE_CHECKING:
    from lk_agents.media.console.ports import OnAudio

__all__ = ["Device", "Microphone", "Speaker", "list_devices", "load_sounddevice"]

_REMEDY: Final = "or do without devices: --text, or --input voice.wav --output agent.wav"


class Device(NamedTuple):
    """One device of this machine.

    :param default: for which directions it is the system's own choice: ``input``, ``output``, both or neither.
    """

    number: int
    name: str
    inputs: int
    outputs: int
    default: tuple[str, ...]


def load_sounddevice() -> Any:
    """Return the module.

    :raises ConfigError: it is not installed, or the library below it is not there.
    """
    try:
        return importlib.import_module("sounddevice")
    except ImportError as error:
        raise ConfigError(
            f"microphone and speaker need the package sounddevice: pip install 'lk-agents[console]'; {_REMEDY}"
        ) from error
    except OSError as error:
        raise ConfigError(
            f"the package sounddevice does not find the library PortAudio ({error}): apt install libportaudio2; "
            f"{_REMEDY}"
        ) from error


def list_devices() -> Sequence[Device]:
    """Return the devices of this machine.

    :raises ConfigError: they cannot be listed.
    """
    sounddevice = load_sounddevice()
    try:
        found = sounddevice.query_devices()
        chosen = tuple(sounddevice.default.device)
    except sounddevice.PortAudioError as error:
        raise ConfigError(f"the sound devices cannot be listed: {error}") from error
    return [
        Device(
            number,
            str(each["name"]),
            int(each["max_input_channels"]),
            int(each["max_output_channels"]),
            tuple(name for name, default in zip(("input", "output"), chosen, strict=False) if default == number),
        )
        for number, each in enumerate(found)
    ]


def _chosen(device: str | None) -> int | str | None:
    """Return a device as the package wants it: by its number, or by a part of its name."""
    return int(device) if device is not None and device.isdigit() else device


class _Stream:
    """One stream of the package, opened and closed in threads: a driver may take its time.

    :param what: the device in words.
    :param option: what chooses another device.
    :param on_end: called on the event loop when the device ends by itself.
    """

    def __init__(self, what: str, option: str, on_end: Callable[[], None]) -> None:
        self._what = what
        self._option = option
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._stream: Any = None
        self._closing = False

    async def open(self, make: Callable[..., Any], *, sample_rate: int, **how: Any) -> None:
        """Open and start; cancelled, it is closed again.

        :raises PlayoutError: the device cannot be had.
        """
        opening = asyncio.ensure_future(asyncio.to_thread(self._open, make, sample_rate, how))
        try:
            await asyncio.shield(opening)
        except asyncio.CancelledError:
            await asyncio.wait({opening})
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Stop and close. Any number of times."""
        self._closing = True
        stream, self._stream = self._stream, None
        if stream is not None:
            await asyncio.shield(asyncio.to_thread(stream.close, ignore_errors=True))

    def _open(self, make: Callable[..., Any], sample_rate: int, how: dict[str, Any]) -> None:
        sounddevice = load_sounddevice()
        try:
            self._stream = make(
                samplerate=sample_rate,
                blocksize=sample_rate * BLOCK_MS // 1000,
                dtype="int16",
                latency="low",
                finished_callback=self._finished,
                **how,
            )
            self._stream.start()
        except (sounddevice.PortAudioError, ValueError) as error:  # ValueError: no such device
            if self._stream is not None:
                self._stream.close(ignore_errors=True)
                self._stream = None
            raise PlayoutError(
                f"there is no {self._what} for {sample_rate} Hz: {error}; choose a device with {self._option} "
                f"(lk-agents console --list-devices), {_REMEDY}"
            ) from error

    def _finished(self) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        if not self._closing:
            logger.error("a sound device has ended", extra={"device": self._what})
            self._on_end()


class Microphone:
    """A user who speaks into this machine's microphone; see ``VoiceSource``.

    :param device: its number, or a part of its name; None for the system's choice.
    :param echo: takes the agent's own voice out of it.
    """

    def __init__(self, device: str | None = None, *, echo: EchoCanceller | None = None) -> None:
        self._device = device
        self._echo = echo
        self._voice: DeviceAudioIn | None = None
        self._stream: _Stream | None = None

    async def open(self, *, on_heard: OnAudio | None = None) -> DeviceAudioIn:
        """Open the device.

        :param on_heard: is told what was recorded, without the echo.

        :raises ConfigError: the package is missing.
        :raises PlayoutError: there is no such device.
        """
        sounddevice = load_sounddevice()
        self._voice = DeviceAudioIn(on_heard=on_heard)
        self._stream = _Stream("microphone", "--input-device", self._voice.end)
        await self._stream.open(
            sounddevice.RawInputStream,
            sample_rate=INPUT_RATE,
            device=_chosen(self._device),
            channels=1,
            callback=self._record,
        )
        return self._voice

    async def wait_over(self) -> None:
        """Wait for ever: who sits there may always say something more."""
        await asyncio.get_running_loop().create_future()

    async def aclose(self) -> None:
        """Close the device."""
        if self._stream is not None:
            await self._stream.aclose()
        if self._voice is not None:
            self._voice.end()

    def _record(self, data: Any, _frames: int, time: Any, _status: Any) -> None:
        """Device's thread: take a block."""
        assert self._voice is not None, "the device was opened with it"
        block, latency = bytes(data), time.currentTime - time.inputBufferAdcTime
        if self._echo is not None:
            block = self._echo.heard(block, latency_seconds=latency)
        with suppress(RuntimeError):  # the loop is closed: nobody listens
            self._voice.give(block, latency_seconds=latency)


class Speaker:
    """This machine's loudspeaker; see ``VoiceSink``.

    :param device: its number, or a part of its name; None for the system's choice.
    :param echo: is told what is played.
    """

    def __init__(self, device: str | None = None, *, echo: EchoCanceller | None = None) -> None:
        self._device = device
        self._echo = echo
        self._sink: DeviceAudioOut | None = None
        self._stream: _Stream | None = None

    async def open(self, *, sample_rate: int, num_channels: int, on_played: OnAudio | None = None) -> DeviceAudioOut:
        """Open the device.

        :raises ConfigError: the package is missing.
        :raises PlayoutError: there is no such device.
        """
        sounddevice = load_sounddevice()
        self._sink = DeviceAudioOut(sample_rate, num_channels, on_played=on_played)
        self._stream = _Stream("loudspeaker", "--output-device", self._sink.lose)
        await self._stream.open(
            sounddevice.RawOutputStream,
            sample_rate=sample_rate,
            device=_chosen(self._device),
            channels=num_channels,
            callback=self._play,
        )
        return self._sink

    async def aclose(self) -> None:
        """Close the device."""
        if self._stream is not None:
            await self._stream.aclose()

    def _play(self, data: Any, frames: int, time: Any, _status: Any) -> None:
        """Device's thread: give a block."""
        assert self._sink is not None, "the device was opened with it"
        latency = time.outputBufferDacTime - time.currentTime
        block = self._sink.take(frames, latency_seconds=latency)
        if self._echo is not None:
            self._echo.played(
                block, sample_rate=self._sink.sample_rate, num_channels=self._sink.num_channels, latency_seconds=latency
            )
        data[:] = block
