"""How transcripts of both sides are shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lk_agents.tokenize import SentenceTokenizer, WordTokenizer, basic

__all__ = ["AgentTranscriptionOptions"]


def _words() -> WordTokenizer:
    return basic.WordTokenizer(ignore_punctuation=False)


@dataclass(frozen=True)
class AgentTranscriptionOptions:
    """How transcripts of both sides are shown.

    :param user_transcription: whether what the user says is shown.
    :param agent_transcription: whether what the agent says is shown.
    :param agent_transcription_speed: how much faster than usual the agent's voice speaks, where nobody tells the times
        of words.
    :param sentence_tokenizer: cuts what the agent says into what is shown as a whole.
    :param word_tokenizer: cuts sentences into what is shown step by step.
    :param hyphenate_word: gives the syllables of a word, by which the speed is estimated.
    """

    user_transcription: bool = True
    agent_transcription: bool = True
    agent_transcription_speed: float = 1.0
    sentence_tokenizer: SentenceTokenizer = field(default_factory=basic.SentenceTokenizer)
    word_tokenizer: WordTokenizer = field(default_factory=_words)
    hyphenate_word: Callable[[str], Sequence[str]] = basic.hyphenate_word
