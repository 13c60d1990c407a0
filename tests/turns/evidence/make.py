"""Makes the ``windows`` of the recorded evidence anew: sound by the recipe in each file, judged by the silero plugin.

    uv pip install espeakng-loader==0.2.4        # a speech synthesiser that contains no recording of anybody
    python tests/turns/evidence/make.py

Each recipe is a list of parts, one behind the other: ``{"silence": seconds}``; ``{"speak": text, "voice": name,
"speed": words per minute}``; ``{"noise": seconds, "colour": "white" | "brown"}``. ``"db"`` is the peak of a part over
full scale. What lies behind the last part is one second of silence. What a recogniser would make of it, and when, was
written by hand.
"""

from __future__ import annotations

import ctypes
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

RATE = 16000
WINDOW = 512
THRESHOLD = 0.5
QUIET_DB = -70.0
"""A microphone is never wholly silent."""

Sound = npt.NDArray[np.float64]
_RETRIEVAL, _UTF8, _RATE_PARAMETER = 1, 1, 1


class Speaker:
    """The synthesiser, by its C interface."""

    def __init__(self) -> None:
        import espeakng_loader  # type: ignore[import-not-found,unused-ignore]

        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        self.sample_rate = self._library.espeak_Initialize(
            _RETRIEVAL, 0, str(espeakng_loader.get_data_path()).encode(), 0
        )
        callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
        self._parts: list[npt.NDArray[np.int16]] = []
        self._callback = callback(self._take)
        self._library.espeak_SetSynthCallback(self._callback)

    def _take(self, samples: Any, count: int, _: Any) -> int:
        if samples and count:
            self._parts.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    def speak(self, text: str, voice: str, speed: int) -> Sound:
        """Return the text as sound of 16 kHz without silence around it."""
        self._parts.clear()
        self._library.espeak_SetVoiceByName(voice.encode())
        self._library.espeak_SetParameter(_RATE_PARAMETER, speed, 0)
        data = text.encode() + b"\0"
        self._library.espeak_Synth(data, len(data), 0, 0, 0, _UTF8, None, None)
        self._library.espeak_Synchronize()
        raw = np.concatenate(self._parts).astype(np.float64)
        loud = np.flatnonzero(np.abs(raw) > 0.02 * np.abs(raw).max())
        raw = raw[loud[0] : loud[-1] + 1]
        places = np.arange(0, len(raw) - 1, self.sample_rate / RATE)
        return np.interp(places, np.arange(len(raw)), raw)


def part(recipe: dict[str, Any], speaker: Speaker, chance: np.random.Generator) -> Sound:
    """Return one part of a recipe."""
    if "silence" in recipe:
        return np.zeros(round(recipe["silence"] * RATE))
    if "speak" in recipe:
        sound = speaker.speak(recipe["speak"], recipe.get("voice", "en-us"), recipe.get("speed", 150))
    else:
        sound = chance.standard_normal(round(recipe["noise"] * RATE))
        if recipe.get("colour") == "brown":
            sound = np.cumsum(sound)
            sound -= np.linspace(sound[0], sound[-1], len(sound))
        edge = min(len(sound) // 2, RATE // 50)
        sound[:edge] *= np.linspace(0, 1, edge)
        sound[-edge:] *= np.linspace(1, 0, edge)
    peak: float = 10 ** (recipe.get("db", -6) / 20)
    scaled: Sound = sound / np.abs(sound).max() * peak
    return scaled


def windows_of(parts: list[dict[str, Any]], speaker: Speaker) -> Iterator[bool]:
    """Judge a recipe window by window."""
    from lk_agents_silero.network import Network
    from lk_agents_silero.weights import load_weights

    chance = np.random.default_rng(7)
    sound = np.concatenate([part(each, speaker, chance) for each in [*parts, {"silence": 1.0}]])
    sound += chance.standard_normal(len(sound)) * 10 ** (QUIET_DB / 20)
    samples = (np.clip(sound, -1, 1) * 32767).astype(np.int16)
    network = Network(load_weights(RATE))
    for start in range(0, len(samples) - WINDOW + 1, WINDOW):
        yield network(samples[start : start + WINDOW]) >= THRESHOLD


def main() -> None:
    """Write the windows into each file beside this one."""
    speaker = Speaker()
    for path in sorted(Path(__file__).parent.glob("*.json")):
        told = json.loads(path.read_text(encoding="utf-8"))
        told["windows"] = "".join("#" if is_speech else "." for is_speech in windows_of(told["sound"], speaker))
        path.write_text(json.dumps(told, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        print(f"{path.name:32} {told['windows']}")


if __name__ == "__main__":
    main()
