"""The kit for recognisers.

::

    class TestMySTT(STTConformance):
        stream_exchange = ExchangeKind.SOCKET

        @asynccontextmanager
        async def provider(self, case):
            script = Script().socket("/listen", listener(case.utterances), query=None, repeat=True)
            async with case.serve(script) as vendor, MySTT(base_url=vendor.url, api_key=case.secret.reveal()) as stt:
                yield stt
"""

from __future__ import annotations

from lk_agents.testing.conformance.stt_cases import STTCase
from lk_agents.testing.conformance.stt_readers import STTReaderChecks
from lk_agents.testing.conformance.stt_recordings import STTRecordingChecks
from lk_agents.testing.conformance.stt_streams import STTStreamChecks
from lk_agents.testing.conformance.stt_troubles import STTTroubleChecks

__all__ = ["STTCase", "STTConformance"]


class STTConformance(STTRecordingChecks, STTStreamChecks, STTReaderChecks, STTTroubleChecks):
    """What every recogniser must do; a subclass says how one is built, and pytest finds the inherited checks.

    What a recogniser cannot do by its ``capabilities`` is skipped, with the reason.
    """
