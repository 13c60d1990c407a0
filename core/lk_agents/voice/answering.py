"""Functions that a speech has called, and the speech that tells what came of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from lk_agents.foundation import clock
from lk_agents.foundation.log import logger
from lk_agents.llm.stream import LLMStream
from lk_agents.voice import history, tools
from lk_agents.voice import signals as s
from lk_agents.voice.call_context import AgentCallContext
from lk_agents.voice.conversation import SessionError
from lk_agents.voice.signals import SpeechKind
from lk_agents.voice.speech_handle import AnsweredCalls
from lk_agents.voice.stages import Stage

if TYPE_CHECKING:
    from lk_agents.llm import ChatMessage
    from lk_agents.voice.attention import Attention
    from lk_agents.voice.conversation import Conversation
    from lk_agents.voice.live_speech import LiveSpeech
    from lk_agents.voice.speeches import Speeches

__all__ = ["Answering"]


class Answering:
    """Makes the calls of a speech whose audio is over, and lets the model tell about them.

    :param speeches: where the answer becomes a speech.
    :param is_wanted: tells whether the answer to a speech's functions is still waited for.
    """

    def __init__(
        self,
        conversation: Conversation,
        speeches: Speeches,
        attention: Attention,
        *,
        is_wanted: Callable[[str], bool],
        new_id: Callable[[], str],
    ) -> None:
        self._conversation = conversation
        self._speeches = speeches
        self._attention = attention
        self._is_wanted = is_wanted
        self._new_id = new_id
        options = conversation.options
        self._runner = tools.ToolRunner(timeout_seconds=options.tool_timeout, serial=options.serial_tools)

    def take(self, live: LiveSpeech) -> bool:
        """Make the calls of a speech, if it has any; tells whether it has."""
        if live.utterance is None or not live.utterance.function_calls:
            return False
        live.task = asyncio.get_running_loop().create_task(self._attend(live), name=f"lk-functions {live.id}")
        return True

    async def aclose(self) -> None:
        """Let functions that run come to their end, for some seconds. Any number of times."""
        await self._runner.aclose()

    async def _attend(self, live: LiveSpeech) -> None:
        """Whatever happens to its functions, the speech comes to its end."""
        utterance = live.utterance
        assert utterance is not None
        assert utterance.outcome is not None
        try:
            await self._run(live)
        except Exception as error:  # noqa: BLE001  of a provider; the agent listens again
            logger.exception("the answer to functions has failed", extra={"speech": live.id})
            self._conversation.emit("error", SessionError("llm", error, live.id))
        self._speeches.conclude(live, utterance.outcome, utterance.error)

    async def _run(self, live: LiveSpeech) -> None:
        utterance, handle = live.utterance, live.handle
        assert utterance is not None
        calls, text = utterance.function_calls, utterance.played_text
        depth_is_reached = not tools.may_run_calls(
            handle.fnc_nested_depth, self._conversation.options.max_nested_fnc_calls
        )
        if depth_is_reached or handle.interrupted:
            if depth_is_reached:
                logger.warning(
                    "functions are not called: max_nested_fnc_calls is reached",
                    extra={"depth": handle.fnc_nested_depth, "calls": len(calls)},
                )
            self._remember(live, history.call_messages(tools.cancelled_calls(calls), text=text))
        else:
            self._conversation.emit("function_calls_collected", calls)
            context = AgentCallContext(self._conversation.agent, self._stream_of(live), speech_id=live.id)
            with live.span.active():
                results = await self._runner.run_calls(
                    calls, context=context, on_stage=lambda stage, at: self._stage(live, stage, at)
                )
            messages = history.call_messages(results, text=text)
            called = tools.called_functions(results)
            if tools.wants_answer(results) and self._is_wanted(live.id):
                self._answer(live, messages, context)
            else:
                self._remember(live, messages)
            self._conversation.emit("function_calls_finished", called)

    def _answer(self, live: LiveSpeech, messages: list[ChatMessage], context: AgentCallContext) -> None:
        talk, before = self._conversation, live.handle
        depth = before.fnc_nested_depth + 1
        answer = self._speeches.create(
            self._new_id(),
            SpeechKind.ANSWER,
            turn=live.turn,
            allow_interruptions=before.allow_interruptions,
            add_to_chat_ctx=before.add_to_chat_ctx,
            answers=AnsweredCalls(depth=depth, messages=messages, text_message_id=live.text_message_id),
        )
        answer.waterfall, answer.span = live.waterfall, live.span
        asked = self._stream_of(live)
        offers = tools.may_offer_functions(depth, talk.options.max_nested_fnc_calls, talk.providers.llm.capabilities)

        async def recipe() -> LLMStream:
            chat_ctx = history.answer_context(asked.chat_ctx, messages, context.extra_chat_messages)
            return talk.providers.llm.chat(chat_ctx=chat_ctx, fnc_ctx=asked.fnc_ctx if offers else None)

        answer.recipe = recipe
        before.add_nested_speech(answer.handle)
        self._attention.due(answer)
        self._speeches.prepare(answer)
        talk.post(
            s.SpeechAdded(clock.monotonic(), answer.id, SpeechKind.ANSWER, before.allow_interruptions, parent=live.id)
        )

    def _remember(self, live: LiveSpeech, messages: list[ChatMessage]) -> None:
        handle = live.handle
        if handle.add_to_chat_ctx and (not handle.user_question or handle.user_committed):
            history.insert_calls(self._conversation.chat_ctx, messages, text_message_id=live.text_message_id)

    def _stage(self, live: LiveSpeech, stage: Stage, at: float) -> None:
        if stage is Stage.TOOL_STARTED:
            self._attention.tool_started(live)
            if live.waterfall is not None:
                live.waterfall.tool_started(at)
        elif stage is Stage.TOOL_FINISHED:
            self._attention.tool_finished(live, at)
            if live.waterfall is not None:
                live.waterfall.tool_finished(at)

    @staticmethod
    def _stream_of(live: LiveSpeech) -> LLMStream:
        source = live.handle.source
        assert isinstance(source, LLMStream), "only a model asks for calls"
        return source
