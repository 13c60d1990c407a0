"""One conversation with a model that hears and speaks itself: joins it with what plays, shows and watches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from lk_agents.foundation import clock
from lk_agents.foundation.errors import APIError, APITimeoutError
from lk_agents.foundation.ids import short_id
from lk_agents.foundation.log import logger
from lk_agents.multimodal.ear import ModelEar
from lk_agents.multimodal.items import Items
from lk_agents.multimodal.local_turns import LocalTurns
from lk_agents.multimodal.model_events import ModelEvents, as_error
from lk_agents.multimodal.responses import Responses
from lk_agents.multimodal.transcripts import Transcripts
from lk_agents.multimodal.turn_taking import TurnTaking
from lk_agents.utils.aio.tasks import cancel_and_wait
from lk_agents.voice import announce
from lk_agents.voice import signals as s
from lk_agents.voice.attention import Attention
from lk_agents.voice.conversation import SessionError, Talk
from lk_agents.voice.driver import TurnDriver
from lk_agents.voice.first_aid import FirstAid
from lk_agents.voice.floor import Phase
from lk_agents.voice.records import SessionInfo
from lk_agents.voice.saying import Saying
from lk_agents.voice.speeches import Speeches
from lk_agents.voice.surrounded import SurroundedSession
from lk_agents.voice.turn import THINKING_DELAY_SECONDS, TurnMachine
from lk_agents.voice.turn_reports import TurnReports
from lk_agents.voice.watchdog import Watchdog

if TYPE_CHECKING:
    from lk_agents.llm import ChatContext, FunctionContext
    from lk_agents.media.session_io import SessionIO
    from lk_agents.multimodal.api import _RealtimeAPI
    from lk_agents.multimodal.settings import MultimodalOptions
    from lk_agents.voice.live_speech import LiveSpeech
    from lk_agents.voice.watchdog import DeadAir

__all__ = ["MultimodalSession"]

DEFAULT_RATE: Final = 24_000
SYNC_SECONDS: Final = 30.0
"""How long the first context may take to reach the model."""
CLOSE_SECONDS: Final = 5.0
_STAGES_OF_THE_MODEL: Final = frozenset({"llm", "tts"})
_INAUDIBLE: Final = frozenset({Phase.PREPARING, Phase.SILENT})


class MultimodalSession(SurroundedSession):
    """One conversation. Build it in a running event loop, then :meth:`run` it; :meth:`aclose` ends it.

    What happens is told by ``emit``, with the names of the agent's events.

    :param agent: whom programs know.
    :param emit: tells the program; it must not raise.
    """

    def __init__(
        self,
        agent: Any,
        *,
        model: _RealtimeAPI,
        options: MultimodalOptions,
        chat_ctx: ChatContext | None,
        fnc_ctx: FunctionContext | None,
        io: SessionIO,
        emit: Callable[..., None],
        room_name: str = "",
    ) -> None:
        super().__init__(io, emit)
        self._label = getattr(model, "label", type(model).__name__)
        self._room_name = room_name
        self._playout_complete = asyncio.Event()
        self._playout_complete.set()
        self.model = model.session(chat_ctx=chat_ctx, fnc_ctx=fnc_ctx)
        """The model's side of it."""
        self.model.playout_complete = self._playout_complete
        self._talk = Talk(agent, options, io, self._tell, self._post)
        self._machine = TurnMachine(options.turn, new_id=_new_id)
        self._driver = TurnDriver(self._machine, self._execute, on_handled=self._watch_user)
        self._reports = TurnReports(emit)
        watchdog = Watchdog(timeout_seconds=options.dead_air_timeout)
        self._attention = Attention(watchdog, on_alarm=self._alarm, heard=lambda: self._speeches.heard)
        self._rate = getattr(model.capabilities, "output_audio_sample_rate", DEFAULT_RATE)
        truncates = model.capabilities.supports_truncate
        self._items = Items(self._talk, self.model, truncates=truncates, sample_rate=self._rate)
        self._speeches = self._plays()
        self.transcripts = Transcripts(io, options.transcription)
        """What is shown of what is told as text."""
        input_rate = model.capabilities.input_audio_sample_rate or DEFAULT_RATE
        self._ear = ModelEar(self.model._push_audio, sample_rate=input_rate)  # noqa: SLF001  its protocol
        self.responses = self._brings_responses()
        """Which reply each response is."""
        self.turns = self._takes_turns(truncates=truncates)
        """Who speaks when."""
        self._local = self._decides_itself(options)
        self._first_aid = self._helper()
        self._events = ModelEvents(self, self._items, emit, max_text_retries=options.max_text_response_retries)

    def _plays(self) -> Speeches:
        return Speeches(
            self._talk,
            self._attention,
            commits=self._items,
            on_silent=self._audio_over,
            on_finished=self._finished,
        )

    def _brings_responses(self) -> Responses:
        return Responses(
            self._talk,
            self._speeches,
            self._attention,
            items=self._items,
            reports=self._reports,
            floor=self._machine.floor,
            on_waiting=lambda: self._state.set("thinking", delay_seconds=THINKING_DELAY_SECONDS),
        )

    def _takes_turns(self, *, truncates: bool) -> TurnTaking:
        return TurnTaking(
            self._talk,
            self.model,
            ear=self._ear,
            responses=self.responses,
            attention=self._attention,
            floor=self._machine.floor,
            state=self._state,
            truncates=truncates,
        )

    def _decides_itself(self, options: MultimodalOptions) -> LocalTurns | None:
        if options.vad is None or self.model.server_vad_enabled:
            return None
        return LocalTurns(
            self._talk,
            self.model,
            vad=options.vad,
            options=options,
            machine=self._machine,
            speeches=self._speeches,
            responses=self.responses,
            stop=self.turns.stop_server,
        )

    def _helper(self) -> FirstAid:
        saying = Saying(self._talk, self._speeches, self._attention, machine=self._machine, new_id=_new_id)
        return FirstAid(
            self._talk,
            self._speeches,
            self._attention,
            restart_stt=lambda: None,  # nobody listens here but the model
            retry=self.turns.ask_again,
            say=saying.say_recorded,
            end=self.end,
            measure=self._reports.dead_air,
        )

    # --- its life ----------------------------------------------------------------------------------------------------

    async def run(self) -> str:
        """Hold the conversation until its surroundings are over, or it is closed; returns why, in words.

        :raises PlayoutError: the agent cannot be made hearable.
        """
        if not await self._start(sample_rate=self._rate, num_channels=1):
            return self._ending.result()
        tasks = [
            self._keep_on(self._hear(), name="lk-ear"),
            self._keep_on(self._await_end(), name="lk-end"),
        ]
        try:
            if not await self._synchronise():
                return self._ending.result()
            self._events.begin()
            self._state.set("listening")
            self._ear.open()
            announce.session_started(self._info())
            self._attention.audience(present=False)
            tasks.append(self._keep_on(self._read_messages(), name="lk-messages"))
            tasks.append(self._keep_on(self._await_audience(), name="lk-audience"))
            return await asyncio.shield(self._ending)
        finally:
            await cancel_and_wait(*tasks)

    async def _close(self) -> None:
        self.end("closed")
        self._events.close()
        self._attention.close()
        if self._local is not None:
            await self._local.aclose()
        self._driver.post(s.InterruptAll(clock.monotonic()))
        self._driver.close()
        await self._first_aid.aclose()
        await self._speeches.aclose()
        if (aclose := getattr(self.model, "aclose", None)) is not None:
            await _let_go(aclose(), label=self._label)
        await self.transcripts.aclose()
        await self._leave()

    async def _synchronise(self) -> bool:
        """Wait until the model has the first context, and tell whether it has; else the conversation is over."""
        sync: asyncio.Future[Any] = asyncio.ensure_future(self.model._init_sync_task)  # noqa: SLF001  its protocol
        either: list[asyncio.Future[Any]] = [sync, self._ending]
        await asyncio.wait(either, timeout=SYNC_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if self._ending.done():
            return False
        error: BaseException | None
        if not sync.done():
            error = APITimeoutError(f"the model has not taken the context within {SYNC_SECONDS:g} s")
        else:
            error = APIError("the model was closed") if sync.cancelled() else sync.exception()
        if error is not None:
            self.model_closed(error)
        return error is None

    # --- for the program ---------------------------------------------------------------------------------------------

    def model_closed(self, error: BaseException | None = None) -> None:
        """The session does not go on: the conversation is over."""
        problem = as_error(error)
        self._emit("error", SessionError("realtime", problem))
        self.end(f"the session of {self._label} has ended: {problem}")

    # --- speeches ----------------------------------------------------------------------------------------------------

    def _post(self, event: s.Input) -> None:
        self._driver.post(event)

    def _watch_user(self, event: s.Input) -> None:
        if self._local is not None:
            self._local.watch(event, self._attention)

    def _alarm(self, alarm: DeadAir) -> None:
        self._first_aid.alarm(alarm)

    def _execute(self, command: s.Command) -> None:
        match command:
            case s.ShowState(state, delay):
                self._state.set(state, delay_seconds=delay)
                if state == "listening" and self.responses.are_waited_for:
                    self._state.set("thinking", delay_seconds=THINKING_DELAY_SECONDS)
            case s.PlaySpeech(speech):
                self._speeches.play(speech)
            case s.StopSpeech(speech) | s.DropSpeech(speech):
                if self._local is not None:
                    self._local.ends(speech)
                (self._speeches.stop if isinstance(command, s.StopSpeech) else self._speeches.drop)(speech)
            case _ if self._local is not None:
                self._local.execute(command)

    def _finished(self, live: LiveSpeech) -> None:
        self._reports.speech_over(live)
        if live.given_up is not None:
            self.turns.gave_up(live)
        self.responses.over(live)
        self._items.unheard(live)
        self._note_playout()
        if self._speeches.heard is None and not self.responses.are_waited_for:
            self._state.set("listening")

    def _tell(self, event: str, *told: Any) -> None:
        """Pass on what speeches tell."""
        if event == "agent_started_speaking":
            self._playout_complete.clear()
        elif event == "error" and told[0].stage in _STAGES_OF_THE_MODEL:
            told = (replace(told[0], stage="realtime"),)
        self._emit(event, *told)

    def _audio_over(self, live: LiveSpeech) -> bool:
        self._note_playout()
        return self.responses.goes_on(live)

    def _note_playout(self) -> None:
        """Let functions go on that wait until the agent has said what it has to say."""
        if all(entry.phase in _INAUDIBLE for entry in self._machine.floor):
            self._playout_complete.set()

    # --- the surroundings --------------------------------------------------------------------------------------------

    async def _hear(self) -> None:
        inputs = self._io.audio_inputs()
        await (self._ear.run(inputs) if self._local is None else self._local.run(inputs, tap=self._ear.take))

    async def _await_audience(self) -> None:
        await self._io.wait_for_listener()
        self._attention.audience(present=True)
        self._speeches.audience_came()

    async def _read_messages(self) -> None:
        async for message in self._io.text:
            self._emit("user_message_received", message)
            try:
                await self.turns.answer(message.text)
            except Exception as error:  # noqa: BLE001  of the model; the agent listens on
                logger.warning("a message could not be given to the model", extra={"error": type(error).__name__})
                self._emit("error", SessionError("realtime", error))

    def _info(self) -> SessionInfo:
        return SessionInfo(id=self.id, room_name=self._room_name, participant=self._io.user or "", llm=self._label)


def _new_id() -> str:
    return short_id("SP_")


async def _let_go(closing: Coroutine[Any, Any, None], *, label: str) -> None:
    """Close the model's side, whatever it does; the rest must be closed as well."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await closing
    except TimeoutError:
        logger.warning("a session of a model does not close", extra={"provider": label})
    except Exception:  # noqa: BLE001  see above
        logger.exception("a session of a model failed while it was closed", extra={"provider": label})
