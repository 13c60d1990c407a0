"""What every conversation needs, loaded together with the agent's class.

A program imports the class before its worker makes processes for jobs. What is loaded then is in the memory of all of
them once; loaded when a conversation begins, it would be in each, and the caller would wait for it.
"""

from __future__ import annotations

from lk_agents.media import room_session
from lk_agents.tokenize import basic
from lk_agents.tokenize.basic import words
from lk_agents.transcription import tts_forwarder

__all__ = ["LOADED"]

basic.hyphenate_word("hyphenation")  # reads its table at the first word

LOADED = (room_session, tts_forwarder, words)
"""The modules."""
