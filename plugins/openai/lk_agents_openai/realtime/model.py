"""OpenAI's speech-to-speech models."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, Unpack

from lk_agents.foundation.secret import Secret
from lk_agents.foundation.types import DEFAULT_API_CONNECT_OPTIONS, NOT_GIVEN, NotGiven, NotGivenOr
from lk_agents.llm.chat_context import ChatContext
from lk_agents.realtime.model import RealtimeCapabilities
from lk_agents.realtime.model import RealtimeModel as Model
from lk_agents.streams.wire import open_websocket
from lk_agents.utils.http_context import HttpSessions
from lk_agents_openai.realtime.options import (
    DEFAULT_INPUT_AUDIO_TRANSCRIPTION,
    DEFAULT_SEMANTIC_VAD_OPTIONS,
    DEFAULT_SERVER_VAD_OPTIONS,
    RENEW_SECONDS,
    TOOL_SECONDS,
    AzureOptions,
    InputTranscriptionOptions,
    RealtimeExtras,
    RealtimeSessionOptions,
    SessionRules,
    TurnDetection,
)
from lk_agents_openai.realtime.place import azure_place, find_place
from lk_agents_openai.realtime.session import RealtimeSession

if TYPE_CHECKING:
    import aiohttp

    from lk_agents.llm import FunctionContext
    from lk_agents.llm.chunks import ToolChoice
    from lk_agents_openai.endpoint import Endpoint, TokenProvider
    from lk_agents_openai.realtime.api_proto import AudioFormat, Dialect, Modality, RealtimeModels, Voice

__all__ = ["RealtimeModel"]

PATH: Final = "/realtime"
MODEL: Final = "gpt-realtime"
OLDER_MODEL: Final = "gpt-4o-realtime-preview"
VOICE: Final = "marin"
OLDER_VOICE: Final = "alloy"
HEARTBEAT_SECONDS: Final = 10.0
"""Who is on the phone does not wait for longer to learn that nobody is there any more."""
OF_SESSION: Final = (
    "noise_reduction_type",
    "parallel_tool_calls",
    "reasoning_effort",
    "speed",
    "tracing",
    "truncation",
)


class RealtimeModel(Model):
    """A model that hears and speaks itself, at OpenAI, at Azure, or at one who speaks as they do.

    Azure is meant where ``azure_deployment``, ``entra_token`` or ``api_version`` is given; with an ``api_version`` the
    older dialect is spoken.

    :param instructions: how it is to behave.
    :param modalities: ``["text", "audio"]`` lets it speak, ``["text"]`` lets it write.
    :param model: by default ``gpt-realtime``.
    :param voice: whose voice it has; by default ``marin``.
    :param input_audio_format: ``"pcm16"``.
    :param output_audio_format: ``"pcm16"``.
    :param input_audio_transcription: how what the user says becomes text; None for not at all.
    :param turn_detection: how the server finds turns; None: it does not, the program says when one is over. By default
        by what is said (:class:`SemanticVadOptions`); in the older dialect, by silence (:class:`ServerVadOptions`).
    :param tool_choice: whether it may, must or must not call functions, or which it must call.
    :param temperature: of the older dialect only.
    :param max_response_output_tokens: how long an answer may be, 1 to 4096; ``"inf"`` for no limit.
    :param base_url: another address, up to ``/v1``.
    :param http_session: by default the job's; outside of a job one of its own, which :meth:`aclose` closes.
    :param loop: of no effect: a session runs in the loop in which it is made.
    :param azure_deployment: of Azure, the name of the deployment.
    :param entra_token: of Azure, a token instead of a key, or a function that provides one for each connection.
    :param api_key: by default ``OPENAI_API_KEY`` of the environment, or what it says.
    :param api_version: of Azure, the version of its interface.
    :param extras: see :class:`RealtimeExtras`.
    :raises ConfigError: there is no key, or a value cannot be used.
    :raises TypeError: there is no such option.
    """

    def __init__(
        self,
        *,
        instructions: str = "",
        modalities: Sequence[Modality] = ("text", "audio"),
        model: RealtimeModels | str | None = None,
        voice: Voice | str | None = None,
        input_audio_format: AudioFormat = "pcm16",
        output_audio_format: AudioFormat = "pcm16",
        input_audio_transcription: InputTranscriptionOptions | None = DEFAULT_INPUT_AUDIO_TRANSCRIPTION,
        turn_detection: NotGivenOr[TurnDetection] = NOT_GIVEN,
        tool_choice: ToolChoice | Literal["auto", "required", "none"] = "auto",
        temperature: float | None = None,
        max_response_output_tokens: int | Literal["inf"] = "inf",
        base_url: str | None = None,
        http_session: aiohttp.ClientSession | None = None,
        loop: asyncio.AbstractEventLoop | None = None,  # noqa: ARG002  see above
        azure_deployment: str | None = None,
        entra_token: str | Secret | TokenProvider | None = None,
        api_key: str | Secret | None = None,
        api_version: str | None = None,
        **extras: Unpack[RealtimeExtras],
    ) -> None:
        self._rules = _rules_of(extras, api_version)
        is_older = self._rules.dialect == "beta"
        self._opts = RealtimeSessionOptions(
            model=azure_deployment or model or (OLDER_MODEL if is_older else MODEL),
            modalities=tuple(modalities),
            instructions=instructions,
            voice=voice or (OLDER_VOICE if is_older else VOICE),
            input_audio_format=input_audio_format,
            output_audio_format=output_audio_format,
            input_audio_transcription=input_audio_transcription,
            turn_detection=_turns_of(turn_detection, is_older=is_older),
            tool_choice=tool_choice,
            temperature=temperature,
            max_response_output_tokens=max_response_output_tokens,
            **{name: value for name, value in extras.items() if name in OF_SESSION},  # type: ignore[arg-type]
        )
        self._place = find_place(
            base_url=base_url,
            api_key=api_key,
            azure_deployment=azure_deployment,
            entra_token=entra_token,
            api_version=api_version,
            dialect=self._rules.dialect,
        )
        self.provider = "azure" if azure_deployment or entra_token or api_version else "openai"
        self._http = HttpSessions(http_session)
        self._sessions: list[RealtimeSession] = []

    @staticmethod
    def with_azure(
        *,
        azure_deployment: str,
        azure_endpoint: str | None = None,
        api_version: str | None = None,
        api_key: str | Secret | None = None,
        entra_token: str | Secret | TokenProvider | None = None,
        base_url: str | None = None,
        **options: Unpack[AzureOptions],
    ) -> RealtimeModel:
        """Build a model that Azure runs.

        What is given comes before the environment: ``AZURE_OPENAI_ENDPOINT``, ``OPENAI_API_VERSION`` and
        ``AZURE_OPENAI_API_KEY``.

        :param base_url: in place of ``azure_endpoint``, with all its path.
        :param options: those of the constructor. ``dialect="ga"`` is for deployments that are spoken with as OpenAI is,
            and have no version.
        :raises ConfigError: the address, the version or the credential is missing, or the address is given twice.
        """
        dialect: Dialect = options.get("dialect") or "beta"
        options["dialect"] = dialect
        place = azure_place(
            azure_endpoint=azure_endpoint,
            api_version=api_version,
            api_key=api_key,
            entra_token=entra_token,
            base_url=base_url,
            dialect=dialect,
        )
        return RealtimeModel(
            azure_deployment=azure_deployment,
            api_version=place.api_version,
            api_key=place.api_key,
            entra_token=entra_token,
            base_url=place.base_url,
            **options,
        )

    @property
    def capabilities(self) -> RealtimeCapabilities:
        """It keeps items that can be cut, and hears and speaks at 24 kHz."""
        return RealtimeCapabilities(supports_truncate=True)

    @property
    def model(self) -> str:
        """Its name; of Azure, the deployment's."""
        return self._opts.model

    @property
    def sessions(self) -> list[RealtimeSession]:
        """The sessions that are not over."""
        return list(self._sessions)

    def session(
        self,
        *,
        chat_ctx: ChatContext | None = None,
        fnc_ctx: FunctionContext | None = None,
        modalities: Sequence[Modality] | None = None,
        instructions: str | None = None,
        voice: Voice | str | None = None,
        input_audio_format: AudioFormat | None = None,
        output_audio_format: AudioFormat | None = None,
        tool_choice: ToolChoice | Literal["auto", "required", "none"] | None = None,
        input_audio_transcription: NotGivenOr[InputTranscriptionOptions | None] = NOT_GIVEN,
        turn_detection: NotGivenOr[TurnDetection] = NOT_GIVEN,
        temperature: float | None = None,
        max_response_output_tokens: int | Literal["inf"] | None = None,
    ) -> RealtimeSession:
        """Begin a conversation: builds the session and starts to connect. Needs a running event loop.

        :param chat_ctx: the conversation so far; the session begins with a copy of it.
        :param fnc_ctx: the functions that the model may call.

        The other options replace those of the model for this session.

        :raises ConfigError: a value cannot be used.
        """
        given = {
            "modalities": modalities,
            "instructions": instructions,
            "voice": voice,
            "input_audio_format": input_audio_format,
            "output_audio_format": output_audio_format,
            "tool_choice": tool_choice,
            "input_audio_transcription": input_audio_transcription,
            "turn_detection": turn_detection,
            "temperature": temperature,
            "max_response_output_tokens": max_response_output_tokens,
        }
        session = RealtimeSession(
            opts=self._opts.changed(given),
            rules=self._rules,
            connect=partial(_open, self._place, self._http, self._opts.model, self._rules, self.label),
            chat_ctx=ChatContext() if chat_ctx is None else chat_ctx,
            fnc_ctx=fnc_ctx,
            label=self.label,
            provider=self.provider,
        )
        self._sessions.append(session)
        session.on("closed", partial(self._forget, session))
        return session

    async def aclose(self) -> None:
        """Close all sessions; any number of times."""
        for session in self.sessions:
            await session.aclose()
        await self._http.aclose()

    def _forget(self, session: RealtimeSession) -> None:
        if session in self._sessions:
            self._sessions.remove(session)


