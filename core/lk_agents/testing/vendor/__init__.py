"""Scripted vendors: servers on 127.0.0.1 that answer as they are told, fail as they are told, and keep a journal.

For the tests of a plugin that speaks HTTP, server-sent events or WebSocket::

    script = Script()
    script.socket("/v1/listen", conversation(HearUntil({"type": "CloseStream"}), Say({"type": "Results"}), Close()))
    async with VendorServer(script, fault=Fault(kind=FaultKind.CLOSE, at=1, code=1011, times=1)) as vendor:
        ...  # let the plugin talk to vendor.ws_url
    assert len(vendor.journal) == 2

Everything is strict: a request, a query key or a message that the script does not expect, and whatever of the script
was not used, is an error at the end of the block, with the journal in its text. The servers run in real time: give the
plugin time-outs of tenths of a second, and no test has to sleep.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_agents.testing.vendor.faults import FAULTS, ExchangeKind, Fault, FaultKind, faults_for
    from lk_agents.testing.vendor.journal import Exchange, Frame, Journal
    from lk_agents.testing.vendor.peer import PeerGoneError, VendorSocket
    from lk_agents.testing.vendor.script import (
        Answer,
        Close,
        Conversation,
        Hear,
        HearUntil,
        Pause,
        Say,
        Script,
        Stay,
        chunks,
        conversation,
        events,
        reply,
    )
    from lk_agents.testing.vendor.server import VendorError, VendorServer

__all__ = [
    "FAULTS",
    "Answer",
    "Close",
    "Conversation",
    "Exchange",
    "ExchangeKind",
    "Fault",
    "FaultKind",
    "Frame",
    "Hear",
    "HearUntil",
    "Journal",
    "Pause",
    "PeerGoneError",
    "Say",
    "Script",
    "Stay",
    "VendorError",
    "VendorServer",
    "VendorSocket",
    "chunks",
    "conversation",
    "events",
    "faults_for",
    "reply",
]

_NAMES = {
    "faults": ("FAULTS", "ExchangeKind", "Fault", "FaultKind", "faults_for"),
    "journal": ("Exchange", "Frame", "Journal"),
    "script": (
        "Answer",
        "Close",
        "Conversation",
        "Hear",
        "HearUntil",
        "Pause",
        "Say",
        "Script",
        "Stay",
        "chunks",
        "conversation",
        "events",
        "reply",
    ),
    "server": ("VendorError", "VendorServer"),
    "peer": ("PeerGoneError", "VendorSocket"),
}


def __getattr__(name: str) -> Any:
    from lk_agents.foundation.lazy import load_name

    return load_name(__name__, name, _NAMES)


def __dir__() -> list[str]:
    return sorted(__all__)
