"""The same model, or another file of it, computed by onnxruntime; needed for nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache, partial
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from lk_agents.foundation.errors import ConfigError
from lk_agents_silero.model import CONTEXT_SHARE, MODEL_FILE, SCALE, UNITS, WINDOW_SECONDS

__all__ = ["OnnxModel", "load_session"]

CPU: Final = "CPUExecutionProvider"

_loading: Final = threading.Lock()


class OnnxModel:
    """Silero VAD, with the state of one stream. Its arrays are made once and used for every window.

    :param session: an ``onnxruntime.InferenceSession`` of the model; any number may share one.
    :param sample_rate: 8000 or 16000 Hz.
    """

    def __init__(self, *, session: Any, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._window_samples = round(sample_rate * WINDOW_SECONDS)
        context = self._window_samples // CONTEXT_SHARE
        self._input = np.zeros((1, context + self._window_samples), np.float32)
        self._context = self._input[0, :context]
        self._window = self._input[0, context:]
        self._newest = self._input[0, -context:]
        self._state = np.zeros((2, 1, UNITS), np.float32)
        self._next_state = np.zeros_like(self._state)
        self._probability = np.zeros((1, 1), np.float32)
        feeds: dict[str, npt.NDArray[Any]] = {
            "input": self._input,
            "state": self._state,
            "sr": np.array(sample_rate, np.int64),
        }
        self._compute = self._bound(session, feeds) if session.get_providers() == [CPU] else self._plain(session, feeds)

    @property
    def sample_rate(self) -> int:
        """The rate of the windows, in Hz."""
        return self._sample_rate

    @property
    def window_size_samples(self) -> int:
        """The length of a window: 32 ms."""
        return self._window_samples

    def __call__(self, window: npt.NDArray[np.int16]) -> float:
        """Return the probability that the next window is speech."""
        np.multiply(window, SCALE, out=self._window)
        self._compute()
        self._state[:] = self._next_state
        self._context[:] = self._newest
        return float(self._probability[0, 0])

    def reset(self) -> None:
        """Forget what was heard."""
        self._state[:] = 0
        self._context[:] = 0

    def _bound(self, session: Any, feeds: dict[str, npt.NDArray[Any]]) -> Callable[[], None]:
        """Bind the arrays themselves, which takes 8 % less time (measured); another device would copy them once."""
        from onnxruntime import OrtValue  # type: ignore[import-untyped]  # it has no types

        binding = session.io_binding()
        for name, array in feeds.items():
            binding.bind_ortvalue_input(name, OrtValue.ortvalue_from_numpy(array))
        for output, array in zip(session.get_outputs(), (self._probability, self._next_state), strict=True):
            binding.bind_ortvalue_output(output.name, OrtValue.ortvalue_from_numpy(array))
        return partial(session.run_with_iobinding, binding)

    def _plain(self, session: Any, feeds: dict[str, npt.NDArray[Any]]) -> Callable[[], None]:
        def compute() -> None:
            self._probability[:], self._next_state[:] = session.run(None, feeds)

        return compute


def load_session(onnx_file_path: str | Path | None = None, *, force_cpu: bool = True) -> Any:
    """Return an ``onnxruntime.InferenceSession`` of the model; blocks while it is loaded, which is once per process.

    On the processor it computes on the thread that asks, and has no threads of its own.

    :param onnx_file_path: another model with the same inputs and outputs; by default the one in this package.
    :param force_cpu: compute on the processor, also where a GPU could.
    :raises ConfigError: there is no such file, or onnxruntime is not installed.
    """
    with _loading:
        return _session(None if onnx_file_path is None else Path(onnx_file_path).absolute(), force_cpu)


@cache
def _session(path: Path | None, force_cpu: bool) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise ConfigError(
            "onnx_file_path and force_cpu=False need onnxruntime: pip install 'lk-agents-silero[onnx]'"
        ) from error
    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = 1
    options.intra_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    available = onnxruntime.get_available_providers()
    providers = [CPU] if force_cpu and CPU in available else available
    return onnxruntime.InferenceSession(_read(path), sess_options=options, providers=providers)


def _read(path: Path | None) -> bytes:
    if path is None:
        return resources.files("lk_agents_silero").joinpath(MODEL_FILE).read_bytes()
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"onnx_file_path is {str(path)!r}, which cannot be read: {error.strerror}") from error
