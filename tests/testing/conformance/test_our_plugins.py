"""Our own plugins pass the kit for packages."""

from __future__ import annotations

import pytest

from lk_agents.testing.conformance.plugin import PluginConformance

pytestmark = pytest.mark.e2e  # each plugin is loaded in a process of its own


class TestServer(PluginConformance):
    distribution = "lk-agents-server"


class TestSilero(PluginConformance):
    distribution = "lk-agents-silero"


class TestDeepgram(PluginConformance):
    distribution = "lk-agents-deepgram"


class TestOpenAI(PluginConformance):
    distribution = "lk-agents-openai"
