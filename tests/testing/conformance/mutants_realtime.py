"""Speech-to-speech models with one defect each, by the check that must see it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from livekit import rtc
from tests.testing.conformance.bench import Mutant

from lk_agents.foundation.errors import APIError, APIStatusError
from lk_agents.llm import CalledFunction, ChatContext
from lk_agents.realtime import RealtimeModel
from lk_agents.testing.conformance.realtime import RealtimeCase, RealtimeConformance
from lk_agents.testing.providers import Break, RealtimeAnswer, ScriptedContent, ScriptedRealtime
from lk_agents.testing.providers import ScriptedRealtimeSession as Session

RESPONSES = 8


class Tunable(ScriptedRealtime):
    """A good one; the mutants change it."""

    key = ""
    making: type[Session] = Session

    def session(self, *, chat_ctx: Any = None, fnc_ctx: Any = None) -> Session:
        session = self.making(self, ChatContext() if chat_ctx is None else chat_ctx.copy(), fnc_ctx)
        self.sessions.append(session)
        return session


class Kit(RealtimeConformance):
    """The kit over one class of model."""

    virtual_time = True

    def __init__(self, make: Callable[..., Tunable]) -> None:
        self._make = make

    @asynccontextmanager
    async def provider(self, case: RealtimeCase) -> AsyncIterator[RealtimeModel]:
        answers = [case.answer(number) for number in range(RESPONSES)]
        model = self._make(answers, caller=case.caller if case.server_vad else None, breaks=self.breaks(case))
        model.key = case.secret.reveal()
        case.watch(requests=lambda: model.breaks.attempts)
        case.watch_server(truncated=lambda: model.sessions[0].truncated, functions=lambda: model.sessions[0].functions)
        yield model
        await model.aclose()

    def breaks(self, case: RealtimeCase) -> list[Break]:
        return case.breaks()


# --- responses -------------------------------------------------------------------------------------------------------


class Changing(Session):
    """Changes the events of a session."""

    def change(self, event: Any, *told: Any) -> list[tuple[Any, ...]]:
        return [(event, *told)]

    def emit(self, event: Any, *told: Any) -> None:
        for changed, *rest in self.change(event, *told):
            super().emit(changed, *rest)


class TellsItTwice(Changing):
    def change(self, event: Any, *told: Any) -> list[tuple[Any, ...]]:
        return [(event, *told)] * (2 if event == "response_content_done" else 1)


class SpeaksInStereo(Changing):
    def change(self, event: Any, *told: Any) -> list[tuple[Any, ...]]:
        if event == "response_content_added":
            for channel in (told[0].audio_stream,):
                send = channel.send_nowait

                def doubled(frame: rtc.AudioFrame, send: Any = send) -> None:
                    send(
                        rtc.AudioFrame(bytes(frame.data.cast("B")) * 2, frame.sample_rate, 2, frame.samples_per_channel)
                    )

                channel.send_nowait = doubled
        return [(event, *told)]


class SpeaksAtOnce(Session):
    async def _respond(self, answer: RealtimeAnswer, before: Any) -> None:
        await super()._respond(answer, None)


class AlwaysAnswers(Session):
    def create_response(self, on_duplicate: Any = "keep_both") -> None:
        super().create_response("keep_both" if on_duplicate == "cancel_new" else on_duplicate)


class LetsItEnd(Session):
    def create_response(self, on_duplicate: Any = "keep_both") -> None:
        super().create_response("keep_both" if on_duplicate == "cancel_existing" else on_duplicate)


class TakesAnyWord(Session):
    def create_response(self, on_duplicate: Any = "keep_both") -> None:
        known = on_duplicate in {"keep_both", "cancel_existing", "cancel_new"}
        super().create_response(on_duplicate if known else "keep_both")


class ForgetsTheStreams(Session):
    async def _say(self, answer: RealtimeAnswer, response_id: str) -> None:
        try:
            await super()._say(answer, response_id)
        except asyncio.CancelledError:
            late = ScriptedContent("", response_id=response_id)
            self.emit("response_content_added", late)
            raise


class ComplainsOfNothing(Session):
    def cancel_response(self) -> None:
        if all(each.done() for each in self._responses):
            self.emit("error", APIError("there is nothing to stop"))
        super().cancel_response()


class HidesCancellation(Changing):
    def change(self, event: Any, *told: Any) -> list[tuple[Any, ...]]:
        return [(event, *(replace(each, cancelled=False) if event == "metrics_collected" else each for each in told))]


class CallsTextAudio(Changing):
    def change(self, event: Any, *told: Any) -> list[tuple[Any, ...]]:
        if event.startswith("response_content_"):
            told[0].content_type = "audio"
        return [(event, *told)]


class KeepsWhatWasWritten(Session):
    def _recover_from_text_response(self, item_id: str) -> None:
        self._ask()


class ClosesAgain(Session):
    async def aclose(self) -> None:
        await super().aclose()
        self.emit("closed", None)


class AnswersForEver(Session):
    def create_response(self, on_duplicate: Any = "keep_both") -> None:
        super().create_response(on_duplicate)
        if self._closed:
            self.emit("response_created", object())


class LeavesItsSessions(Tunable):
    async def aclose(self) -> None:
        for session in self.sessions[:1]:
            await session.aclose()


# --- the conversation ------------------------------------------------------------------------------------------------


class ForgetsTheSystem(Session):
    def __init__(self, model: Any, chat_ctx: ChatContext, fnc_ctx: Any) -> None:
        kept = [each for each in chat_ctx.messages if each.role != "system"]
        super().__init__(model, ChatContext(messages=kept or chat_ctx.messages), fnc_ctx)


class OnlyAdds(Session):
    async def set_chat_ctx(self, ctx: ChatContext) -> None:
        known = {each.id for each in self._chat_ctx.messages}
        kept = self.chat_ctx_copy()
        kept.messages += [each for each in ctx.messages if each.id not in known]
        await super().set_chat_ctx(kept)


class DropsCalls(Session):
    async def set_chat_ctx(self, ctx: ChatContext) -> None:
        kept = [each for each in ctx.messages if each.role != "tool"]
        await super().set_chat_ctx(ChatContext(messages=kept))


class ForgetsWhatItSays(Session):
    async def _say(self, answer: RealtimeAnswer, response_id: str) -> None:
        await super()._say(answer, response_id)
        self._chat_ctx.messages[-1].id = "item_other"
        self._chat_ctx.messages[-1].role = "user"


class KeepsItsWords(Session):
    def _update_conversation_item_content(self, *, item_id: str, content: Any = None) -> None:
        pass


class CutsInSeconds(Session):
    def _truncate_conversation_item(self, *, item_id: str, content_index: int, audio_end_ms: int) -> None:
        self.truncated.append((item_id, audio_end_ms // 1000))


class SharesItsConversation(Session):
    def chat_ctx_copy(self) -> ChatContext:
        return self._chat_ctx


class ForgetsToCommit(Changing):
    def change(self, event: Any, *told: Any) -> list[tuple[Any, ...]]:
        return [] if event == "input_speech_committed" and self.server_vad_enabled else [(event, *told)]


class CountsTheSilence(Changing):
    def change(self, event: Any, *told: Any) -> list[tuple[Any, ...]]:
        return [(event, told[0] + 0.5)] if event == "input_speech_stopped" else [(event, *told)]


class CommitsTwice(Session):
    def commit_audio_buffer(self) -> None:
        if not self.server_vad_enabled:
            self.emit("input_speech_committed")
        super().commit_audio_buffer()


class TellsOfAnotherItem(Changing):
    def change(self, event: Any, *told: Any) -> list[tuple[Any, ...]]:
        if event == "input_speech_transcription_completed":
            return [(event, replace(told[0], item_id="item_other"))]
        return [(event, *told)]


class NeedsSpeech(Session):
    async def set_chat_ctx(self, ctx: ChatContext) -> None:
        typed = self._model.caller is None and not self._chat_ctx.messages and ctx.messages[-1:] != []
        await super().set_chat_ctx(ctx)
        if typed and ctx.messages[-1].content == "hello":
            self._chat_ctx.messages.pop()


# --- functions -------------------------------------------------------------------------------------------------------


class CallsTwice(Session):
    async def _finish_call(self, called: CalledFunction) -> None:
        if len(self.functions) == 1 and called.call_info.function_info.name == "get_weather" and self._begun == 1:
            called.call_info.execute()
        await super()._finish_call(called)


class MakesOneCall(Session):
    made = 0

    def _begin_call(self, name: str, arguments: Any) -> None:
        self.made += 1
        if self.made == 1:
            super()._begin_call(name, arguments)


class ForgetsFailures(Session):
    async def _finish_call(self, called: CalledFunction) -> None:
        await asyncio.wait([called.task])
        if called.exception is None:
            await super()._finish_call(called)


class NeedsFunctions(Session):
    def _begin_call(self, name: str, arguments: Any) -> None:
        if self._fnc_ctx is not None:
            super()._begin_call(name, arguments)


class KeepsTheResult(Session):
    async def _finish_call(self, called: CalledFunction) -> None:
        await super()._finish_call(called)
        if isinstance(called.result, dict):
            self._chat_ctx.messages[-1].content = called.result  # type: ignore[assignment]


class TalksAboutNothing(Session):
    async def _finish_call(self, called: CalledFunction) -> None:
        await super()._finish_call(called)
        if called.exception is None and called.result is None:
            self._ask()


class TalksOver(Session):
    async def _finish_call(self, called: CalledFunction) -> None:
        self.playout_complete = asyncio.Event()
        self.playout_complete.set()
        await super()._finish_call(called)


class KeepsItsFunctions(Session):
    @property
    def fnc_ctx(self) -> Any:
        return self._fnc_ctx

    @fnc_ctx.setter
    def fnc_ctx(self, fnc_ctx: Any) -> None:
        self._fnc_ctx = fnc_ctx


# --- trouble ---------------------------------------------------------------------------------------------------------


class Failing(Session):
    """Changes the errors of a session."""

    def change_error(self, error: APIError) -> None:
        pass

    async def _connect_first(self) -> None:
        try:
            await super()._connect_first()
        except APIError as error:
            self.change_error(error)
            raise

    def emit(self, event: Any, *told: Any) -> None:
        if told and isinstance(told[0], APIError):
            self.change_error(told[0])
        super().emit(event, *told)


class GivesUpAtOnce(Session):
    async def _connect_first(self) -> None:
        if self._model.breaks.unused() and self._begun == 0:
            try:
                await self._attempt.pass_(0)
            except APIError as error:
                self._end(error)
                raise
        await super()._connect_first()


class ForgetsTheConversation(Session):
    async def _connect_again(self, seconds: float, *, for_good: bool) -> None:
        self._chat_ctx = ChatContext()
        await super()._connect_again(seconds, for_good=for_good)


class ForgivesRefusals(Failing):
    def change_error(self, error: APIError) -> None:
        error.retryable = True


class IsPatient(Session):
    async def _connect_first(self) -> None:
        if self._model.breaks.unused():
            try:
                await super()._connect_first()
            except APIError as error:
                if not isinstance(error, APIStatusError) and "answer" in str(error):
                    await asyncio.sleep(1_000.0)
                raise
        else:
            await super()._connect_first()


class TakesAnything(Session):
    async def set_chat_ctx(self, ctx: ChatContext) -> None:
        if self._closed and ctx.messages and ctx.messages[-1].content == "x":
            return
        await super().set_chat_ctx(ctx)


class ShowsItsKey(Failing):
    def change_error(self, error: APIError) -> None:
        assert isinstance(self._model, Tunable)
        error.body = {"quoted": self._model.key}


class LeavesATask(Session):
    def __init__(self, *about: Any) -> None:
        super().__init__(*about)
        self.left = [asyncio.create_task(asyncio.sleep(1_000.0), name="left")]


def making(session: type[Session]) -> Callable[..., Tunable]:
    return type(f"With{session.__name__}", (Tunable,), {"making": session})


def mutant(make: Any, *also: str) -> Mutant:
    made = making(make) if issubclass(make, Session) else make
    return Mutant(lambda: Kit(made), frozenset(also))


WRITTEN = "test_a_written_answer_is_told_as_text"
BACK = "test_a_model_that_writes_can_be_brought_back"
STOPPED = "test_a_response_that_is_stopped_ends_its_streams"
ENDS = "test_a_response_that_takes_the_place_of_another_one_ends_that"
WRONG = "test_a_call_that_goes_wrong_gets_an_output_and_an_answer"
NONE = "test_a_call_without_any_functions_gets_an_output_and_an_answer"
CALLED = "test_a_function_is_called_once_and_the_model_tells_about_it"
SECRET = "test_no_credential_of_a_session_is_shown_whatever_goes_wrong"
REFUSED = "test_a_session_that_the_vendor_refuses_is_over"
SEVERAL = "test_several_calls_of_a_response_all_get_their_outputs"
AGAIN = "test_a_session_that_cannot_connect_at_first_tries_again"
SILENT = "test_a_server_that_says_nothing_is_given_up"
ORDER = "test_responses_come_one_after_the_other"
BECOMES = "test_the_conversation_becomes_what_it_is_set_to"
COPY = "test_a_copy_of_the_conversation_is_a_copy"
CLOSED = "test_closing_a_session_three_times_at_once_is_harmless"
MODEL = "test_closing_the_model_closes_its_sessions"
BEHIND = "test_a_session_leaves_nothing_behind"
SAID = "test_what_the_model_says_becomes_part_of_the_conversation"
REWRITTEN = "test_a_text_can_be_rewritten"
HARMLESS = "test_a_closed_session_takes_no_harm"

MUTANTS = {
    "test_a_response_is_told_once_and_whole": mutant(TellsItTwice),
    "test_the_audio_is_what_the_model_says_that_it_gives": mutant(SpeaksInStereo),
    ORDER: mutant(SpeaksAtOnce, ENDS),
    "test_a_response_that_is_not_wanted_beside_another_one_is_not_given": mutant(AlwaysAnswers),
    ENDS: mutant(LetsItEnd),
    "test_an_unknown_way_to_ask_is_refused": mutant(TakesAnyWord),
    STOPPED: mutant(ForgetsTheStreams, ENDS, CLOSED),
    "test_stopping_where_nothing_is_said_is_harmless": mutant(ComplainsOfNothing),
    "test_every_response_is_measured_once": mutant(HidesCancellation),
    WRITTEN: mutant(CallsTextAudio),
    BACK: mutant(KeepsWhatWasWritten),
    CLOSED: mutant(ClosesAgain, MODEL, AGAIN, REFUSED),
    HARMLESS: mutant(AnswersForEver),
    MODEL: mutant(LeavesItsSessions),
    "test_the_conversation_begins_as_it_is_given": mutant(ForgetsTheSystem),
    BECOMES: mutant(OnlyAdds),
    "test_a_conversation_with_calls_is_taken": mutant(DropsCalls),
    SAID: mutant(ForgetsWhatItSays, REWRITTEN, BACK),
    REWRITTEN: mutant(KeepsItsWords),
    "test_a_cut_reaches_the_server": mutant(CutsInSeconds),
    COPY: mutant(SharesItsConversation),
    "test_a_turn_that_the_server_hears_is_told_in_order_and_answered": mutant(ForgetsToCommit),
    "test_where_speech_has_ended_is_told_in_seconds_of_what_was_given": mutant(CountsTheSilence),
    "test_a_turn_that_the_program_ends_is_committed_and_answered": mutant(CommitsTwice),
    "test_what_the_user_has_said_is_told": mutant(TellsOfAnotherItem),
    "test_a_response_to_a_conversation_without_speech_is_given": mutant(NeedsSpeech),
    CALLED: mutant(CallsTwice, SEVERAL),
    SEVERAL: mutant(MakesOneCall),
    WRONG: mutant(ForgetsFailures),
    NONE: mutant(NeedsFunctions),
    "test_a_result_that_is_no_text_is_given_as_text": mutant(KeepsTheResult),
    "test_a_function_that_returns_nothing_asks_for_no_answer": mutant(TalksAboutNothing),
    "test_the_output_of_a_function_waits_until_the_agent_was_heard": mutant(TalksOver),
    "test_other_functions_reach_the_server": mutant(KeepsItsFunctions),
    AGAIN: mutant(GivesUpAtOnce, SILENT, SECRET),
    "test_a_lost_connection_is_told_and_another_one_is_as_good": mutant(ForgetsTheConversation),
    REFUSED: mutant(ForgivesRefusals),
    SILENT: mutant(IsPatient, SECRET),
    "test_a_conversation_cannot_be_set_where_the_session_is_over": mutant(TakesAnything),
    SECRET: mutant(ShowsItsKey),
    BEHIND: mutant(LeavesATask),
}


def good() -> Kit:
    return Kit(Tunable)
