"""Reads the network's weights out of the model's file.

The file is in the ONNX format: protobuf messages, of which this knows the few fields that lead to a constant. So the
weights are there without a runtime for ONNX and without a description of the format.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

import numpy as np
import numpy.typing as npt

from lk_agents.foundation.errors import PluginError
from lk_agents_silero.model import MODEL_FILE, UNITS

__all__ = ["Weights", "load_weights"]

Floats = npt.NDArray[np.float32]

# Fields of the messages, by their numbers.
MODEL_GRAPH, GRAPH_NODE, NODE_OUTPUT, NODE_ATTRIBUTE = 7, 1, 2, 5
ATTRIBUTE_TENSOR, ATTRIBUTE_GRAPH = 5, 6
TENSOR_DIMENSION, TENSOR_TYPE, TENSOR_RAW = 1, 2, 9
FLOAT: Final = 1
VARINT, EIGHT_BYTES, DELIMITED = 0, 1, 2

BRANCH: Final = {16000: "If_0_then_branch__Inline_0__", 8000: "If_0_else_branch__Inline_0__"}
"""The file holds a network for each sample rate; their constants begin so."""
MOST_AT_ONCE: Final = 8192
"""Weights of a matrix that meets a single vector; for larger ones numpy's usual library wakes other threads."""

_loading: Final = threading.Lock()


@dataclass(frozen=True, eq=False)
class Weights:
    """The network for one sample rate, as :class:`Network` computes it; all streams of a process share it.

    Matrices that meet a single vector are cut into blocks of rows, ``[block, row, column]``.

    :param sample_rate: in Hz.
    :param taper: weighs the samples of one spectrum.
    :param wide: the matrices and biases of the two layers that see several moments at once, transposed.
    :param narrow: those of the two layers that see one moment.
    :param gates: of the memory: input, forget, output, and the candidate; for the sound and the output before.
    :param gate_bias: the same, as blocks.
    :param verdict: weighs the memory's output.
    :param verdict_bias: its bias.
    """

    sample_rate: int
    taper: Floats
    wide: tuple[tuple[Floats, Floats], ...]
    narrow: tuple[tuple[Floats, Floats], ...]
    gates: Floats
    gate_bias: Floats
    verdict: Floats
    verdict_bias: float


def load_weights(sample_rate: int) -> Weights:
    """Return the weights for 8000 or 16000 Hz; reads them once in a process.

    :raises PluginError: this package is not installed whole.
    """
    with _loading:
        return _weights(sample_rate)


@cache
def _weights(sample_rate: int) -> Weights:
    try:
        content = resources.files("lk_agents_silero").joinpath(MODEL_FILE).read_bytes()
        return _arranged(sample_rate, dict(_constants(memoryview(content), MODEL_GRAPH)))
    except (OSError, KeyError, IndexError, ValueError) as error:
        raise PluginError(
            f"lk_agents_silero/{MODEL_FILE} is missing or is another model: install lk-agents-silero again, this "
            f"installation is not whole"
        ) from error


def _arranged(sample_rate: int, constants: dict[str, Floats]) -> Weights:
    def named(name: str) -> Floats:
        return constants[BRANCH[sample_rate] + name]

    convolutions = [
        (_unrolled(named(f"encoder.{layer}.reparam_conv.weight")), named(f"encoder.{layer}.reparam_conv.bias"))
        for layer in range(4)
    ]
    gates = np.concatenate([named("decoder.rnn.weight_ih"), named("decoder.rnn.weight_hh")], axis=1)
    bias = named("decoder.rnn.bias_ih") + named("decoder.rnn.bias_hh")
    gates, gate_bias = _in_blocks(_gates_for_tanh(gates), _gates_for_tanh(bias))
    return Weights(
        sample_rate=sample_rate,
        # The file's spectra are sums of cosines and sines under a taper; the cosine of frequency zero is 1.
        taper=named("stft.forward_basis_buffer")[0, 0].copy(),
        wide=tuple((np.ascontiguousarray(matrix.T), bias) for matrix, bias in convolutions[:2]),
        narrow=tuple(_in_blocks(matrix, bias) for matrix, bias in convolutions[2:]),
        gates=gates,
        gate_bias=gate_bias,
        verdict=named("decoder.decoder.2.weight").ravel(),
        verdict_bias=float(named("decoder.decoder.2.bias")[0]),
    )


def _unrolled(kernel: Floats) -> Floats:
    """Return a convolution as a matrix for its input's moments side by side."""
    return np.ascontiguousarray(kernel.transpose(0, 2, 1).reshape(len(kernel), -1))


def _gates_for_tanh(rows: Floats) -> Floats:
    """Bring the gates of a memory cell into the order input, forget, output, candidate, all to be put through tanh.

    The sigmoid of x is (1 + tanh(x / 2)) / 2: the halving within is done here.
    """
    into, forget, candidate, output = (rows[start : start + UNITS] for start in range(0, 4 * UNITS, UNITS))
    half = np.float32(0.5)
    return np.concatenate([into * half, forget * half, output * half, candidate])


def _in_blocks(matrix: Floats, bias: Floats) -> tuple[Floats, Floats]:
    rows, columns = matrix.shape
    blocks = next(count for count in range(math.ceil(matrix.size / MOST_AT_ONCE), rows + 1) if rows % count == 0)
    shape = (blocks, rows // blocks)
    return np.ascontiguousarray(matrix.reshape(*shape, columns)), bias.reshape(shape)


def _constants(holder: memoryview, field: int) -> Iterator[tuple[str, Floats]]:
    """Yield name and numbers of each constant in the graph that is a field of ``holder``, and in the graphs in that."""
    for number, graph in _fields(holder):
        if number == field:
            for kind, node in _fields(graph):
                if kind == GRAPH_NODE:
                    yield from _constants_of_node(node)


def _constants_of_node(node: memoryview) -> Iterator[tuple[str, Floats]]:
    fields = list(_fields(node))
    (name, *_) = (bytes(value).decode() for number, value in fields if number == NODE_OUTPUT)
    for number, attribute in fields:
        if number == NODE_ATTRIBUTE:
            yield from _constants(attribute, ATTRIBUTE_GRAPH)
            for kind, tensor in _fields(attribute):
                if kind == ATTRIBUTE_TENSOR and (numbers := _numbers(tensor)) is not None:
                    yield name, numbers


def _numbers(tensor: memoryview) -> Floats | None:
    """Return a tensor of floats; None for one of other numbers."""
    shape, raw, kind = [], memoryview(b""), 0
    for number, value in _fields(tensor):
        if number == TENSOR_DIMENSION:
            shape.append(_varint(value, 0)[0])
        elif number == TENSOR_TYPE:
            kind = _varint(value, 0)[0]
        elif number == TENSOR_RAW:
            raw = value
    return np.frombuffer(raw, "<f4").reshape(shape) if kind == FLOAT else None


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield number and content of each field of a message."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        start = at
        form = key & 7
        if form == DELIMITED:
            length, start = _varint(message, at)
            at = start + length
        elif form == VARINT:
            _, at = _varint(message, at)
        else:
            at += 8 if form == EIGHT_BYTES else 4
        yield key >> 3, message[start:at]


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Return the integer that begins there, seven bits to a byte, and where it ends."""
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
