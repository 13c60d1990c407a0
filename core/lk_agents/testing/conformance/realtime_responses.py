"""Checks of what a speech-to-speech model says, while nothing goes wrong."""

from __future__ import annotations

import pytest

from lk_agents.metrics.records import MultimodalLLMMetrics
from lk_agents.testing.conformance.frame import close_at_once, failed_with, skip_unless
from lk_agents.testing.conformance.realtime_cases import ANSWER, SECOND, SLOW, RealtimeKit, texts_of
from lk_agents.testing.providers.realtime import RealtimeAnswer

__all__ = ["RealtimeResponseChecks"]

WRITTEN = RealtimeAnswer(text="I write this.", as_text=True)
_LIFE = ("response_created", "response_content_added", "response_content_done", "response_done")


class RealtimeResponseChecks(RealtimeKit):
    """What every session must do with a response."""

    def test_a_response_is_told_once_and_whole(self) -> None:
        """From its creation to its end, in order, with the text that is said."""

        async def story() -> None:
            async with self._given() as (model, _), self._session(model) as watch:
                watch.session.create_response()
                done = await watch.until("response_done")
                await watch.until_true(lambda: watch.parts[0].ended)
                await watch.afterwards()
            told = watch.names(*_LIFE)
            assert told == list(_LIFE), f"a response was told as {told}"
            (part,) = watch.parts
            assert part.text == ANSWER.text, f"the text is {part.text!r}, not {ANSWER.text!r}"
            assert part.content.content_type == "audio", f"the part is {part.content.content_type!r}"
            ids = {part.content.response_id, done.id, watch.told("response_created")[0].id}
            assert len(ids) == 1, f"one response has the ids {ids}"
            assert "" not in ids, "the response has no id"
            assert part.content.item_id, "the part has no item_id"
            assert done.status == "completed", f"the response has ended as {done.status!r}"

        self._run(story)

    def test_the_audio_is_what_the_model_says_that_it_gives(self) -> None:
        """Mono, 16 bit, at its output rate, in several frames."""

        async def story() -> None:
            async with self._given() as (model, _), self._session(model) as watch:
                watch.session.create_response()
                await watch.until("response_content_done")
                await watch.until_true(lambda: watch.parts[0].ended)
                rate = model.capabilities.output_audio_sample_rate
            frames = watch.parts[0].frames
            assert len(frames) > 1, f"the audio came in {len(frames)} frames"
            kinds = {(frame.sample_rate, frame.num_channels) for frame in frames}
            assert kinds == {(rate, 1)}, f"the frames have (rate, channels) {kinds}, not {(rate, 1)}"
            assert any(any(frame.data) for frame in frames), "the audio is silence"

        self._run(story)

    def test_responses_come_one_after_the_other(self) -> None:
        """The second begins when the first is done."""

        async def story() -> None:
            async with self._given(SLOW, SECOND) as (model, _), self._session(model) as watch:
                watch.session.create_response()
                watch.session.create_response("keep_both")
                await watch.until("response_done", 2)
                await watch.until_true(lambda: all(part.ended for part in watch.parts))
            told = watch.names("response_created", "response_done")
            assert told == ["response_created", "response_done"] * 2, f"two responses were told as {told}"
            assert [part.text for part in watch.parts] == [SLOW.text, SECOND.text]

        self._run(story)

    def test_a_response_that_is_not_wanted_beside_another_one_is_not_given(self) -> None:
        """``cancel_new``."""

        async def story() -> None:
            async with self._given(SLOW, SECOND) as (model, _), self._session(model) as watch:
                watch.session.create_response()
                await watch.until("response_created")
                watch.session.create_response("cancel_new")
                await watch.until("response_done")
                await watch.afterwards()
            assert [part.text for part in watch.parts] == [SLOW.text], "a response came that was not to come"

        self._run(story)

    def test_a_response_that_takes_the_place_of_another_one_ends_that(self) -> None:
        """``cancel_existing``."""

        async def story() -> None:
            async with self._given(SLOW, SECOND) as (model, _), self._session(model) as watch:
                watch.session.create_response()
                await watch.until("response_content_added")
                watch.session.create_response("cancel_existing")
                await watch.until("response_done", 2)
                await watch.until_true(lambda: all(part.ended for part in watch.parts))
            statuses = [each.status for each in watch.told("response_done")]
            assert statuses == ["cancelled", "completed"], f"the responses have ended as {statuses}"
            assert watch.parts[-1].text == SECOND.text

        self._run(story)

    def test_an_unknown_way_to_ask_is_refused(self) -> None:
        """With a ValueError."""

        async def story() -> None:
            async with self._given() as (model, _), self._session(model) as watch:
                with pytest.raises(ValueError, match="both"):
                    watch.session.create_response("both")  # type: ignore[arg-type]

        self._run(story)

    def test_a_response_that_is_stopped_ends_its_streams(self) -> None:
        """Nothing more of it comes, and the next one does."""

        async def story() -> None:
            async with self._given(SLOW, SECOND) as (model, _), self._session(model) as watch:
                watch.session.create_response()
                await watch.until("response_content_added")
                await watch.until_true(lambda: bool(watch.parts[0].frames))
                watch.session.cancel_response()
                done = await watch.until("response_done")
                await watch.until_true(lambda: watch.parts[0].ended)
                seconds = sum(frame.duration for frame in watch.parts[0].frames)
                watch.session.create_response()
                await watch.until("response_done", 2)
                await watch.until_true(lambda: watch.parts[-1].ended)
            assert done.status == "cancelled", f"a response that was stopped has ended as {done.status!r}"
            assert seconds < SLOW.audio_seconds, "a response that was stopped was given to its end"
            assert [part.text for part in watch.parts[1:]] == [SECOND.text]

        self._run(story)

    def test_stopping_where_nothing_is_said_is_harmless(self) -> None:
        """Before a response, twice, and behind it; it costs the next one nothing."""

        async def story() -> None:
            async with self._given() as (model, _), self._session(model) as watch:
                watch.session.cancel_response()
                watch.session.cancel_response()
                watch.session.create_response()
                await watch.until("response_done")
                watch.session.cancel_response()
                await watch.afterwards()
            assert not watch.told("error"), f"an error was told: {watch.told('error')}"
            assert [each.status for each in watch.told("response_done")] == ["completed"]

        self._run(story)

    def test_every_response_is_measured_once(self) -> None:
        """Its tokens and times, also where it was stopped."""

        async def story() -> None:
            async with self._given(ANSWER, SLOW) as (model, _), self._session(model) as watch:
                watch.session.create_response()
                await watch.until("response_done")
                watch.session.create_response()
                await watch.until("response_content_added", 2)
                watch.session.cancel_response()
                await watch.until("metrics_collected", 2)
                await watch.afterwards()
                label = model.label
            told = watch.told("metrics_collected")
            assert all(isinstance(each, MultimodalLLMMetrics) for each in told), f"it was measured as {told}"
            assert [each.cancelled for each in told] == [False, True], f"it was measured as {told}"
            assert [each.request_id for each in told] == [each.id for each in watch.told("response_created")]
            assert 0 <= told[0].ttft <= told[0].duration, f"ttft is {told[0].ttft}, of {told[0].duration}"
            assert {each.label for each in told} == {label}

        self._run(story)

    def test_a_written_answer_is_told_as_text(self) -> None:
        """Its part says so, holds the text, and has no audio; its streams end."""
        skip_unless(self.writes_text, "it never answers in text")

        async def story() -> None:
            async with self._given(WRITTEN) as (model, _), self._session(model) as watch:
                watch.session.create_response()
                content = await watch.until("response_content_done")
                await watch.until_true(lambda: watch.parts[0].ended)
            assert content.content_type == "text", f"the part is {content.content_type!r}"
            assert content.text == WRITTEN.text, f"the text is {content.text!r}"
            assert not watch.parts[0].frames, "a written answer has audio"

        self._run(story)

    def test_a_model_that_writes_can_be_brought_back(self) -> None:
        """What it has written is not in the conversation any more, and it answers again."""
        skip_unless(self.writes_text, "it never answers in text")

        async def story() -> None:
            async with self._given(WRITTEN, SECOND) as (model, _), self._session(model) as watch:
                watch.session.create_response()
                content = await watch.until("response_content_done")
                watch.session._recover_from_text_response(content.item_id)  # noqa: SLF001  the protocol's
                await watch.until("response_done", 2)
                await watch.until_true(lambda: watch.parts[-1].ended)
                said = texts_of(watch.session, "assistant")
            assert watch.parts[-1].text == SECOND.text, "there was no other answer"
            assert WRITTEN.text not in said, "what was written stays in the conversation"

        self._run(story)

    def test_closing_a_session_three_times_at_once_is_harmless(self) -> None:
        """It ends what is said, and tells once that it is closed."""

        async def story() -> None:
            async with self._given(SLOW) as (model, _), self._session(model) as watch:
                watch.session.create_response()
                await watch.until("response_content_added")
                await close_at_once(watch.session.aclose)
                await watch.until_true(lambda: watch.parts[0].ended)
            assert watch.told("closed") == [None], f"closed was told as {watch.told('closed')}"

        self._run(story)

    def test_a_closed_session_takes_no_harm(self) -> None:
        """Commands do nothing; what must be confirmed fails with an error that callers expect."""

        async def story() -> None:
            async with self._given() as (model, _), self._session(model) as watch:
                session = watch.session
                await session.aclose()
                await self._speak(watch, model, seconds=0.1)
                session.create_response()
                session.cancel_response()
                session._truncate_conversation_item(item_id="item", content_index=0, audio_end_ms=10)  # noqa: SLF001
                session._update_conversation_item_content(item_id="item", content="x")  # noqa: SLF001
                error = await failed_with(session.set_chat_ctx(session.chat_ctx_copy()))
                await watch.afterwards()
            assert error is not None, "a closed session has taken a conversation"
            assert not watch.told("response_created"), "a closed session has answered"

        self._run(story)

    def test_closing_the_model_closes_its_sessions(self) -> None:
        """All of them, and any number of times."""

        async def story() -> None:
            async with (
                self._given() as (model, _),
                self._session(model) as one,
                self._session(model) as two,
            ):
                await close_at_once(model.aclose)
                told = [one.told("closed"), two.told("closed")]
            assert told == [[None], [None]], f"the sessions have told {told}"

        self._run(story)
