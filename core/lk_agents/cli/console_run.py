"""Runs one job at the console: in this process, without a server, its conversation at microphone, speaker, keyboard."""

from __future__ import annotations

import asyncio
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from rich.console import Console

from lk_agents.cli.command import Invocation
from lk_agents.cli.console_host import ConsoleHost
from lk_agents.cli.console_screen import ConsoleScreen
from lk_agents.cli.loaded_plugins import load_plugins
from lk_agents.cli.logging_setup import TURN_FINISHED, is_terminal, level_plugin_loggers, set_up_logging
from lk_agents.cli.run import flush_output
from lk_agents.cli.serve import FAILED, FINE, Ended
from lk_agents.cli.signals import StopSignals, end_now
from lk_agents.cli.turn_table import turn_table
from lk_agents.foundation.errors import LkAgentsError, PlayoutError
from lk_agents.foundation.ids import short_id
from lk_agents.foundation.log import logger
from lk_agents.foundation.settings import Settings
from lk_agents.hooks.discovery import require_known
from lk_agents.media.console import (
    USER,
    ConsoleSessionIO,
    EchoCanceller,
    FileSink,
    FileSource,
    Keyboard,
    Microphone,
    NoSink,
    NoSource,
    Speaker,
    TypedLines,
    read_wav,
)

if TYPE_CHECKING:
    from livekit import rtc

    from lk_agents.hooks.registry import PluginRegistry
    from lk_agents.job.context import JobContext
    from lk_agents.job.local_room import LocalRoom
    from lk_agents.job.process import JobProcess
    from lk_agents.job.runner import JobRunner
    from lk_agents.job.spec import JobOutcome, JobSpec
    from lk_agents.media.console import VoiceSink, VoiceSource
    from lk_agents.media.surroundings import SessionRequest
    from lk_agents.voice.records import TurnRecord
    from lk_agents.worker.options import WorkerOptions

__all__ = ["ConsoleWishes", "run_console"]

ROOM: Final = "console"
_FORCED_SECONDS: Final = 2.0
"""How long a second Ctrl-C leaves the conversation to end."""
_PLAIN_WIDTH: Final = 160
_PLUGIN_NAME: Final = "lk-agents console"


@dataclass(frozen=True, kw_only=True)
class ConsoleWishes:
    """What the command line asks for.

    :param text: the user types, and nobody hears the agent.
    :param source: a file that speaks in the user's place.
    :param sink: a file that the agent speaks into.
    :param record: a file for both voices.
    :param end_silence: how many seconds of silence end a conversation with a file or a pipe.
    :param begin_within: how many seconds behind the end of a pipe a conversation may begin.
    """

    text: bool = False
    source: Path | None = None
    sink: Path | None = None
    record: Path | None = None
    input_device: str | None = None
    output_device: str | None = None
    echo_cancellation: bool = True
    end_silence: float = 5.0
    begin_within: float = 30.0

    @property
    def needs_microphone(self) -> bool:
        """Whether the user speaks into a microphone."""
        return not self.text and self.source is None

    @property
    def needs_speaker(self) -> bool:
        """Whether the agent is heard from a speaker: of a file that speaks, only the words are shown."""
        return self.needs_microphone and self.sink is None


def run_console(call: Invocation, wishes: ConsoleWishes) -> int:
    """Run the job until it ends or somebody asks it to stop; return the exit code.

    :raises ConfigError: options, or the input file, cannot work.
    :raises PluginError: a plugin that is named in options or environment is broken or unknown.
    """
    options = call.options
    assert options is not None, "the commands that come here have loaded the file"
    settings = Settings.read()
    handler = set_up_logging(
        call.params["log_level"], call.params["log_format"], call.redactor, no_color=settings.no_color
    )
    registry = load_plugins(options)
    require_known(registry.plugins(), registry.settings)
    level_plugin_loggers(call.params["log_level"])
    audio = None if wishes.source is None else read_wav(wishes.source)
    screen = _screen(settings)
    if handler is not None:
        handler.addFilter(screen.before_log)
        if is_terminal(sys.stderr):
            handler.addFilter(lambda record: record.msg != TURN_FINISHED)  # the table is printed below
    registry.add_own({"lk_agents_turn_finished": _TurnPrinter(screen)}, name=_PLUGIN_NAME)
    ended = _ConsoleRun(options, wishes, registry, screen, audio).run()
    screen.clear()
    flush_output()
    if ended.forced:
        logging.shutdown()
        end_now()
    return ended.code


class _TurnPrinter:
    """The hook that shows where the time of each turn went."""

    def __init__(self, screen: ConsoleScreen) -> None:
        self._screen = screen

    def __call__(self, record: TurnRecord) -> None:
        self._screen.print(turn_table(record))


