"""Audio that comes in writes of 20 ms at 48 kHz, cut into frames of the usual length, 100 ms."""

from __future__ import annotations

from typing import Final

from benchmarks.speech.dialects import Dialect
from benchmarks.speech.meter import CPUTime

__all__ = ["WRITES_IN_A_FRAME", "WRITE_BYTES", "run"]

RATE: Final = 48_000
WRITE_BYTES: Final = RATE // 50 * 2
WRITES_IN_A_FRAME: Final = 5


def run(dialect: Dialect, *, writes: int) -> dict[str, float]:
    make = dialect.part("utils").audio.AudioByteStream
    content = [bytes([number]) * WRITE_BYTES for number in range(WRITES_IN_A_FRAME)]
    stream, meter, frames, last = make(RATE, 1), CPUTime(), 0, None
    with meter:
        for _ in range(writes // WRITES_IN_A_FRAME):
            for data in content:
                for frame in stream.write(data):
                    frames += 1
                    last = frame
    whole = last is not None and bytes(memoryview(last.data).cast("B")) == b"".join(content)
    return {"seconds_per_gb": meter.seconds / (writes * WRITE_BYTES) * 1e9, "frames": frames, "whole": whole}
