"""The inside of the inference process: builds the runners, then answers one request at a time in a thread."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Mapping
from typing import Any, Final

from lk_agents.foundation.errors import ProtocolError
from lk_agents.ipc.messages import (
    FromChild,
    InferenceAnswer,
    InferenceAsk,
    Phase,
    Ready,
    StartFailed,
    Stop,
    ToChild,
)
from lk_agents.ipc.program import Program

__all__ = ["InferenceChild"]

QUEUE_LIMIT: Final = 128
"""Twice what may wait in the worker: of the requests that it has given up, some still lie here."""

Send = Callable[[FromChild], None]


class InferenceChild:
    """Serves inference; see ``ipc.child.JobChild`` for what the parameters mean."""

    def __init__(self, program: Program, *, send: Send, send_now: Send) -> None:
        self._program = program
        self._send = send
        self._send_now = send_now
        self._runners: dict[str, Any] = {}
        self._asked: asyncio.Queue[InferenceAsk | None] | None = None

    def warm_up(self) -> bool:
        """Build and initialise every runner; False if one failed, which has been told."""
        phase = "inference runners"
        try:
            for record in self._program.runners:
                phase = f"inference runner {record.method}"
                self._send_now(Phase(name=phase))
                runner = record.build()
                runner.initialize()
                self._runners[record.method] = runner
        except (Exception, SystemExit) as error:  # noqa: BLE001  a plugin's code: whatever it is, it is told
            text = f"{type(error).__name__}: {error}"
            self._send_now(StartFailed(phase=phase, error=text, traceback=traceback.format_exc()))
            return False
        return True

    async def serve(self) -> None:
        """Answer until asked to stop."""
        self._asked = asyncio.Queue()
        self._send(Ready())
        while (ask := await self._asked.get()) is not None:
            answer = await self._answer(ask)
            try:
                self._send(answer)
            except ProtocolError as error:  # it is too large
                self._send(InferenceAnswer(request_id=ask.request_id, error=f"the answer cannot be sent: {error}"))

    async def _answer(self, ask: InferenceAsk) -> InferenceAnswer:
        runner = self._runners.get(ask.method)
        if runner is None:
            known = ", ".join(sorted(self._runners)) or "none"
            return InferenceAnswer(request_id=ask.request_id, error=f"no such method; there are: {known}")
        try:
            data = await asyncio.to_thread(runner.run, ask.data)
        except Exception as error:  # noqa: BLE001  the caller gets it, in its own process
            return InferenceAnswer(request_id=ask.request_id, error=f"{type(error).__name__}: {error}")
        return InferenceAnswer(request_id=ask.request_id, data=data)

    def log_fields(self) -> Mapping[str, Any]:
        """Return nothing: the worker knows which process it is."""
        return {}

    def receive(self, message: ToChild) -> None:
        """Take one message of the worker; on the loop."""
        if self._asked is None:
            return
        if isinstance(message, InferenceAsk):
            if self._asked.qsize() < QUEUE_LIMIT:
                self._asked.put_nowait(message)
            else:
                error = f"{QUEUE_LIMIT} requests wait already"
                self._send(InferenceAnswer(request_id=message.request_id, error=error, overloaded=True))
        elif isinstance(message, Stop):
            self._asked.put_nowait(None)

    def worker_lost(self) -> None:
        """End: nobody asks any more; on the loop."""
        if self._asked is not None:
            self._asked.put_nowait(None)

    panicked = worker_lost
    last_warning = worker_lost
