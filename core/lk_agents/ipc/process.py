"""Processes forked from a zygote: the launcher of Linux."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from lk_agents.foundation.clock import monotonic
from lk_agents.foundation.errors import LkAgentsError
from lk_agents.foundation.ids import jitter
from lk_agents.foundation.log import logger
from lk_agents.ipc.child_handle import ProcessHandle
from lk_agents.ipc.child_logs import emit_line
from lk_agents.ipc.launch import LauncherSink
from lk_agents.ipc.messages import (
    ChildExited,
    Fork,
    Forked,
    ForkFailed,
    FromZygote,
    Initialize,
    LogLine,
    PreloadRefused,
    ZygoteFailed,
    ZygoteReady,
)
from lk_agents.ipc.orphans import OrphanReaper, become_subreaper, stop_subreaping
from lk_agents.ipc.preload import WEIGHTS_HOOK
from lk_agents.ipc.program import Program
from lk_agents.ipc.zygote import START_SILENCE_SECONDS, Zygote, execute_zygote, log_ready, log_refused
from lk_agents.ipc.zygote_main import exit_code_of

__all__ = ["ZygoteLauncher", "ZygoteProcess"]

CODE_SECONDS: Final = 2.0
"""How long a living zygote may take to tell the exit code of a child that is gone."""
START_LOOK_SECONDS: Final = 2.0
RESTART_SECONDS: Final = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Delays before another zygote is started, by how many failed in a row."""


