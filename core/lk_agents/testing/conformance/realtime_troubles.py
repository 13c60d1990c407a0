"""Checks of a speech-to-speech model whose vendor is in trouble, and of what it leaves behind."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from lk_agents.foundation.errors import APIError
from lk_agents.llm import ChatContext
from lk_agents.testing.conformance.case import Trouble, TroubleKind
from lk_agents.testing.conformance.frame import (
    FAILURES,
    Stopwatch,
    failed_with,
    nothing_left,
    overheard,
    require_api_error,
    require_fault,
    told_by,
)
from lk_agents.testing.conformance.realtime_cases import ANSWER, SLOW, RealtimeKit, beginning, texts_of

if TYPE_CHECKING:
    from lk_agents.realtime import RealtimeModel
    from lk_agents.testing.vendor import Fault

__all__ = ["RealtimeTroubleChecks"]


class RealtimeTroubleChecks(RealtimeKit):
    """What every session must do when something goes wrong."""

    def test_a_session_that_cannot_connect_at_first_tries_again(self) -> None:
        """And then is as good as any."""

        async def story() -> None:
            trouble = Trouble(TroubleKind.LOST, 0, once=True)
            async with self._given(trouble=trouble) as (model, _), self._session(model) as watch:
                watch.session.create_response()
                await watch.until("response_content_done")
                await watch.until_true(lambda: watch.parts[0].ended)
            assert watch.parts[0].text == ANSWER.text
            assert not watch.told("closed")[:-1], "it was told to be closed"

        self._run(story)

    def test_a_lost_connection_is_told_and_another_one_is_as_good(self) -> None:
        """What was being said ends; the conversation is kept, and answered."""

        async def story() -> None:
            trouble = Trouble(TroubleKind.LOST, self.messages_before_audio, once=True)
            given = ChatContext().append(text="Be kind.", role="system")
            async with (
                self._given(SLOW, ANSWER, trouble=trouble) as (model, _),
                self._session(model, chat_ctx=given) as watch,
            ):
                watch.session.create_response()
                await watch.until("reconnected")
                await watch.until_true(lambda: all(part.ended for part in watch.parts))
                before = len(watch.parts)
                watch.session.create_response()
                await watch.until_true(lambda: len(watch.parts) > before and watch.parts[-1].ended)
                said = texts_of(watch.session, "system")
            told = watch.names("reconnecting", "reconnected")
            assert told == ["reconnecting", "reconnected"], f"the lost connection was told as {told}"
            require_api_error(watch.told("reconnecting")[0], "the connection was lost")
            assert watch.parts[-1].text == ANSWER.text, f"it says {watch.parts[-1].text!r}"
            assert said == ["Be kind."], f"of the conversation there is {said}"

        self._run(story)

    def test_a_session_that_the_vendor_refuses_is_over(self) -> None:
        """401: after one attempt; who waits for the beginning gets the error, and so does ``closed``."""

        async def story() -> None:
            async with self._given(trouble=Trouble(TroubleKind.REFUSED)) as (model, case):
                async with self._session(model, begun=False) as watch:
                    error = require_api_error(await beginning(watch.session), "the vendor answered 401")
                    closed = await watch.until("closed")
                asked = case.requests()
            assert "401" in told_by(error), f"nothing in the error tells the status 401: {error!r}"
            assert not error.retryable, "a 401 was called retryable"
            require_api_error(closed, "the vendor answered 401")
            assert len(watch.told("closed")) == 1, "closed was told several times"
            assert asked == 1, f"a 401 was tried {asked} times"

        self._run(story)

    def test_a_server_that_says_nothing_is_given_up(self) -> None:
        """Who waits for the beginning gets an error in time."""

        async def story() -> None:
            async with (
                self._given(trouble=Trouble(TroubleKind.SILENT)) as (model, _),
                self._session(model, begun=False) as watch,
            ):
                clock = Stopwatch()
                require_api_error(await beginning(watch.session), "the server said nothing")
                seconds = clock.seconds()
                await watch.until("closed")
            assert seconds < self.patience_seconds - 1, f"that took {seconds:.1f} s"

        self._run(story)

    def test_a_conversation_cannot_be_set_where_the_session_is_over(self) -> None:
        """It fails with an error that callers expect, at once."""

        async def story() -> None:
            async with (
                self._given(trouble=Trouble(TroubleKind.REFUSED)) as (model, _),
                self._session(model, begun=False) as watch,
            ):
                await beginning(watch.session)
                error = await failed_with(watch.session.set_chat_ctx(ChatContext().append(text="x", role="user")))
            require_api_error(error, "the session is over")

        self._run(story)

    @pytest.mark.parametrize("trouble", [*FAILURES, Trouble(TroubleKind.SILENT)], ids=lambda each: each.name)
    def test_no_credential_of_a_session_is_shown_whatever_goes_wrong(self, trouble: Trouble) -> None:
        """Not in logs, errors, their variables, metrics or the model's own representation."""

        async def story() -> None:
            with overheard() as all_told:
                async with self._given(trouble=trouble) as (model, _):
                    all_told.tell(model)
                    async with self._session(model, begun=False) as watch:
                        all_told.tell(watch.session)
                        all_told.tell(await beginning(watch.session))
                    for _, told in watch.log:
                        all_told.tell(told)
            all_told.require_no_secret()

        self._run(story)

    def test_a_session_ends_well_whatever_the_vendor_does(self, stream_fault: Fault | None) -> None:
        """It answers, or says that it is over, with an error that callers expect; and leaves nothing behind."""
        struck = require_fault(stream_fault)

        async def once() -> None:
            async with self._given(fault=struck) as (model, _):
                async with self._session(model, begun=False) as watch:
                    error = await beginning(watch.session)
                    watch.session.create_response()
                    try:
                        async with asyncio.timeout(self.patience_seconds / 4):
                            await watch.until_true(lambda: bool(watch.names("response_done", "closed")))
                    except TimeoutError:
                        assert error is None, "it neither answers nor is over"
                closed = [each for each in watch.told("closed") if each is not None]
            for problem in (error, *closed):
                assert problem is None or isinstance(problem, APIError), f"{problem!r} was raised"

        self._run(lambda: nothing_left(once, first=self._use))

    @pytest.mark.parametrize("end", ["by itself", "while it speaks", "before it has begun", "refused", "by its model"])
    def test_a_session_leaves_nothing_behind(self, end: str) -> None:
        """No task, thread, socket or HTTP session, however it ended."""
        trouble = Trouble(TroubleKind.REFUSED) if end == "refused" else None

        async def once() -> None:
            async with (
                self._given(SLOW, trouble=trouble) as (model, _),
                self._session(model, begun=False) as watch,
            ):
                if end == "before it has begun":
                    return
                await beginning(watch.session)
                watch.session.create_response()
                if end == "by itself":
                    await watch.until("response_done")
                if end == "while it speaks":
                    await watch.until("response_content_added")
                if end == "by its model":
                    await model.aclose()

        self._run(lambda: nothing_left(once, first=self._use))

    async def _use(self) -> None:
        async with self._given() as (model, _):
            await _answer(self, model)


async def _answer(kit: RealtimeKit, model: RealtimeModel) -> None:
    async with kit._session(model) as watch:  # noqa: SLF001  of this kit
        watch.session.create_response()
        await watch.until("response_done")
