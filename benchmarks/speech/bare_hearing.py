"""The audio path without any framework: what recogniser, detector and event loop of ``hearing`` take by themselves."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from benchmarks.speech.dialects import Dialect
from benchmarks.speech.meter import CPUTime, Gate
from benchmarks.speech.voices import FRAME_SECONDS, SAMPLES, WARM_UP, hum

__all__ = ["listen_bare"]


async def listen_bare(dialect: Dialect, frames: int, at_once: int) -> dict[str, float]:
    """Measure at one pace; see ``hearing.run``."""
    gate, seen, meter, audio = Gate(), SimpleNamespace(frames=0, windows=0), CPUTime(), hum(WARM_UP + frames)
    heard: asyncio.Queue[Any] = asyncio.Queue()
    judged: asyncio.Queue[Any] = asyncio.Queue()
    events: asyncio.Queue[Any] = asyncio.Queue()
    async with asyncio.TaskGroup() as group:
        group.create_task(_recognise(heard, gate, seen), name="recognise")
        group.create_task(_detect(dialect, judged, events), name="detect")
        group.create_task(_notice(events, gate, seen), name="notice")
        for start in range(0, len(audio), at_once):
            if start == WARM_UP:
                meter.__enter__()
            passed = gate.expect(2 * at_once)
            for frame in audio[start : start + at_once]:
                heard.put_nowait(frame)
                judged.put_nowait(frame)
            await passed
        meter.__exit__(None, None, None)
        heard.put_nowait(None)
        judged.put_nowait(None)
    return {"cpu_ms_per_second": meter.seconds * 1000 / (frames * FRAME_SECONDS), **vars(seen)}


async def _recognise(heard: asyncio.Queue[Any], gate: Gate, seen: SimpleNamespace) -> None:
    samples = 0
    while (frame := await heard.get()) is not None:
        samples += frame.samples_per_channel
        seen.frames += 1
        gate.arrive()


async def _detect(dialect: Dialect, judged: asyncio.Queue[Any], events: asyncio.Queue[Any]) -> None:
    vad, windows = dialect.part("vad"), 0
    inference = vad.VADEventType.INFERENCE_DONE
    while (frame := await judged.get()) is not None:
        windows += 1
        event = vad.VADEvent(inference, windows * SAMPLES, windows * FRAME_SECONDS, 0.0, 0.0, [frame], probability=0.5)
        events.put_nowait(event)
    events.put_nowait(None)


async def _notice(events: asyncio.Queue[Any], gate: Gate, seen: SimpleNamespace) -> None:
    while await events.get() is not None:
        seen.windows += 1
        gate.arrive()
