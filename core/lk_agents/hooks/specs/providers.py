"""The hooks by which plugins offer what users build by name: ``stt.create("acme/fast")`` and its likes.

They have the same rules. Names belong to one kind, so a plugin may offer ``acme`` as several kinds. Two plugins with
the same name of one kind are an error when somebody asks for that name; it names both.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lk_agents.hooks.markers import Scope, hookspec

if TYPE_CHECKING:
    from lk_agents.hooks.provider_records import (
        InterruptionProvider,
        LLMProvider,
        RealtimeProvider,
        STTProvider,
        TokenizerProvider,
        TTSProvider,
        TurnDetectorProvider,
        VADProvider,
    )


@hookspec(scope=Scope.INSTALLED)
def lk_agents_register_stt() -> Iterable[STTProvider]:
    """Offer speech-to-text engines for ``stt.create()``.

    Each record names one and how to build it. Called once, at the first look-up, for each installed plugin, used or
    not: open no connections, read no credentials and import nothing heavy here. ``build`` may be the place of a class
    or function, which is imported when somebody asks for this very name; its parameters are the options users have.

    Example::

        @lk_agents.hookimpl
        def lk_agents_register_stt() -> Iterable[STTProvider]:
            yield STTProvider("acme", build="lk_agents_acme.stt:STT", requires_env=("ACME_API_KEY",))

    :returns: the engines; an empty iterable for none.

    Errors: logged with the plugin's name; what it offers is left out, and a look-up that finds nothing says so.

    Called in: any process, at the first look-up. For: every installed plugin. Since: 0.1.
    """
    return ()


@hookspec(scope=Scope.INSTALLED)
def lk_agents_register_tts() -> Iterable[TTSProvider]:
    """Offer text-to-speech engines for ``tts.create()``; see ``lk_agents_register_stt`` for the rules.

    Example::

        @lk_agents.hookimpl
        def lk_agents_register_tts() -> Iterable[TTSProvider]:
            yield TTSProvider("acme", build="lk_agents_acme.tts:TTS", requires_env=("ACME_API_KEY",))

    :returns: the engines; an empty iterable for none.

    Errors: logged with the plugin's name; what it offers is left out, and a look-up that finds nothing says so.

    Called in: any process, at the first look-up. For: every installed plugin. Since: 0.1.
    """
    return ()


@hookspec(scope=Scope.INSTALLED)
def lk_agents_register_llm() -> Iterable[LLMProvider]:
    """Offer language models for ``llm.create()``; see ``lk_agents_register_stt`` for the rules.

    One record stands for a service with all its models: users choose one by ``"acme/large"`` or ``model=``, and
    everything behind the first slash is the model.

    Example::

        @lk_agents.hookimpl
        def lk_agents_register_llm() -> Iterable[LLMProvider]:
            yield LLMProvider("acme", build="lk_agents_acme.llm:LLM", requires_env=("ACME_API_KEY",))

    :returns: the services; an empty iterable for none.

    Errors: logged with the plugin's name; what it offers is left out, and a look-up that finds nothing says so.

    Called in: any process, at the first look-up. For: every installed plugin. Since: 0.1.
    """
    return ()


@hookspec(scope=Scope.INSTALLED)
def lk_agents_register_vad() -> Iterable[VADProvider]:
    """Offer voice activity detectors for ``vad.create()``; see ``lk_agents_register_stt`` for the rules.

    ``build`` may take long, since it may load a model; users build the detector in their prewarm function.

    Example::

        @lk_agents.hookimpl
        def lk_agents_register_vad() -> Iterable[VADProvider]:
            yield VADProvider("acme", build="lk_agents_acme.vad:VAD.load")

    :returns: the detectors; an empty iterable for none.

    Errors: logged with the plugin's name; what it offers is left out, and a look-up that finds nothing says so.

    Called in: any process, at the first look-up. For: every installed plugin. Since: 0.1.
    """
    return ()


@hookspec(scope=Scope.INSTALLED)
def lk_agents_register_realtime() -> Iterable[RealtimeProvider]:
    """Offer speech-to-speech models for ``realtime.create()``; see ``lk_agents_register_stt`` for the rules.

    Example::

        @lk_agents.hookimpl
        def lk_agents_register_realtime() -> Iterable[RealtimeProvider]:
            yield RealtimeProvider("acme", build="lk_agents_acme.realtime:Model", requires_env=("ACME_API_KEY",))

    :returns: the services; an empty iterable for none.

    Errors: logged with the plugin's name; what it offers is left out, and a look-up that finds nothing says so.

    Called in: any process, at the first look-up. For: every installed plugin. Since: 0.1.
    """
    return ()


@hookspec(scope=Scope.INSTALLED)
def lk_agents_register_tokenizer() -> Iterable[TokenizerProvider]:
    """Offer splitters of text into sentences for ``tokenize.create()``; see ``lk_agents_register_stt`` for the rules.

    Example::

        @lk_agents.hookimpl
        def lk_agents_register_tokenizer() -> Iterable[TokenizerProvider]:
            yield TokenizerProvider("acme", build="lk_agents_acme.tokenize:SentenceTokenizer")

    :returns: the tokenizers; an empty iterable for none.

    Errors: logged with the plugin's name; what it offers is left out, and a look-up that finds nothing says so.

    Called in: any process, at the first look-up. For: every installed plugin. Since: 0.1.
    """
    return ()


@hookspec(scope=Scope.INSTALLED)
def lk_agents_register_turn_detector() -> Iterable[TurnDetectorProvider]:
    """Offer detectors of the end of the user's turn for ``turns.create_turn_detector()``.

    They follow the rules of ``lk_agents_register_stt``.

    Example::

        @lk_agents.hookimpl
        def lk_agents_register_turn_detector() -> Iterable[TurnDetectorProvider]:
            yield TurnDetectorProvider("acme", build="lk_agents_acme.turns:Detector")

    :returns: the detectors; an empty iterable for none.

    Errors: logged with the plugin's name; what it offers is left out, and a look-up that finds nothing says so.

    Called in: any process, at the first look-up. For: every installed plugin. Since: 0.1.
    """
    return ()


@hookspec(scope=Scope.INSTALLED)
def lk_agents_register_interruption() -> Iterable[InterruptionProvider]:
    """Offer strategies that decide whether the user interrupts the agent, for ``turns.create_interruption()``.

    They follow the rules of ``lk_agents_register_stt``.

    Example::

        @lk_agents.hookimpl
        def lk_agents_register_interruption() -> Iterable[InterruptionProvider]:
            yield InterruptionProvider("acme", build="lk_agents_acme.turns:Strategy")

    :returns: the strategies; an empty iterable for none.

    Errors: logged with the plugin's name; what it offers is left out, and a look-up that finds nothing says so.

    Called in: any process, at the first look-up. For: every installed plugin. Since: 0.1.
    """
    return ()
