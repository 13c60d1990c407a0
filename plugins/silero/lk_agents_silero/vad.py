"""The detector and its streams."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any
from weakref import WeakSet

from lk_agents.foundation.types import NOT_GIVEN, NotGivenOr
from lk_agents.vad import detector
from lk_agents.vad.events import VADCapabilities
from lk_agents_silero.model import WINDOW_SECONDS, Model
from lk_agents_silero.network import Network
from lk_agents_silero.onnx import OnnxModel, load_session
from lk_agents_silero.options import VADOptions
from lk_agents_silero.stream import VADStream
from lk_agents_silero.weights import Weights, load_weights

__all__ = ["VAD", "VADStream"]


class VAD(detector.VAD):
    """Silero VAD. Make it with :meth:`load`; all of its streams, and all detectors of a process, share the model.

    :param session: the network's weights, or an ``onnxruntime.InferenceSession`` of the model.
    :param opts: what counts as speech.
    """

    def __init__(self, *, session: Any, opts: VADOptions) -> None:
        super().__init__(capabilities=VADCapabilities(update_interval=WINDOW_SECONDS))
        self._session = session
        self._opts = opts
        self._streams: WeakSet[VADStream] = WeakSet()

    @classmethod
    def load(
        cls,
        *,
        min_speech_duration: float = 0.05,
        min_silence_duration: float = 0.55,
        prefix_padding_duration: float = 0.5,
        max_buffered_speech: float = 60.0,
        activation_threshold: float = 0.5,
        sample_rate: int = 16000,
        force_cpu: bool = True,
        padding_duration: float | None = None,
        deactivation_threshold: float | None = None,
        onnx_file_path: str | Path | None = None,
    ) -> VAD:
        """Load the model, once in a process, and return a detector. Blocks: call it in the worker's ``prewarm_fnc``.

        :param min_speech_duration: seconds of speech before it counts as begun.
        :param min_silence_duration: seconds of silence before the speech counts as ended.
        :param prefix_padding_duration: seconds of audio from before the speech that are kept with it.
        :param max_buffered_speech: seconds of one utterance that are kept; the padding comes on top.
        :param activation_threshold: from which probability on a window is speech, 0 to 1.
        :param sample_rate: of the model, 8000 or 16000 Hz. Audio of any rate can be pushed; 8000 costs as much.
        :param force_cpu: compute on the processor. False: leave it to onnxruntime, which may use a GPU.
        :param padding_duration: the old name of ``prefix_padding_duration``; goes before it.
        :param deactivation_threshold: from which probability on a window is speech while somebody speaks; None for the
            activation threshold.
        :param onnx_file_path: another model with the same inputs and outputs, for onnxruntime.
        :raises ConfigError: a value is out of its range, the file cannot be read, or onnxruntime is not installed.
        :raises PluginError: this package is not installed whole.
        """
        if padding_duration is not None:
            warnings.warn(
                "padding_duration is an old name: write prefix_padding_duration", DeprecationWarning, stacklevel=2
            )
            prefix_padding_duration = padding_duration
        opts = VADOptions(
            min_speech_duration=min_speech_duration,
            min_silence_duration=min_silence_duration,
            prefix_padding_duration=prefix_padding_duration,
            max_buffered_speech=max_buffered_speech,
            activation_threshold=activation_threshold,
            deactivation_threshold=deactivation_threshold,
            sample_rate=sample_rate,
        )
        if onnx_file_path is None and force_cpu:
            return cls(session=load_weights(sample_rate), opts=opts)
        return cls(session=load_session(onnx_file_path, force_cpu=force_cpu), opts=opts)

    @property
    def opts(self) -> VADOptions:
        """What counts as speech."""
        return self._opts

    @property
    def min_silence_duration(self) -> float:
        """How many seconds it must be silent before speech counts as ended."""
        return self._opts.min_silence_duration

    def stream(self) -> VADStream:
        """Begin to listen; needs a running event loop. Any number of streams may run at the same time."""
        stream = VADStream(self, self._opts, self._new_model())
        self._streams.add(stream)
        return stream

    def _new_model(self) -> Model:
        if isinstance(self._session, Weights):
            return Network(self._session)
        return OnnxModel(session=self._session, sample_rate=self._opts.sample_rate)

    def update_options(
        self,
        *,
        min_speech_duration: NotGivenOr[float | None] = NOT_GIVEN,
        min_silence_duration: NotGivenOr[float | None] = NOT_GIVEN,
        prefix_padding_duration: NotGivenOr[float | None] = NOT_GIVEN,
        max_buffered_speech: NotGivenOr[float | None] = NOT_GIVEN,
        activation_threshold: NotGivenOr[float | None] = NOT_GIVEN,
        deactivation_threshold: NotGivenOr[float | None] = NOT_GIVEN,
    ) -> None:
        """Change what is given, here and for all streams that listen; 0 is a value, None changes nothing.

        :param deactivation_threshold: None, if given, stands for the activation threshold.
        :raises ConfigError: a value is out of its range; then nothing has changed.
        """
        changes = {
            "min_speech_duration": min_speech_duration,
            "min_silence_duration": min_silence_duration,
            "prefix_padding_duration": prefix_padding_duration,
            "max_buffered_speech": max_buffered_speech,
            "activation_threshold": activation_threshold,
            "deactivation_threshold": deactivation_threshold,
        }
        opts = self._opts.changed(**changes)
        of_streams = [(stream, stream.opts.changed(**changes)) for stream in self._streams]
        self._opts = opts
        for stream, changed in of_streams:
            stream.opts = changed
