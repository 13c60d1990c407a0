"""What the frameworks say in different words. All that is not here is the same in all three."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Final, Protocol

__all__ = ["DIALECTS", "Dialect", "Forwarder"]

CALLER: Final = "caller"
TRACK: Final = "TR_caller"


class Forwarder(Protocol):
    """Shows in a room what a recogniser has understood."""

    async def show(self, event: Any) -> None:
        """Show a final transcript."""
        ...

    async def aclose(self) -> None:
        """Return when everything is shown."""
        ...


class Dialect:
    """One framework's words; these are the ones that two of them share.

    :param package: what its users import.
    """

    package = "livekit.agents"

    def part(self, name: str) -> Any:
        """Return a module of the framework."""
        return importlib.import_module(f"{self.package}.{name}")

    def connect_options(self) -> Any:
        """Return how often and how patiently a provider is asked."""
        return importlib.import_module(self.package).APIConnectOptions()

    def silero(self) -> Any:
        """Return a detector as its plugin makes it by default."""
        return importlib.import_module("livekit.plugins.silero").VAD.load()

    def sentences(self) -> Any:
        """Return the sentence tokenizer that text to speech gets by default."""
        return self.part("tokenize").basic.SentenceTokenizer()

    def append(self, context: Any, role: str, text: str) -> None:
        """Append a message to a chat context."""
        context.append(text=text, role=role)

    def messages(self, context: Any) -> Any:
        """Return the messages of a chat context."""
        return context.messages

    def forwarder(self, room: Any) -> Forwarder:
        """Return what shows the caller's words in a room."""
        transcription = self.part("transcription")
        return _Segments(transcription.STTSegmentsForwarder(room=room, participant=CALLER, track=TRACK))


class _LkAgents(Dialect):
    package = "lk_agents"

    def silero(self) -> Any:
        return importlib.import_module("lk_agents_silero").VAD.load()


class _LivekitAgents1(Dialect):
    def sentences(self) -> Any:
        return self.part("tokenize").blingfire.SentenceTokenizer(retain_format=True)

    def append(self, context: Any, role: str, text: str) -> None:
        context.add_message(role=role, content=text)

    def messages(self, context: Any) -> Any:
        return context.items

    def forwarder(self, room: Any) -> Forwarder:
        # It has no public one left: this is what its sessions use for what the user said.
        output = self.part("voice.room_io._output")._ParticipantTranscriptionOutput  # noqa: SLF001
        return _TextOutput(output(room=room, is_delta_stream=False, participant=CALLER, track=TRACK))


class _Segments:
    def __init__(self, forwarder: Any) -> None:
        self._forwarder = forwarder

    async def show(self, event: Any) -> None:
        self._forwarder.update(event)

    async def aclose(self) -> None:
        await self._forwarder.aclose()


class _TextOutput:
    def __init__(self, output: Any) -> None:
        self._output = output

    async def show(self, event: Any) -> None:
        await self._output.capture_text(event.alternatives[0].text)
        self._output.flush()

    async def aclose(self) -> None:
        await self._output.aclose()


DIALECTS: Final[dict[str, Callable[[], Dialect]]] = {
    "lk_agents": _LkAgents,
    "livekit_agents_0": Dialect,
    "livekit_agents_1": _LivekitAgents1,
}