def _screen(settings: Settings) -> ConsoleScreen:
    live = is_terminal(sys.stdout) and not Console().is_dumb_terminal
    return ConsoleScreen(sys.stdout, live=live, width=None if live else _PLAIN_WIDTH, no_color=settings.no_color)


def _prewarmed(options: WorkerOptions, registry: PluginRegistry) -> JobProcess:
    """Do what a process does before it is given a job.

    :raises Exception: whatever the user's function or a plugin raises.
    """
    from lk_agents.hooks.current import use_registry
    from lk_agents.hooks.invoke import run_each
    from lk_agents.job.process import JobExecutorType, JobProcess

    process = JobProcess(
        user_arguments=options.job_user_arguments,
        executor_type=JobExecutorType.THREAD,
        on_progress=lambda text: logger.info("prewarm", extra={"progress": text}),
    )
    with use_registry(registry):
        run_each(registry, "lk_agents_prewarm", proc=process)
        options.prewarm_fnc(process)
    return process


def _job() -> tuple[JobSpec, LocalRoom]:
    from livekit.protocol.agent import Job
    from livekit.protocol.models import Room

    from lk_agents.job.local_room import LocalRoom, Participant
    from lk_agents.job.spec import AcceptArguments, JobSpec

    job_id = short_id("console-")
    identity, sid = f"agent-{job_id}", short_id("RM_")
    job = Job(id=job_id, room=Room(name=ROOM, sid=sid))
    spec = JobSpec(
        job_id=job_id,
        job=job.SerializeToString(),
        url="console:",
        token="",
        worker_id="console",
        accept=AcceptArguments(identity=identity),
        fake_job=True,
    )
    return spec, LocalRoom(ROOM, sid=sid, identity=identity, others=[Participant(USER)])


