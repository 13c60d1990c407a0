"""How conversations are named, and the files in which they are recorded."""

from __future__ import annotations

from typing import Final

__all__ = ["SESSION_PREFIX", "recording_name"]

SESSION_PREFIX: Final = "VS_"
"""What the id of every conversation begins with."""


def recording_name(session: str) -> str:
    """Return the name of the file in which a conversation is recorded that is given none.

    :param session: the id of the conversation.
    """
    return f"{session}.turns.jsonl"
