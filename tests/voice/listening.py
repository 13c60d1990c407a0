"""Hearing for tests: the user speaks into microphones in memory, and everything that is told is written down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Self, TypeVar

from lk_agents.foundation import clock
from lk_agents.foundation.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions
from lk_agents.media.inputs import AudioInputs
from lk_agents.stt import STT, RecognizeStream, SpeechData, SpeechEvent, SpeechEventType, STTCapabilities
from lk_agents.testing.audio import MemoryAudioIn
from lk_agents.testing.providers import Heard, ScriptedVAD
from lk_agents.testing.providers.speech import voice
from lk_agents.utils.audio import AudioBuffer
from lk_agents.vad import VAD
from lk_agents.voice import signals as s
from lk_agents.voice.hearing import Hearing, HearingOptions, HearingStage

T = TypeVar("T")

ONCE = APIConnectOptions(max_retry=0, timeout=2.0)
HELLO = Heard("hello there", 1.0, 2.0)


class Listening:
    """One hearing, from its first input to its end; use it as a context manager.

    :param stt: what it is given to understand.
    :param options: of the hearing.
    """

    def __init__(self, stt: STT[Any], *, vad: VAD | None = None, **options: Any) -> None:
        self.vad = vad or ScriptedVAD()
        self.posted: list[s.Input] = []
        """Everything that was posted, in order."""
        self.then: Callable[[s.Input], None] = lambda _: None
        """What happens when something is posted."""
        self.errors: list[tuple[float, HearingStage, Exception]] = []
        self.vad_events: list[Any] = []
        self.speech_events: list[tuple[SpeechEvent, int]] = []
        self.inputs = AudioInputs()
        self.hearing = Hearing(
            vad=self.vad,
            stt=stt,
            post=self.post,
            options=HearingOptions(**({"conn_options": ONCE} | options)),
            on_error=lambda stage, error: self.errors.append((clock.monotonic(), stage, error)),
            on_vad_event=self.vad_events.append,
            on_speech_event=lambda event, key: self.speech_events.append((event, key)),
        )
        self.task: asyncio.Task[None] | None = None

    def post(self, event: s.Input) -> None:
        self.posted.append(event)
        self.then(event)

    async def __aenter__(self) -> Self:
        self.task = asyncio.create_task(self.hearing.run(self.inputs), name="test-hearing")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.hearing.aclose()
        await self.inputs.aclose()
        if self.task is not None:
            await asyncio.wait([self.task])

    def open(self, *, sample_rate: int = 16_000, num_channels: int = 1) -> MemoryAudioIn:
        """Give a microphone, in place of the one there is."""
        microphone = MemoryAudioIn(sample_rate=sample_rate, num_channels=num_channels)
        self.inputs.switch(microphone)
        return microphone

    def say(self, script: Sequence[Heard], seconds: float, *, frame_seconds: float = 0.032) -> MemoryAudioIn:
        """Let the user speak from now on, into a new microphone."""
        microphone = self.open()
        microphone.feed(voice(script, seconds, frame_seconds=frame_seconds))
        return microphone

    def of(self, kind: type[T]) -> list[T]:
        """Return what was posted of a kind."""
        return [each for each in self.posted if isinstance(each, kind)]

    def kinds(self, *left_out: type) -> list[str]:
        """Return the names of what was posted, in order, without windows and the like."""
        return [type(each).__name__ for each in self.posted if not isinstance(each, (s.VoiceWindow, *left_out))]

    def texts(self) -> list[tuple[int, str]]:
        """Return keys and texts of the finals."""
        return [(each.key, each.text) for each in self.of(s.Final)]


class DictatedSTT(STT[Any]):
    """A recogniser whose stream tells what the test lets it tell."""

    def __init__(self, *, end_of_turn: bool = True) -> None:
        super().__init__(capabilities=STTCapabilities(streaming=True, interim_results=True, end_of_turn=end_of_turn))
        self.news: asyncio.Queue[SpeechEvent] = asyncio.Queue()

    def tell(self, kind: SpeechEventType, *texts: str) -> None:
        self.news.put_nowait(SpeechEvent(kind, alternatives=[SpeechData("en", text) for text in texts]))

    def stream(
        self, *, language: str | None = None, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> RecognizeStream:
        return _DictatedStream(self, conn_options)

    async def _recognize_impl(
        self, buffer: AudioBuffer, *, language: str | None, conn_options: APIConnectOptions
    ) -> SpeechEvent:
        raise NotImplementedError


class _DictatedStream(RecognizeStream):
    def __init__(self, stt: DictatedSTT, conn_options: APIConnectOptions) -> None:
        super().__init__(stt=stt, conn_options=conn_options)
        self._news = stt.news

    async def _run(self) -> None:
        while True:
            self._event_ch.send_nowait(await self._news.get())
