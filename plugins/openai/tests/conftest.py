"""No test uses the keys, or the address, of whoever runs it."""

from __future__ import annotations

import os

import pytest

VARIABLES = ("AZURE_OPENAI_", "OPENAI_", "GROQ_API_KEY", "OVHCLOUD_API_KEY")


@pytest.fixture(autouse=True)
def no_key_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(VARIABLES):
            monkeypatch.delenv(name)
