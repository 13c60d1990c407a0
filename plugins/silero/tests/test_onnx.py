"""The model as onnxruntime computes it: for another file, or another device than the processor."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime  # type: ignore[import-untyped]  # it has no types
import pytest
from livekit import rtc

import lk_agents_silero
from lk_agents.foundation.errors import ConfigError
from lk_agents.vad.events import VADEventType
from lk_agents_silero.onnx import OnnxModel, load_session
from lk_agents_silero.vad import VAD

PACKAGED = Path(lk_agents_silero.__file__).parent / "data/silero_vad.onnx"


class ElsewhereSession:
    """A session that does not compute on the processor, as far as it says."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def get_providers(self) -> list[str]:
        return ["CUDAExecutionProvider", "CPUExecutionProvider"]

    def run(self, *args: Any) -> Any:
        return self._session.run(*args)


def test_on_another_device_it_judges_the_same(session: Any, voice: Callable[[int], npt.NDArray[np.int16]]) -> None:
    samples = voice(16000)
    windows = [samples[start : start + 512] for start in range(0, len(samples) - 511, 512)]
    here = OnnxModel(session=session, sample_rate=16000)
    elsewhere = OnnxModel(session=ElsewhereSession(session), sample_rate=16000)

    assert [elsewhere(window) for window in windows] == pytest.approx([here(window) for window in windows], abs=1e-6)


async def test_a_session_of_ones_own_or_another_file_will_do(voice: Callable[[int], npt.NDArray[np.int16]]) -> None:
    given = onnxruntime.InferenceSession(PACKAGED, providers=["CPUExecutionProvider"])
    samples = voice(16000)
    for vad in (VAD(session=given, opts=VAD.load().opts), VAD.load(onnx_file_path=PACKAGED), VAD.load(force_cpu=False)):
        async with vad.stream() as stream:
            stream.push_frame(rtc.AudioFrame(samples.tobytes(), 16000, 1, len(samples)))
            stream.end_input()
            kinds = [event.type async for event in stream if event.type != VADEventType.INFERENCE_DONE]

        assert kinds == [VADEventType.START_OF_SPEECH]


def test_a_file_is_loaded_once() -> None:
    assert load_session(PACKAGED) is load_session(str(PACKAGED))
    assert load_session(PACKAGED) is not load_session()


def test_without_being_held_to_the_processor_every_provider_may_be_used() -> None:
    assert load_session(force_cpu=False).get_providers() == onnxruntime.get_available_providers()
    assert load_session().get_providers() == ["CPUExecutionProvider"]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "none.onnx"

    with pytest.raises(ConfigError, match=f"onnx_file_path is {re.escape(repr(str(missing)))}"):
        VAD.load(onnx_file_path=missing)


def test_without_onnxruntime_the_remedy_is_told_where_it_is_needed_and_only_there() -> None:
    code = (
        "import sys; sys.modules['onnxruntime'] = None\n"
        "import lk_agents_silero\n"
        "lk_agents_silero.VAD.load()\n"
        "lk_agents_silero.VAD.load(onnx_file_path='some.onnx')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=False)

    assert "ConfigError: onnx_file_path and force_cpu=False need onnxruntime: pip install" in done.stderr