def _turns_of(given: NotGivenOr[TurnDetection], *, is_older: bool) -> TurnDetection:
    if isinstance(given, NotGiven):
        return DEFAULT_SERVER_VAD_OPTIONS if is_older else DEFAULT_SEMANTIC_VAD_OPTIONS
    return given


def _rules_of(extras: RealtimeExtras, api_version: str | None) -> SessionRules:
    """Return how sessions are held.

    :raises ConfigError: a value cannot be used.
    :raises TypeError: there is no such option.
    """
    if unknown := extras.keys() - RealtimeExtras.__annotations__.keys():
        raise TypeError(f"RealtimeModel has no option {min(unknown)!r}")
    return SessionRules(
        dialect=extras.get("dialect") or ("beta" if api_version else "ga"),
        conn_options=extras.get("conn_options", DEFAULT_API_CONNECT_OPTIONS),
        renew_seconds=extras.get("renew_seconds", RENEW_SECONDS),
        tool_timeout=extras.get("tool_timeout", TOOL_SECONDS),
    )


async def _open(
    place: Endpoint, http: HttpSessions, model: str, rules: SessionRules, label: str
) -> aiohttp.ClientWebSocketResponse:
    """Open a socket.

    :raises APIError: it cannot be opened.
    """
    headers = await place.authorization()
    if rules.dialect == "beta":
        headers["OpenAI-Beta"] = "realtime=v1"
    query = list(place.query)
    if "deployment" not in dict(query):
        query.append(("model", model))
    return await open_websocket(
        http.get(),
        place.socket_url(PATH),
        headers=headers,
        timeout_seconds=rules.conn_options.timeout,
        provider=label,
        params=query,
        request_id_header="x-request-id",
        heartbeat_seconds=HEARTBEAT_SECONDS,
    )