class ZygoteProcess(ProcessHandle):
    """A child forked by a zygote; its death is seen by its pidfd, its exit code comes from the zygote or from us."""

    def __init__(self, init: Initialize, sink: LauncherSink, forget: Callable[[int], None]) -> None:
        super().__init__(init, sink)
        self._launcher_sink = sink
        self._forget = forget
        self._pidfd = -1
        self._late: asyncio.TimerHandle | None = None

    def forked(self, pid: int, pidfd: int) -> None:
        """Take over the process that the zygote forked."""
        self._pidfd = pidfd
        asyncio.get_running_loop().add_reader(pidfd, self._gone)
        self.born(pid)

    def died(self, code: int | None) -> None:
        """See ``ProcessHandle``; the launcher forgets it."""
        self._forget(self.init.executor_id)
        super().died(code)

    def code_told(self, code: int) -> None:
        """Take its exit code from the zygote."""
        self._let_go()
        self.died(code)

    def not_forked(self, why: str, *, excused: bool) -> None:
        """Note that its zygote went away before it was forked.

        :param excused: it counts as no failed start.
        """
        if not excused:
            self.failed(why)
        elif not self._exited:
            self._exited = self._told = True
            self._forget(self.init.executor_id)
            self._launcher_sink.not_started(self.init.executor_id, why)

    def zygote_gone(self, *, excused: bool) -> bool:
        """Find out by ourselves: without its zygote the process, if it was forked at all, is our child.

        :returns: whether it was not.
        """
        if self._pidfd < 0 and not self._exited:
            self.not_forked("the process that jobs are forked from died before it had forked this one", excused=excused)
            return True
        if self._late is not None:
            self._gone()
        return False

    def release(self) -> None:
        """See ``Handle``."""
        self._let_go()
        super().release()

    def _signal(self, number: int) -> None:
        if self._pidfd >= 0 and not self._exited:
            with suppress(ProcessLookupError, PermissionError):
                signal.pidfd_send_signal(self._pidfd, number)

    def _gone(self) -> None:
        """It is dead: take its code if it is ours, else the zygote tells it, or dies and makes it ours."""
        asyncio.get_running_loop().remove_reader(self._pidfd)
        code = exit_code_of(self._pidfd, os.WNOWAIT)
        if code is None:
            if self._late is None:
                self._late = asyncio.get_running_loop().call_later(CODE_SECONDS, self.died, None)
            return
        if self._pid is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, signal.SIGKILL)  # what its job started
        exit_code_of(self._pidfd, 0)
        self._let_go()
        self.died(code)

    def _let_go(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
        if self._pidfd >= 0:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1


class ZygoteLauncher:
    """Keeps one zygote alive and has it fork; see ``ipc.launch.Launcher``.

    :param zygote: one that was forked from the main process, or None to execute one.
    :param with_credentials: whether an executed zygote keeps the server's credentials in its environment.
    """

    def __init__(self, program: Program, *, zygote: Zygote | None = None, with_credentials: bool = True) -> None:
        self._program = program
        self._zygote = zygote
        self._with_credentials = with_credentials
        self._sink: LauncherSink | None = None
        self._ready = False
        self._failure: str | None = None
        self._failed_in_a_row = 0
        self._lost_forks = False
        """A zygote has died with forks to do, and none has forked since: if that happens again, forking kills it."""
        self._without: list[str] = []
        self._restart: asyncio.TimerHandle | None = None
        self._start_look: asyncio.TimerHandle | None = None
        self._children: dict[int, ZygoteProcess] = {}
        self._opening: set[asyncio.Task[None]] = set()
        self._orphans = OrphanReaper()
        self._closed = False

    @property
    def ready(self) -> bool:
        """See ``Launcher``."""
        return self._ready and not self._closed and self._zygote is not None and not self._zygote.ended

    @property
    def failure(self) -> str | None:
        """See ``Launcher``."""
        return self._failure

    @property
    def zygote_pid(self) -> int | None:
        """The zygote's process, None while there is none."""
        return self._zygote.pid if self._zygote is not None else None

    async def start(self, sink: LauncherSink) -> None:
        """See ``Launcher``."""
        self._sink = sink
        become_subreaper()
        if self._zygote is not None:
            self._zygote.watch(self._zygote_said, self._zygote_ended)
            self._set_ready()
        else:
            self._execute()

    def launch(self, init: Initialize) -> ZygoteProcess:
        """See ``Launcher``."""
        assert self._sink is not None
        child = ZygoteProcess(init, self._sink, self._forget)
        self._children[init.executor_id] = child
        task = asyncio.get_running_loop().create_task(self._open(child), name=f"lk-launch-{init.executor_id}")
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)
        return child

    async def aclose(self) -> None:
        """See ``Launcher``."""
        was_open, self._closed = self._sink is not None and not self._closed, True
        self._ready = False
        for timer in (self._restart, self._start_look):
            if timer is not None:
                timer.cancel()
        for task in tuple(self._opening):
            task.cancel()
        if self._zygote is not None:
            zygote, self._zygote = self._zygote, None
            await zygote.aclose()
        await self._orphans.aclose()
        if was_open:
            stop_subreaping()

    def _forget(self, executor_id: int) -> None:
        self._children.pop(executor_id, None)
        self._orphans.look_soon()

    async def _open(self, child: ZygoteProcess) -> None:
        try:
            ends = await child.open()
        except OSError as error:
            self._no_descriptors(child, str(error))
            return
        if child.init.executor_id not in self._children:  # given up meanwhile, with its zygote
            ends.close()
            return
        try:
            if self._zygote is None or self._zygote.ended:
                raise BrokenPipeError("the zygote is gone")
            self._zygote.fork(Fork(init=child.init), ends.descriptors())
        except ConnectionError as error:
            child.not_forked(f"no process could be forked: {error}", excused=not self._lost_forks)
        except OSError as error:
            logger.warning("no process could be forked", extra={"error": str(error)})
            child.failed(f"no process could be forked: {error}")
        finally:
            ends.close()

    # --- what the zygote says
    def _zygote_said(self, message: FromZygote, descriptors: list[int]) -> None:
        match message:
            case Forked(executor_id=executor_id, pid=pid):
                self._orphans.know(pid)
                self._forked(executor_id, pid, descriptors)
            case ForkFailed(executor_id=executor_id, error=error):
                logger.error("no process could be forked", extra={"error": error})
                if executor_id in self._children:
                    self._children[executor_id].failed(f"no process could be forked: {error}")
            case ChildExited(pid=pid, code=code):
                child = next((child for child in self._children.values() if child.pid == pid), None)
                if child is not None:
                    child.code_told(code)
            case LogLine():
                emit_line(message, {"pid": self.zygote_pid})
            case ZygoteReady():
                log_ready(message)
                self._failed_in_a_row = 0
                self._set_ready()
            case PreloadRefused(module=module, opened=opened):
                log_refused(message)
                if module == WEIGHTS_HOOK or module in self._without:  # the next zygote would not do without it either
                    self._failure = f"{module} opened {opened} before the fork; it must do without"
                else:
                    self._without.append(module)
                    self._failed_in_a_row = 0
            case ZygoteFailed(error=error):
                self._failure = f"the process that jobs are forked from could not start: {error}"
                logger.error("zygote failed", extra={"error": error, "traceback": message.traceback})

    def _forked(self, executor_id: int, pid: int, descriptors: list[int]) -> None:
        self._lost_forks = False
        child = self._children.get(executor_id)
        if not descriptors:  # the kernel leaves it out when this process may open no more files
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)  # nobody could watch it; the zygote reaps it
            if child is not None:
                self._no_descriptors(child, f"none was left for process {pid}, which is ended")
        elif child is not None:
            child.forked(pid, descriptors[0])
        else:  # given up, with the zygote before this one; it ends when it sees that its channel has
            os.close(descriptors[0])

    def _no_descriptors(self, child: ZygoteProcess, error: str) -> None:
        logger.error("no descriptors for another process", extra={"error": error})
        child.failed(f"no descriptors for another process: {error}")

    def _zygote_ended(self) -> None:
        was_ready, self._ready, self._zygote = self._ready, False, None
        if was_ready:
            logger.warning("the process that jobs are forked from is gone; starting another one")
            if self._sink is not None and not self._closed:
                self._sink.launcher_lost()
        lost = [child.zygote_gone(excused=not self._lost_forks) for child in tuple(self._children.values())]
        self._lost_forks = self._lost_forks or any(lost)
        delay = RESTART_SECONDS[min(self._failed_in_a_row, len(RESTART_SECONDS) - 1)]
        self._failed_in_a_row += 1
        if not self._closed:
            self._restart = asyncio.get_running_loop().call_later(jitter(delay), self._execute)
            self._changed()

    def _execute(self) -> None:
        try:
            self._zygote = execute_zygote(self._program, without=self._without, with_credentials=self._with_credentials)
        except (OSError, LkAgentsError) as error:
            self._failure = str(error)
            logger.error("no zygote can be started", extra={"error": str(error)})
            self._zygote_ended()
            return
        self._zygote.watch(self._zygote_said, self._zygote_ended)
        self._look_at_start(self._zygote, 0.0, monotonic())

    def _look_at_start(self, zygote: Zygote, used: float, since: float) -> None:
        """End an executed zygote whose start hangs: it neither computes nor reads. One that works may take its time."""
        if self._ready or self._closed or zygote is not self._zygote:
            return
        now, now_used = monotonic(), zygote.effort()
        if now_used > used:
            used, since = now_used, now
        elif now - since > START_SILENCE_SECONDS:
            self._failure = (
                f"the process that jobs are forked from made no progress for {START_SILENCE_SECONDS:g} s "
                f"while it loaded the agent's module and the plugins"
            )
            logger.error("zygote failed", extra={"error": self._failure})
            zygote.kill()
            return
        loop = asyncio.get_running_loop()
        self._start_look = loop.call_later(START_LOOK_SECONDS, self._look_at_start, zygote, used, since)

    def _set_ready(self) -> None:
        self._ready, self._failure = True, None
        self._changed()

    def _changed(self) -> None:
        if self._sink is not None:
            self._sink.launcher_changed()
