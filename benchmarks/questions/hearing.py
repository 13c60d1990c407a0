"""What does a framework take to bring a caller's audio to a recogniser and a detector, and the transcripts to a room?

Ten minutes of audio in frames of 32 ms, through a stream of speech to text, a stream of voice detection and a forwarder
of transcripts. Recogniser and detector do as good as nothing and are the same code everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from benchmarks.failure import MeasurementError
from benchmarks.program import run_program
from benchmarks.question import Measure, Question, Setting, Share
from benchmarks.speech.hearing import FINAL_SECONDS, SPOKEN_WINDOWS
from benchmarks.speech.voices import FRAME_SECONDS, WARM_UP

FRAMES: Final = 18_750
"""Ten minutes."""
AT_ONCE: Final = 25
"""0.8 s: more than that ahead is not needed to keep everybody busy, and nobody drops it."""


async def measure(setting: Setting) -> dict[str, float]:
    frames = setting.effort.of(FRAMES // AT_ONCE) * AT_ONCE
    told = await run_program(setting.framework, "hearing", frames=frames, paces=[AT_ONCE, 1])
    answer = {}
    for suffix, at_once in (("", AT_ONCE), ("_in_step", 1)):
        whole, bare = told[f"hearing_{at_once}"], told[f"bare_{at_once}"]
        check(whole, frames + WARM_UP)
        check_bare(bare, frames + WARM_UP)
        answer[f"hearing{suffix}"] = whole["cpu_ms_per_second"]
        answer[f"hearing{suffix}_bare"] = bare["cpu_ms_per_second"]
    return answer


def check_bare(told: Mapping[str, Any], frames: int) -> None:
    """Compare what was done without a framework with what there was to do.

    :raises MeasurementError: something was left out, or done twice.
    """
    if (found := (told["frames"], told["windows"])) != (frames, frames):
        raise MeasurementError(f"of {frames} frames, without a framework, {found} were heard and judged")


def check(told: Mapping[str, Any], frames: int) -> None:
    """Compare what was done with what there was to do.

    :raises MeasurementError: something was left out, or done twice.
    """
    finals = int(frames * FRAME_SECONDS / FINAL_SECONDS)
    turns = frames // SPOKEN_WINDOWS
    due = {"frames": frames, "windows": frames, "finals": finals, "shown": finals}
    due |= {"starts": (turns + 1) // 2, "ends": turns // 2}
    if wrong := {name: told[name] for name, count in due.items() if told[name] != count}:
        raise MeasurementError(f"of {due} there was {wrong}")


QUESTION = Question(
    "CPU time of the audio path",
    (
        Measure(
            "hearing",
            "audio path (STT stream, VAD stream, transcripts), as fast as it goes: CPU per second of audio",
            "ms",
            share=Share(0.5, "livekit-agents 1.8.9"),
        ),
        Measure("hearing_bare", "of this, what the test itself takes: the same without any framework", "ms"),
        Measure("hearing_in_step", "the audio path, one frame at a time, as in a call", "ms"),
        Measure("hearing_in_step_bare", "of this, what the test itself takes", "ms"),
    ),
    measure,
)
