"""What does silero's detector take as each framework's plugin wraps it, for 1, 8 and 32 streams in one process?

lk-agents computes the network with numpy, the older frameworks with the ONNX runtime; all must hear the same
utterances. The streams get their frames in turn, each when the last one is judged: callers do not speak in step. These
are the rows of the promise: they hold the detector alone. Beside that, for one stream, a frame every 32 ms, as in a
call: what waking the process up takes is then in the figure, and the row behind it tells how much that is without a
detector.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from benchmarks.failure import MeasurementError
from benchmarks.program import run_program
from benchmarks.question import Measure, Question, Setting, Share
from benchmarks.speech.silero import WARM_UP
from benchmarks.speech.voices import utterances

FRAMES: Final = {1: 600, 8: 150, 32: 60}
"""How many each of so many streams gets."""
FRAMES_IN_TIME: Final = 75
MOST_PERCENT: Final = 1.3


async def measure(setting: Setting) -> dict[str, float]:
    plan = [(count, setting.effort.of(frames), False) for count, frames in FRAMES.items()]
    plan.append((1, setting.effort.of(FRAMES_IN_TIME), True))
    *told, harness = await run_program(setting.framework, "silero", plan=plan)
    answer = {}
    for (count, frames, in_time), each in zip(plan, told, strict=True):
        check(each, count, frames + WARM_UP)
        answer["silero_in_time" if in_time else f"silero_{count}"] = each["percent"]
    return {**answer, "silero_harness": harness["percent"]}


def check(told: Mapping[str, Any], streams: int, frames: int) -> None:
    """Compare what was judged with what there was to judge.

    :raises MeasurementError: windows are missing, or not each utterance was heard in each stream.
    """
    if (windows := told["inference_done"]) != streams * frames:
        raise MeasurementError(f"{windows} windows were judged instead of {streams * frames}, with {streams} streams")
    if (starts := told["start_of_speech"]) != (due := streams * utterances(frames)):
        raise MeasurementError(f"{starts} utterances were heard instead of {due}, with {streams} streams")


def _measure(count: int) -> Measure:
    title = f"silero's detector, {count} {'stream' if count == 1 else 'streams'}: CPU per stream, of one core"
    return Measure(f"silero_{count}", title, "%", MOST_PERCENT, share=Share(0.4, "livekit-agents 1.8.9"))


QUESTION = Question(
    "CPU time of silero's detector",
    (
        *[_measure(count) for count in FRAMES],
        Measure("silero_in_time", "the same, 1 stream, at a call's pace: with what waking up takes", "%"),
        Measure("silero_harness", "of that, waking up and handing on, without a detector", "%"),
    ),
    measure,
)
