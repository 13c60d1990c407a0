"""Where inference requests of all jobs come together: bounded, each with a deadline, none ever left hanging."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from lk_agents.foundation.errors import InferenceError, InferenceOverloadedError
from lk_agents.foundation.ids import short_id
from lk_agents.ipc.messages import InferenceAnswer, InferenceAsk

__all__ = ["InferenceDesk"]

QUEUE_LIMIT: Final = 64
REQUEST_SECONDS: Final = 30.0

Answer = Callable[[InferenceAnswer], None]


@dataclass(frozen=True)
class _Asked:
    owner: int | None
    request_id: str
    answer: Answer
    deadline: asyncio.TimerHandle
    ask: InferenceAsk
    heard_before: int


class InferenceDesk:
    """Passes requests to the inference process and answers back; on the supervisor's loop.

    :param send: sends to the inference process.
    :param hung: called with the reason when the process has answered nobody for a whole deadline.
    """

    def __init__(self, send: Callable[[InferenceAsk], None], hung: Callable[[str], None]) -> None:
        self._send = send
        self._hung = hung
        self._heard = 0
        self._asked: dict[str, _Asked] = {}
        self._available = False
        self.exists = False
        """Whether this worker has one at all."""

    @property
    def available(self) -> bool:
        """Whether the inference process is warm; once it is, what waits for it is sent."""
        return self._available

    @available.setter
    def available(self, warm: bool) -> None:
        waiting = [] if self._available or not warm else list(self._asked.values())
        self._available = warm
        for asked in waiting:
            self._send(asked.ask)

    def ask(self, ask: InferenceAsk, answer: Answer, *, owner: int | None = None) -> None:
        """Have the request answered, for a job (``owner``) or for the worker itself.

        While the inference process starts, requests wait for it as long as for an answer. A refusal is answered at
        once: nothing to ask, or too many waiting.
        """
        if not self.exists:
            answer(_refusal(ask, "this worker has no inference process: no plugin in use registered a runner"))
        elif len(self._asked) >= QUEUE_LIMIT:
            error = f"{QUEUE_LIMIT} requests wait already"
            answer(InferenceAnswer(request_id=ask.request_id, error=error, overloaded=True))
        else:
            key = short_id("inference_req_")
            late = asyncio.get_running_loop().call_later(REQUEST_SECONDS, self._too_late, key)
            ours = InferenceAsk(request_id=key, method=ask.method, data=ask.data)
            self._asked[key] = _Asked(owner, ask.request_id, answer, late, ours, self._heard)
            if self._available:
                self._send(ours)

    async def do_inference(self, method: str, data: bytes) -> bytes | None:
        """Ask for the worker itself; see ``JobPool.do_inference``."""
        future: asyncio.Future[InferenceAnswer] = asyncio.get_running_loop().create_future()

        def settle(answer: InferenceAnswer) -> None:
            if not future.done():
                future.set_result(answer)

        self.ask(InferenceAsk(request_id="", method=method, data=data), settle)
        answer = await future
        if answer.overloaded:
            raise InferenceOverloadedError(f"{method}: {answer.error}")
        if answer.error:
            raise InferenceError(f"{method}: {answer.error}")
        return answer.data

    def answered(self, answer: InferenceAnswer) -> None:
        """Pass on what the inference process answered; unknown requests (given up, owner gone) are ignored."""
        self._heard += 1
        self._settle(answer.request_id, answer)

    def owner_gone(self, owner: int) -> None:
        """Forget the requests of an executor that is gone."""
        for key, asked in tuple(self._asked.items()):
            if asked.owner == owner:
                asked.deadline.cancel()
                del self._asked[key]

    def process_gone(self, why: str) -> None:
        """Answer every open request with an error: the process is gone, and is started anew."""
        self._available = False
        for key in tuple(self._asked):
            self._settle(key, InferenceAnswer(request_id=key, error=f"the inference process is gone: {why}"))

    def _too_late(self, key: str) -> None:
        asked = self._asked[key]
        why = "" if self._available else "; the inference process is still starting"
        self._settle(key, InferenceAnswer(request_id=key, error=f"no answer within {REQUEST_SECONDS:g} s{why}"))
        if self._available and self._heard == asked.heard_before:
            self._hung(f"the runner of {asked.ask.method!r} has not answered for {REQUEST_SECONDS:g} s")

    def _settle(self, key: str, answer: InferenceAnswer) -> None:
        asked = self._asked.pop(key, None)
        if asked is not None:
            asked.deadline.cancel()
            asked.answer(
                InferenceAnswer(
                    request_id=asked.request_id, data=answer.data, error=answer.error, overloaded=answer.overloaded
                )
            )


def _refusal(ask: InferenceAsk, error: str) -> InferenceAnswer:
    return InferenceAnswer(request_id=ask.request_id, error=error)
