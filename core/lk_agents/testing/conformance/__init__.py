"""Tests that every implementation of an interface must pass, as pytest classes to derive from.

A subclass names what is to be tested, and pytest finds the inherited tests::

    from lk_agents.testing.conformance.vad import VADConformance


    class TestMyVAD(VADConformance):
        @asynccontextmanager
        async def provider(self):
            yield MyVAD()

There are kits for recognisers (``stt``), synthesizers (``tts``), language models (``llm``), detectors of voice activity
(``vad``), speech-to-speech models (``realtime``), for plugins as packages (``plugin``) and for executors of jobs
(``executor``).
"""
