"""What the packages of the speech layer take to import, each in a process of its own, beyond the root package."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from typing import Final

from benchmarks.speech.dialects import Dialect

__all__ = ["run"]

PACKAGES: Final = ("stt", "tts", "llm", "vad", "tokenize", "metrics", "transcription", "turns", "realtime")
HEAVY: Final = (
    *("livekit.rtc", "aiohttp", "numpy", "onnxruntime", "av", "PIL", "pydantic", "httpx", "websockets", "grpc"),
    *("openai", "anthropic", "google.cloud", "google.genai", "deepgram", "cartesia", "elevenlabs", "boto3"),
)
"""Media, codecs, HTTP clients, and what vendors give out."""

CHILD: Final = """
import importlib, json, sys, time
importlib.import_module(sys.argv[1])
began = time.perf_counter()
package = importlib.import_module(sys.argv[2])
took = time.perf_counter() - began
heavy = [name for name in sys.argv[3:] if name in sys.modules]
for name in package.__all__:
    getattr(package, name)
print(json.dumps([took * 1000, (time.perf_counter() - began) * 1000, heavy]))
"""


def run(dialect: Dialect, *, repetitions: int) -> dict[str, object]:
    answer: dict[str, object] = {}
    for package in PACKAGES:
        command = [sys.executable, "-c", CHILD, dialect.package, f"{dialect.package}.{package}", *HEAVY]
        told = [json.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(repetitions)]
        alone, whole, heavy = zip(*told, strict=True)
        answer[package] = {"ms": statistics.median(alone), "whole_ms": statistics.median(whole), "heavy": heavy[0]}
    return answer
