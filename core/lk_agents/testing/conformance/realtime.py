"""The kit for speech-to-speech models.

::

    class TestMyRealtime(RealtimeConformance):
        stream_exchange = ExchangeKind.SOCKET

        @asynccontextmanager
        async def provider(self, case):
            script = Script().socket("/realtime", speaking_as(case), repeat=True)
            async with case.serve(script) as vendor:
                model = MyRealtime(base_url=vendor.url, api_key=case.secret.reveal(), server_vad=case.server_vad)
                yield model
                await model.aclose()
"""

from __future__ import annotations

from lk_agents.testing.conformance.realtime_cases import RealtimeCase
from lk_agents.testing.conformance.realtime_conversation import RealtimeConversationChecks
from lk_agents.testing.conformance.realtime_functions import RealtimeFunctionChecks
from lk_agents.testing.conformance.realtime_responses import RealtimeResponseChecks
from lk_agents.testing.conformance.realtime_troubles import RealtimeTroubleChecks

__all__ = ["RealtimeCase", "RealtimeConformance"]


class RealtimeConformance(
    RealtimeResponseChecks, RealtimeConversationChecks, RealtimeFunctionChecks, RealtimeTroubleChecks
):
    """What every speech-to-speech model must do; a subclass says how one is built, and pytest finds the checks."""
