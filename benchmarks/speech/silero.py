"""Silero's detector as each framework's plugin wraps it: the same voice in several streams of one process."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from types import SimpleNamespace
from typing import Any, Final

from benchmarks.speech.dialects import Dialect
from benchmarks.speech.meter import CPUTime, Gate
from benchmarks.speech.voices import FRAME_SECONDS, voice

__all__ = ["WARM_UP", "run"]

WARM_UP: Final = 10


def run(dialect: Dialect, *, plan: list[tuple[int, int, bool]]) -> list[dict[str, float]]:
    """Measure each item of a plan.

    :param plan: how many streams; how many frames each of them gets; whether the next frame comes when it is due, as in
        a call, instead of when the last one is judged. Each of those in time is followed by what the same takes without
        any detector.
    """
    return asyncio.run(_all(dialect, plan))


async def _all(dialect: Dialect, plan: list[tuple[int, int, bool]]) -> list[dict[str, float]]:
    detector = dialect.silero()
    told = []
    for count, frames, in_time in plan:
        told.append(await _listen(dialect, [detector.stream() for _ in range(count)], frames, in_time))
        if in_time:
            told.append(await _listen(dialect, [_Nobody(dialect) for _ in range(count)], frames, in_time))
    return told


class _Nobody:
    """Stands where a detector's stream would: says at once that a frame was judged. What is left is the harness."""

    def __init__(self, dialect: Dialect) -> None:
        self._judged = SimpleNamespace(type=dialect.part("vad").VADEventType.INFERENCE_DONE)
        self._events: asyncio.Queue[Any] = asyncio.Queue()

    def push_frame(self, frame: Any) -> None:  # noqa: ARG002  as streams have it
        self._events.put_nowait(self._judged)

    def end_input(self) -> None:
        self._events.put_nowait(None)

    async def aclose(self) -> None:
        pass

    def __aiter__(self) -> _Nobody:
        return self

    async def __anext__(self) -> Any:
        if (event := await self._events.get()) is None:
            raise StopAsyncIteration
        return event


async def _listen(dialect: Dialect, streams: list[Any], frames: int, in_time: bool) -> dict[str, float]:
    gate, seen, audio, meter = Gate(), Counter[str](), voice((WARM_UP + frames) * FRAME_SECONDS), CPUTime()
    tasks = [asyncio.create_task(_notice(dialect, stream, gate, seen), name="notice") for stream in streams]
    for frame in audio[:WARM_UP]:
        await _push(frame, streams, gate)
    with meter:
        due = time.monotonic()
        for frame in audio[WARM_UP:]:
            await _push(frame, streams, gate)
            if in_time:
                due += FRAME_SECONDS
                await asyncio.sleep(due - time.monotonic())
    for stream in streams:
        stream.end_input()
    await asyncio.gather(*tasks)
    for stream in streams:
        await stream.aclose()
    seconds = len(streams) * frames * FRAME_SECONDS
    kinds = ("inference_done", "start_of_speech", "end_of_speech")
    return {"percent": meter.seconds / seconds * 100, **{kind: seen[kind] for kind in kinds}}


async def _push(frame: Any, streams: list[Any], gate: Gate) -> None:
    """Give each stream the frame, one after the other: callers do not speak in step."""
    for stream in streams:
        passed = gate.expect(1)
        stream.push_frame(frame)
        await passed


async def _notice(dialect: Dialect, stream: Any, gate: Gate, seen: Counter[str]) -> None:
    inference = dialect.part("vad").VADEventType.INFERENCE_DONE
    async for event in stream:
        seen[event.type.value] += 1
        if event.type == inference:
            gate.arrive()
