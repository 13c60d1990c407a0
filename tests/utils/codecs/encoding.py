"""Compressed audio for tests, made on the spot."""

import io
import math
from array import array

import av
import numpy as np
from av.audio.stream import AudioStream


def encoded(container: str, codec: str, *, rate: int, seconds: float = 1.0, channels: int = 1) -> bytes:
    """Return a tone of 440 Hz in a container; the right one of two channels is silent."""
    count = round(seconds * rate)
    wave = array("h", (round(10000 * math.sin(2 * math.pi * 440 * n / rate)) for n in range(count)))
    samples = np.zeros((count, channels), dtype=np.int16)
    samples[:, 0] = wave
    layout = "mono" if channels == 1 else "stereo"
    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout=layout)
    frame.sample_rate = rate
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, layout=layout)
        assert isinstance(stream, AudioStream)
        for part in (frame, None):
            for packet in stream.encode(part):
                output.mux(packet)
    return file.getvalue()
