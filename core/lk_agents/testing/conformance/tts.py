"""The kit for synthesizers.

::

    class TestMyTTS(TTSConformance):
        exchange = ExchangeKind.CHUNKS

        @asynccontextmanager
        async def provider(self, case):
            script = Script().http("POST", "/speak", speak, repeat=True)
            async with case.serve(script) as vendor, MyTTS(base_url=vendor.url, api_key=case.secret.reveal()) as tts:
                yield tts
"""

from __future__ import annotations

from lk_agents.testing.conformance.tts_cases import TTSCase
from lk_agents.testing.conformance.tts_streams import TTSStreamChecks
from lk_agents.testing.conformance.tts_texts import TTSTextChecks
from lk_agents.testing.conformance.tts_troubles import TTSTroubleChecks

__all__ = ["TTSCase", "TTSConformance"]


class TTSConformance(TTSTextChecks, TTSStreamChecks, TTSTroubleChecks):
    """What every synthesizer must do; a subclass says how one is built, and pytest finds the inherited checks.

    What a synthesizer cannot do by its ``capabilities`` is skipped, with the reason.
    """
