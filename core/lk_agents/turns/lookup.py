"""Turn detectors and interruption strategies by their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lk_agents.hooks.lookup import create_by_name
from lk_agents.hooks.provider_records import InterruptionProvider, TurnDetectorProvider

if TYPE_CHECKING:
    from lk_agents.hooks.registry import PluginRegistry
    from lk_agents.turns.judges import EndOfTurnPredictor, InterruptionStrategy, TurnDetector

__all__ = ["create_interruption", "create_turn_detector"]

_OWN_INTERRUPTIONS: Final = (
    InterruptionProvider("backchannels", build="lk_agents.turns.combinations:words_or_length"),
    InterruptionProvider("min-words", build="lk_agents.turns.strategies:MinWords"),
    InterruptionProvider("speech-length", build="lk_agents.turns.strategies:SpeechLength"),
)


def create_turn_detector(
    spec: str, *, registry: PluginRegistry | None = None, **options: Any
) -> TurnDetector | EndOfTurnPredictor:
    """Build the turn detector that an installed plugin offers.

    :param spec: ``"name"``, or ``"name/model"``.
    :param registry: the plugins to look in; by default those of this process.
    :param options: the detector's own options.
    :raises PluginError: nobody offers it, or two do; the text names what there is.
    :raises ConfigError: an option that it does not know, or a variable that is missing.
    """
    built: TurnDetector | EndOfTurnPredictor = create_by_name(
        TurnDetectorProvider, spec, registry=registry, options=options
    )
    return built


def create_interruption(spec: str, *, registry: PluginRegistry | None = None, **options: Any) -> InterruptionStrategy:
    """Build an interruption strategy: one that an installed plugin offers, or one of the framework's own.

    Those are ``"backchannels"`` (:func:`~lk_agents.turns.words_or_length`), ``"min-words"``
    (:class:`~lk_agents.turns.MinWords`) and ``"speech-length"`` (:class:`~lk_agents.turns.SpeechLength`); the hyphen
    may be an underscore. Otherwise as :func:`create_turn_detector`.
    """
    for own in _OWN_INTERRUPTIONS:
        if spec == own.name.replace("-", "_"):
            spec = own.name
    built: InterruptionStrategy = create_by_name(
        InterruptionProvider, spec, registry=registry, options=options, own=_OWN_INTERRUPTIONS
    )
    return built
