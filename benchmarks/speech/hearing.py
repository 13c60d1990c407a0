"""The audio path of a call: a recogniser's stream, a detector's stream, and a forwarder of transcripts.

Recogniser and detector are written on the interface for plugins that all three frameworks share, and do as good as
nothing: what remains is what the framework itself takes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, Final

from benchmarks.speech.bare_hearing import listen_bare
from benchmarks.speech.dialects import Dialect
from benchmarks.speech.meter import CPUTime, Gate
from benchmarks.speech.voices import FRAME_SECONDS, RATE, SAMPLES, WARM_UP, hum

__all__ = ["FINAL_SECONDS", "SPOKEN_WINDOWS", "run"]

FINAL_SECONDS: Final = 2
"""The recogniser has understood something every so often."""
SPOKEN_WINDOWS: Final = 50
"""The script of the detector: so many windows of speech, so many without, and so on."""


def run(dialect: Dialect, *, frames: int, paces: list[int]) -> dict[str, dict[str, float]]:
    """Measure at each pace, with the framework and bare.

    :param frames: how many are pushed while the clock runs; a multiple of each pace.
    :param paces: how many are pushed before it is waited until both streams are done with them.
    """
    answer = {f"hearing_{at_once}": asyncio.run(_listen(dialect, frames, at_once)) for at_once in paces}
    return answer | {f"bare_{at_once}": asyncio.run(listen_bare(dialect, frames, at_once)) for at_once in paces}


async def _listen(dialect: Dialect, frames: int, at_once: int) -> dict[str, float]:
    gate, seen = Gate(), SimpleNamespace(frames=0, finals=0, windows=0, starts=0, ends=0)
    recogniser, detector = _recogniser(dialect, gate, seen), _detector(dialect)
    room = _NobodysRoom()
    forwarder = dialect.forwarder(room)
    hearing, detecting = recogniser.stream(), detector.stream()
    tasks = [
        asyncio.create_task(_understand(dialect, hearing, forwarder, seen), name="understand"),
        asyncio.create_task(_notice(dialect, detecting, gate, seen), name="notice"),
    ]

    async def push(audio: Sequence[Any]) -> None:
        for start in range(0, len(audio), at_once):
            passed = gate.expect(2 * at_once)
            for frame in audio[start : start + at_once]:
                hearing.push_frame(frame)
                detecting.push_frame(frame)
            await passed

    meter, audio = CPUTime(), hum(WARM_UP + frames)
    await push(audio[:WARM_UP])
    with meter:
        await push(audio[WARM_UP:])
    hearing.end_input()
    detecting.end_input()
    await asyncio.gather(*tasks)
    await forwarder.aclose()
    await hearing.aclose()
    await detecting.aclose()
    seconds = frames * FRAME_SECONDS
    return {"cpu_ms_per_second": meter.seconds * 1000 / seconds, **vars(seen), "shown": room.local_participant.shown}


async def _understand(dialect: Dialect, hearing: Any, forwarder: Any, seen: SimpleNamespace) -> None:
    final = dialect.part("stt").SpeechEventType.FINAL_TRANSCRIPT
    async for event in hearing:
        if event.type == final:
            seen.finals += 1
            await forwarder.show(event)


async def _notice(dialect: Dialect, detecting: Any, gate: Gate, seen: SimpleNamespace) -> None:
    kinds = dialect.part("vad").VADEventType
    async for event in detecting:
        if event.type == kinds.INFERENCE_DONE:
            seen.windows += 1
            gate.arrive()
        elif event.type == kinds.START_OF_SPEECH:
            seen.starts += 1
        elif event.type == kinds.END_OF_SPEECH:
            seen.ends += 1


def _recogniser(dialect: Dialect, gate: Gate, seen: SimpleNamespace) -> Any:
    stt = dialect.part("stt")

    class Stream(stt.RecognizeStream):  # type: ignore[misc, name-defined]
        async def _run(self) -> None:
            samples = told = 0
            async for frame in self._input_ch:
                if isinstance(frame, self._FlushSentinel):
                    continue
                samples += frame.samples_per_channel
                seen.frames += 1
                gate.arrive()
                if samples - told >= FINAL_SECONDS * RATE:
                    said = {"start_time": told / RATE, "end_time": samples / RATE, "confidence": 1.0}
                    told += FINAL_SECONDS * RATE
                    alternative = stt.SpeechData(language="en", text="what somebody says in two seconds", **said)
                    kind = stt.SpeechEventType.FINAL_TRANSCRIPT
                    self._event_ch.send_nowait(stt.SpeechEvent(type=kind, alternatives=[alternative]))

    class Recogniser(stt.STT):  # type: ignore[misc, name-defined]
        async def _recognize_impl(self, *_: Any, **__: Any) -> Any:
            raise NotImplementedError

        def stream(self, **_: Any) -> Any:
            return Stream(stt=self, conn_options=dialect.connect_options())

    return Recogniser(capabilities=stt.STTCapabilities(streaming=True, interim_results=False))


def _detector(dialect: Dialect) -> Any:
    vad = dialect.part("vad")
    kinds = vad.VADEventType

    class Stream(vad.VADStream):  # type: ignore[misc, name-defined]
        async def _main_task(self) -> None:
            windows = 0
            async for frame in self._input_ch:
                if isinstance(frame, self._FlushSentinel):
                    continue
                windows += 1
                at = windows * FRAME_SECONDS
                self._event_ch.send_nowait(
                    vad.VADEvent(kinds.INFERENCE_DONE, windows * SAMPLES, at, 0.0, 0.0, [frame], probability=0.5)
                )
                if windows % SPOKEN_WINDOWS == 0:
                    kind = kinds.START_OF_SPEECH if windows // SPOKEN_WINDOWS % 2 else kinds.END_OF_SPEECH
                    self._event_ch.send_nowait(vad.VADEvent(kind, windows * SAMPLES, at, 0.0, 0.0, [frame]))

    class Detector(vad.VAD):  # type: ignore[misc, name-defined]
        def stream(self) -> Any:
            return Stream(self)

    return Detector(capabilities=vad.VADCapabilities(update_interval=FRAME_SECONDS))


class _Participant:
    """Publishes to nobody, and counts the final transcripts."""

    identity = "agent"

    def __init__(self) -> None:
        self.shown = 0
        self.track_publications: dict[str, Any] = {}

    async def publish_transcription(self, transcription: Any) -> None:
        self.shown += sum(segment.final for segment in transcription.segments)

    async def stream_text(self, *, attributes: dict[str, str], **_: Any) -> _Participant:
        self.shown += attributes.get("lk.transcription_final") == "true"
        return self

    async def write(self, text: str) -> None: ...

    async def aclose(self) -> None: ...


class _NobodysRoom:
    def __init__(self) -> None:
        self.local_participant = _Participant()
        self.remote_participants: dict[str, Any] = {}

    def isconnected(self) -> bool:
        return True

    def on(self, *_: Any) -> None: ...

    off = on
