"""Parrot's server, as far as tests need it: it hears what the kit says, and speaks the wire format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lk_agents.foundation.secret import Secret
from lk_agents.testing.providers import Ear, Heard, Told
from lk_agents.testing.vendor import Answer, Exchange, Script, VendorSocket, reply

QUERY = ("model", "language", "sample_rate")
KINDS = {"start": "speech", "interim": "partial", "final": "final", "end": "silence"}
END = '{"type": "end"}'


def parrot(utterances: Sequence[Heard], key: str) -> Script:
    """Return what Parrot answers to whoever has the key."""

    async def listen(peer: VendorSocket) -> None:
        ear, heard = Ear(utterances, sample_rate=16_000), 0
        async for message in peer:
            if isinstance(message, bytes):
                heard += len(message)
                said = ear.take(message)
            else:
                said = ear.end() if message == END else ear.flush()
            for told in said:
                await peer.send(message_for(told))
            if message == END:
                await peer.send({"type": "done", "id": "P1", "seconds": heard / 2 / 16_000})
                return

    async def recognize(exchange: Exchange) -> Answer:
        ear = Ear(utterances, sample_rate=int(dict(exchange.query)["sample_rate"]))
        said = [*ear.take(exchange.body), *ear.end()]
        words = [word for told in said if told.kind == "final" for word in told.words]
        return reply(message_for(Told("final", words)))

    headers = {"Authorization": Secret(f"Bearer {key}")}
    script = Script().socket("/v1/listen", listen, query=QUERY, headers=headers, repeat=True)
    return script.http("POST", "/v1/recognize", recognize, query=QUERY, headers=headers, repeat=True)


def message_for(told: Told) -> dict[str, Any]:
    """Return the message with which Parrot tells it."""
    if not told.words:
        return {"type": KINDS[told.kind]}
    start, end = told.words[0].start_time, told.words[-1].end_time
    return {"type": KINDS[told.kind], "id": "P1", "text": told.text, "start": start, "end": end, "confidence": 0.9}
