"""Who speaks when: the server hears when the user does, or the program says so; the model answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lk_agents.foundation import clock
from lk_agents.foundation.log import logger
from lk_agents.voice import signals as s
from lk_agents.voice.conversation import SessionError
from lk_agents.voice.watchdog import UserState

if TYPE_CHECKING:
    from lk_agents.multimodal.api import _RealtimeAPISession
    from lk_agents.multimodal.ear import ModelEar
    from lk_agents.multimodal.responses import Responses
    from lk_agents.realtime.model import OnDuplicate
    from lk_agents.voice.attention import Attention
    from lk_agents.voice.conversation import Talk
    from lk_agents.voice.floor import Floor
    from lk_agents.voice.live_speech import LiveSpeech
    from lk_agents.voice.state_show import StateShow

__all__ = ["TurnTaking"]


class TurnTaking:
    """Ends what the agent says when the user speaks, and lets the model answer when the user has finished.

    :param model: the model's side of the conversation.
    :param floor: the line of speeches.
    :param truncates: whether the server can be told to stop.
    """

    def __init__(
        self,
        talk: Talk,
        model: _RealtimeAPISession,
        *,
        ear: ModelEar,
        responses: Responses,
        attention: Attention,
        floor: Floor,
        state: StateShow,
        truncates: bool,
    ) -> None:
        self._talk = talk
        self._model = model
        self._ear = ear
        self._responses = responses
        self._attention = attention
        self._floor = floor
        self._state = state
        self._truncates = truncates
        self._user_speaks = False
        self._committed_seconds = 0.0

    # --- for the program ---------------------------------------------------------------------------------------------

    def interrupt(self) -> None:
        """Fall silent at once; nothing of what the model was saying, or was asked to say, is heard any more."""
        if len(self._floor):
            self.stop_server()
        self._responses.forget()
        self._talk.post(s.InterruptAll(clock.monotonic()))
        self._state.set("listening")

    def generate_reply(self, on_duplicate: OnDuplicate) -> None:
        """Let the model say something; where the server does not hear when the user has finished, the turn is over."""
        if not self._model.server_vad_enabled and self._ear.given_seconds > self._committed_seconds:
            self._committed_seconds = self._ear.given_seconds
            self._model.commit_audio_buffer()
        if on_duplicate == "cancel_existing" and len(self._floor):
            self.interrupt()
        if on_duplicate != "cancel_new" or not len(self._floor):
            self._responses.expect()
        self._model.create_response(on_duplicate)

    async def answer(self, text: str) -> None:
        """Let the model answer what the user has written.

        :raises Exception: the model does not take it.
        """
        if not text.strip():
            return
        self.interrupt()
        self._responses.begin_turn()
        await self._model.set_chat_ctx(self._model.chat_ctx_copy().append(text=text.strip(), role="user"))
        self._responses.expect()
        self._model.create_response("cancel_existing")

    # --- what the session tells --------------------------------------------------------------------------------------

    def user_started(self) -> None:
        """The user speaks."""
        self._ear.speech_started()
        self._responses.begin_turn()
        self._user(speaking=True)
        self.interrupt()

    def user_stopped(self, spoken_until: float | None = None) -> None:
        """The user does not speak any more, and expects an answer.

        :param spoken_until: where the last sample of speech lies in the audio that the model was given, in seconds.
        """
        self._ear.speech_stopped()
        self._user(speaking=False)
        if getattr(self._model, "creates_responses", self._model.server_vad_enabled):
            spoken_at = clock.monotonic() if spoken_until is None else self._ear.spoken_at(spoken_until)
            self._responses.expect(last_speech_at=spoken_at)

    def connection_lost(self, error: Exception | None = None) -> None:
        """The session gets another connection; what it says at present is over."""
        self._ear.hold()
        self._responses.forget()
        self._talk.emit("reconnecting", error)

    def connected_again(self) -> None:
        """It has one: whatever is waited for is asked for again."""
        if self._responses.are_to_be_asked_for:
            self._model.create_response("cancel_existing")
        self._ear.open_again()  # what was said meanwhile may be a turn of its own
        self._talk.emit("reconnected")

    def ask_again(self, live: LiveSpeech) -> None:
        """Ask once more for a reply of which nothing has come."""
        if live.utterance is None and not self._responses.goes_on(live):
            self._responses.withdraw(live)
            self._attention.restarted(live)
            try:
                self._model.create_response("cancel_existing")
            except Exception as error:  # noqa: BLE001  of the model; the watchdog gives it up in time
                logger.warning("the model cannot be asked again", extra={"error": type(error).__name__})
                self._talk.emit("error", SessionError("realtime", error, live.id))

    def gave_up(self, live: LiveSpeech) -> None:
        """A reply is not waited for any more: whatever comes of it is not heard."""
        self._responses.withdraw(live)
        self.stop_server()

    def stop_server(self) -> None:
        """Tell the server to stop, if it can be told."""
        if self._truncates:
            self._model.cancel_response()

    def _user(self, *, speaking: bool) -> None:
        if speaking != self._user_speaks:
            self._user_speaks = speaking
            self._talk.emit("user_started_speaking" if speaking else "user_stopped_speaking")
        self._attention.user(UserState(turn=self._responses.turn, speaking=speaking))