class _ConsoleRun:
    """One job, its loop, its signals, and the conversations that it has one after the other."""

    def __init__(
        self,
        options: WorkerOptions,
        wishes: ConsoleWishes,
        registry: PluginRegistry,
        screen: ConsoleScreen,
        audio: bytes | None,
    ) -> None:
        self._options = options
        self._wishes = wishes
        self._registry = registry
        self._screen = screen
        self._audio = audio
        self._signals = StopSignals()
        self._lines: TypedLines | None = None
        self._identity = ""
        self._runner: JobRunner | None = None
        self._conversations: list[tuple[ConsoleSessionIO, asyncio.Task[None]]] = []
        self._entered = False
        self._gave_up = False
        self._news = asyncio.Event()
        """Set when a conversation begins or ends, and when the entrypoint has returned."""

    def run(self) -> Ended:
        """Warm up, then run the job on an event loop of its own."""
        try:
            process = _prewarmed(self._options, self._registry)
        except LkAgentsError:
            raise
        except Exception:  # noqa: BLE001  the user's code: it is shown, and nothing can run
            logger.exception("prewarm_fnc, or a plugin's prewarm hook, failed")
            return Ended(FAILED)
        with self._signals:
            runner = asyncio.Runner()
            ended = Ended(FAILED)
            try:
                ended = runner.run(self._main(process))
            finally:
                if not ended.forced:  # threads that a forced end left behind may never come back
                    runner.close()
        return ended

    async def _main(self, process: JobProcess) -> Ended:
        from lk_agents.job.runner import JobRunner
        from lk_agents.media.surroundings import use_session_io

        self._signals.attach()
        self._lines = self._open_lines()
        spec, room = _job()
        self._identity = spec.accept.identity
        self._runner = JobRunner(
            spec,
            process=process,
            entrypoint=self._entrypoint,
            host=ConsoleHost(self._registry),
            registry=self._registry,
            shutdown_seconds=self._options.shutdown_process_timeout,
            room_factory=lambda _: cast("rtc.Room", room),
        )
        with use_session_io(self._surroundings):
            job = asyncio.create_task(self._runner.run(), name=f"job {spec.job_id}")
        unread = asyncio.create_task(self._watch_lines(), name="console-lines")
        try:
            return await self._until_over(self._runner, job)
        finally:
            unread.cancel()
            await asyncio.wait({unread})
            await self._close_conversations()

    async def _entrypoint(self, ctx: JobContext) -> None:
        try:
            await self._options.entrypoint_fnc(ctx)
        finally:
            self._entered = True
            self._news.set()

    async def _until_over(self, runner: JobRunner, job: asyncio.Task[JobOutcome]) -> Ended:
        asked = asyncio.create_task(self._signals.asked.wait(), name="stop-asked")
        forced = asyncio.create_task(self._signals.forced.wait(), name="stop-forced")
        try:
            await asyncio.wait({job, asked}, return_when=asyncio.FIRST_COMPLETED)
            if not job.done():
                runner.stop("asked to stop at the console")
                await asyncio.wait({job, forced}, return_when=asyncio.FIRST_COMPLETED)
            if not job.done():
                logger.warning("asked to stop a second time: ending at once")
                job.cancel()
                await asyncio.wait({job}, timeout=_FORCED_SECONDS)
                return Ended(FAILED, forced=True)
            return Ended(FINE if job.result().success and not self._gave_up else FAILED)
        finally:
            for task in (asked, forced):
                task.cancel()
            await asyncio.wait({asked, forced})

    # --- conversations
    @property
    def _has_conversation(self) -> bool:
        return any(not following.done() for _, following in self._conversations)

    async def _watch_lines(self) -> None:
        """End the job after the end of the lines if no conversation takes them: only a conversation knows of it.

        The first one is waited for some time while the entrypoint is at work, a later one for as long as a silence may
        last.
        """
        if self._lines is None or not self._wishes.text:
            return
        assert self._runner is not None, "there are lines for a job"
        await self._lines.ended.wait()
        while True:
            self._news.clear()
            try:
                async with asyncio.timeout(self._patience):
                    await self._news.wait()
            except TimeoutError:
                break
        if self._lines.waiting:
            logger.warning("no conversation has read all that was typed", extra={"lines": self._lines.waiting})
        if self._may_begin:
            self._gave_up = True
            logger.error(
                "the input is over, and the entrypoint has neither begun a conversation nor returned; if it needs more "
                "time, give it more by --begin-within",
                extra={"seconds": self._wishes.begin_within},
            )
        self._runner.stop("the input is over, and there is no conversation")

    @property
    def _may_begin(self) -> bool:
        """Whether the entrypoint is at work, and has begun no conversation yet."""
        return not (self._entered or self._conversations)

    @property
    def _patience(self) -> float | None:
        """How many seconds to wait for a conversation; None while there is one."""
        if self._has_conversation:
            return None
        return self._wishes.begin_within if self._may_begin else self._wishes.end_silence

    def _surroundings(self, _: SessionRequest) -> ConsoleSessionIO:
        """Put the console around a conversation that begins; one at a time.

        :raises PlayoutError: there is another one.
        """
        if self._has_conversation:
            raise PlayoutError("the console has one microphone, and another conversation has it; end that one first")
        source, sink = self._ends()
        keyboard = None
        if self._lines is not None:
            keyboard = Keyboard(lines=self._lines, is_all=self._wishes.text, paced=not is_terminal(sys.stdin))
        session = ConsoleSessionIO(
            source=source,
            sink=sink,
            screen=self._screen,
            keyboard=keyboard,
            record=self._wishes.record,
            end_silence=self._wishes.end_silence,
            agent=self._identity,
        )
        following = asyncio.get_running_loop().create_task(self._follow(session), name="console-conversation")
        following.add_done_callback(lambda _: self._news.set())
        self._conversations.append((session, following))
        self._news.set()
        return session

    def _ends(self) -> tuple[VoiceSource, VoiceSink]:
        wishes = self._wishes
        both = wishes.needs_microphone and wishes.needs_speaker
        echo = EchoCanceller() if both and wishes.echo_cancellation else None
        source: VoiceSource = NoSource()
        if self._audio is not None:
            source = FileSource(self._audio)
        elif wishes.needs_microphone:
            source = Microphone(wishes.input_device, echo=echo)
        sink: VoiceSink = NoSink()
        if wishes.sink is not None:
            sink = FileSink(wishes.sink)
        elif wishes.needs_speaker:
            sink = Speaker(wishes.output_device, echo=echo)
        return source, sink

    async def _follow(self, session: ConsoleSessionIO) -> None:
        """End the job when the user has nothing more to say; a program that closes a conversation may begin another."""
        reason = await session.wait_for_end()
        assert self._runner is not None, "conversations begin in a job"
        if session.user_is_gone:
            self._runner.stop(reason)

    async def _close_conversations(self) -> None:
        for session, following in self._conversations:
            following.cancel()
            await asyncio.wait({following})
            await session.aclose()

    def _open_lines(self) -> TypedLines | None:
        """Return what is typed; what comes from elsewhere is a message only where text is asked for."""
        descriptor = _descriptor_of(sys.stdin)
        if descriptor is None or not (self._wishes.text or is_terminal(sys.stdin)):
            return None
        return TypedLines(descriptor)


def _descriptor_of(stream: Any) -> int | None:
    try:
        number: int = stream.fileno()
    except (AttributeError, OSError, ValueError):  # none, closed, or made of something else
        return None
    return number
