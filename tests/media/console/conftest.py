"""The fake package of devices in the place of the real one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
from tests.media.console import fake_sounddevice


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Let ``import sounddevice`` find the fake; no stream may be left open."""
    monkeypatch.setitem(sys.modules, "sounddevice", fake_sounddevice)
    fake_sounddevice.reset()
    yield fake_sounddevice
    fake_sounddevice.reset()
