"""What every kind of executor must do, whatever it starts: processes from a zygote, spawned processes, threads."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from lk_agents.foundation.errors import ProcessStartError
from lk_agents.hooks.registry import PluginRegistry
from lk_agents.ipc.pool import PoolConfig
from lk_agents.ipc.program import Program
from lk_agents.ipc.records import Limits
from lk_agents.job.spec import EndCause, JobSpec
from lk_agents.testing.conformance import executor_jobs
from lk_agents.testing.conformance.pool_bench import PoolBench
from lk_agents.testing.job import job_spec

if TYPE_CHECKING:
    from lk_agents.ipc.launch import Launcher

__all__ = ["ExecutorConformance"]

Story = Callable[[PoolBench], Awaitable[None]]


def _job(do: str, **order: Any) -> JobSpec:
    return job_spec(metadata=json.dumps({"do": do, **order}))


class ExecutorConformance:
    """The tests of one kind of executor; a subclass says how its executors are started.

    Each test builds a pool with a launcher of that kind and runs jobs in it that join no room. Tests are plain
    functions that run their own event loop, so that a launcher may fork before there is one.
    """

    own_process: ClassVar[bool] = True
    """False for executors that share the worker's process: they cannot be killed, and cannot end by themselves."""

    patience_seconds: ClassVar[float] = 18.0
    """How long one test may take; a machine under load needs some."""

    start_silence_seconds: ClassVar[float] = 2.0
    """How long a start may be silent in the tests of that; more for executors whose processes import slowly."""

    def launcher(self, program: Program) -> Launcher:
        """Return a launcher that has not been started; called before there is an event loop."""
        raise NotImplementedError

    # --- starting
    def test_an_executor_is_warmed_once_and_runs_a_job_that_is_reported_once(self) -> None:
        """The whole way, with each point of the timeline."""

        async def story(bench: PoolBench) -> None:
            await bench.warm()
            spec = _job("return")
            report = await bench.run(spec)
            await bench.pool.aclose()

            assert bench.started == [spec.job_id]
            assert [other.spec.job_id for other in bench.reports] == [spec.job_id]
            assert (report.outcome.success, report.outcome.cause, report.lost) == (True, EndCause.RETURNED, False)
            assert [mark.name for mark in report.timeline] == ["process_ready", "entrypoint", "greeted"]

        self._run(story, idle_target=1)

    def test_x08_x09_an_executor_whose_prewarm_raises_is_never_offered_and_the_job_hears_why(self) -> None:
        """The third failure in a row fails waiting jobs at once."""

        async def story(bench: PoolBench) -> None:
            with pytest.raises(ProcessStartError, match="prewarm_fnc: ValueError: there is no model"):
                await bench.pool.submit(_job("return"), deadline_seconds=12)
            assert "idle" not in bench.phases

        self._run(story, idle_target=1, prewarm={"prewarm": "raise"})

    def test_an_executor_that_is_silent_while_it_starts_is_given_up_and_the_phase_is_named(
        self, tmp_path: Path
    ) -> None:
        """Prewarm waits for something that does not come."""
        until = tmp_path / "released"

        async def story(bench: PoolBench) -> None:
            record = await bench.logged("a process did not get warm")
            until.touch()

            error = vars(record)["error"]
            assert f"no progress for {self.start_silence_seconds:g} s while starting: in phase 'prewarm_fnc'" in error
            assert "idle" not in bench.phases

        prewarm = {"prewarm": "hang", "until": str(until)}
        self._run(story, idle_target=1, prewarm=prewarm, start_silence_seconds=self.start_silence_seconds)

    def test_progress_that_prewarm_reports_lets_it_take_longer_than_the_silence_allowed(self) -> None:
        """Four steps, each of half the silence that is allowed."""

        async def story(bench: PoolBench) -> None:
            await bench.warm()
            assert bench.lines("did not get warm") == []

        prewarm = {"prewarm": "progress", "steps": 4, "step_seconds": self.start_silence_seconds / 2}
        self._run(story, idle_target=1, prewarm=prewarm, start_silence_seconds=self.start_silence_seconds)

    def test_a_start_that_uses_the_processor_may_take_longer_than_the_silence_allowed(self) -> None:
        """It computes twice as long as it may be silent, and says nothing."""

        async def story(bench: PoolBench) -> None:
            await bench.warm()
            assert bench.lines("did not get warm") == []

        prewarm = {"prewarm": "compute", "seconds": 2 * self.start_silence_seconds}
        self._run(story, idle_target=1, prewarm=prewarm, start_silence_seconds=self.start_silence_seconds)

    def test_stopping_while_an_executor_starts_does_not_wait_for_it(self, tmp_path: Path) -> None:
        """Prewarm hangs; nothing is left once it does not any more."""
        until = tmp_path / "released"

        async def story(bench: PoolBench) -> None:
            await bench.until(lambda: bench.count("starting") == 1, "a starting executor")
            async with asyncio.timeout(5):
                await bench.pool.aclose()
            until.touch()
            assert bench.pool.snapshot().processes == ()

        self._run(story, idle_target=1, prewarm={"prewarm": "hang", "until": str(until)})

    def test_stopping_a_warm_executor_ends_it(self) -> None:
        """It has nothing to finish."""

        async def story(bench: PoolBench) -> None:
            await bench.warm()
            async with asyncio.timeout(5):
                await bench.pool.aclose()
            assert bench.lines("has to be ended") == []

        self._run(story, idle_target=1)

    # --- what reaches the job
    def test_x17_the_job_gets_what_was_accepted_and_what_was_prewarmed(self) -> None:
        """Attributes, identity, user arguments and userdata; each job has an executor of its own."""

        async def story(bench: PoolBench) -> None:
            order = json.dumps({"do": "facts"})
            spec = job_spec(metadata=order, room_name="café", attributes={"lang": "de", "": "empty"})
            first = json.loads((await bench.run(spec)).outcome.reason)
            second = json.loads((await bench.run(job_spec(metadata=order))).outcome.reason)

            assert first["attributes"] == {"lang": "de", "": "empty"}
            assert first["identity"] == spec.accept.identity
            assert first["room"] == "café"
            assert first["user_arguments"] == {"greeting": "hello"}
            assert first["userdata"] == second["userdata"] == {"warmed": 1}
            assert (first["pid"] != second["pid"]) == self.own_process

        self._run(story, prewarm={"greeting": "hello"})

    def test_log_lines_arrive_with_level_logger_extras_and_exception(self) -> None:
        """They pass through the worker's logger of the same name."""

        async def story(bench: PoolBench) -> None:
            await bench.run(_job("log"))
            await bench.pool.aclose()
            fine, note, bad = bench.lines(logger=executor_jobs.LOGGER)

            assert [line.levelno for line in (fine, note, bad)] == [logging.DEBUG, logging.WARNING, logging.ERROR]
            assert note.getMessage() == "of note"
            assert (vars(note)["count"], vars(note)["what"]) == (3, {"a": [1, None]})
            formatted = logging.Formatter().format(bad)
            assert "Traceback" in formatted
            assert "KeyError: 'missing'" in formatted

        self._run(story)

    def test_a_question_for_an_inference_process_that_is_not_there_is_answered(self) -> None:
        """The job gets an error, and does not wait for it."""

        async def story(bench: PoolBench) -> None:
            report = await bench.run(_job("ask"))
            assert report.outcome.reason.startswith("InferenceError: nobody's: this worker has no inference process")

        self._run(story)

    # --- ending
    def test_an_entrypoint_that_raises_fails_its_job_with_the_error(self) -> None:
        """The reason is the error, the detail its traceback."""

        async def story(bench: PoolBench) -> None:
            outcome = (await bench.run(_job("raise"))).outcome
            assert (outcome.success, outcome.cause, outcome.reason) == (False, EndCause.RAISED, "LookupError: as told")
            assert "in obey" in outcome.detail

        self._run(story)

    def test_a_job_that_shuts_itself_down_succeeds(self) -> None:
        """Its reason is kept, whatever characters it has."""

        async def story(bench: PoolBench) -> None:
            outcome = (await bench.run(_job("shut down", reason="bye 👋"))).outcome
            assert (outcome.success, outcome.cause, outcome.reason) == (True, EndCause.SHUTDOWN, "bye 👋")

        self._run(story)

    @pytest.mark.parametrize("how", ["the pool closes", "the server terminates it"])
    def test_a_running_job_that_is_stopped_runs_its_callbacks_before_it_is_reported(
        self, how: str, tmp_path: Path
    ) -> None:
        """The callback has written its file when the report comes."""
        file = tmp_path / "ended"

        async def story(bench: PoolBench) -> None:
            spec = _job("wait", file=str(file))
            await bench.pool.submit(spec, deadline_seconds=12)
            await bench.logged("waiting")
            if how == "the pool closes":
                await bench.pool.aclose("closing time")
            else:
                assert bench.pool.stop_job(spec.job_id, "closing time")
            report = await bench.end_of(spec.job_id)

            assert await asyncio.to_thread(file.read_text, encoding="utf-8") == "closing time"
            assert (report.outcome.cause, report.lost) == (EndCause.STOPPED, False)

        self._run(story)

    def test_a_job_that_is_stopped_in_the_moment_it_is_given_ends_as_soon(self) -> None:
        """The order to end comes right behind the job, before it has begun."""

        async def story(bench: PoolBench) -> None:
            await bench.warm()
            spec = _job("wait", file="/dev/null")
            submitting = asyncio.create_task(bench.pool.submit(spec, deadline_seconds=12), name="submit")
            await bench.until(lambda: bench.count("running") == 1, "the job to be sent")
            async with asyncio.timeout(8):
                await bench.pool.aclose("at once")
            await asyncio.gather(submitting, return_exceptions=True)
            assert bench.lines("has to be ended") == []

        self._run(story, idle_target=1, shutdown_seconds=10)

    def test_a_job_that_does_not_end_is_reported_as_lost_with_its_stack(self, tmp_path: Path) -> None:
        """Its loop is blocked, so it cannot be asked; the line that blocks it is in the report."""
        until = tmp_path / "released"

        async def story(bench: PoolBench) -> None:
            spec = _job("dig in", until=str(until))
            await bench.pool.submit(spec, deadline_seconds=12)
            await bench.logged("digging in")
            async with asyncio.timeout(1 + 5 + 2):
                await bench.pool.aclose()
            until.touch()
            report = await bench.end_of(spec.job_id)

            assert report.lost
            assert "did not end within 1 s (shutdown_process_timeout)" in report.outcome.reason
            assert "_wait_for" in report.outcome.detail
            assert report.exit_code == (-9 if self.own_process else None)

        self._run(story, shutdown_seconds=1)

    def test_the_exit_of_a_process_is_told_in_words(self) -> None:
        """A job that ends its process without a word."""
        if not self.own_process:
            pytest.skip("an executor that shares the worker's process would end the worker")

        async def story(bench: PoolBench) -> None:
            report = await bench.run(_job("exit", code=3))

            assert (report.lost, report.exit_code) == (True, 3)
            assert report.outcome.cause is EndCause.PROCESS_LOST
            assert report.outcome.reason == "exited with code 3"

        self._run(story)

    # --- the frame of every test
    def _run(
        self,
        story: Story,
        *,
        idle_target: int = 0,
        prewarm: dict[str, Any] | None = None,
        start_silence_seconds: float = 10.0,
        shutdown_seconds: float = 10.0,
    ) -> None:
        config = PoolConfig(
            entrypoint=executor_jobs.obey,
            prewarm=executor_jobs.warm_up,
            idle_target=idle_target,
            user_arguments=prewarm,
            start_silence_seconds=start_silence_seconds,
            shutdown_seconds=shutdown_seconds,
        )
        registry = PluginRegistry()
        registry.decide_in_use()
        program = Program(
            entrypoint=config.entrypoint, prewarm=config.prewarm, registry=registry, user_arguments=prewarm
        )
        limits = Limits(start_silence_seconds=start_silence_seconds, shutdown_seconds=shutdown_seconds)
        launcher = self.launcher(program)

        async def whole() -> None:
            async with (
                asyncio.timeout(self.patience_seconds),
                PoolBench(config, launcher, limits=limits).open() as bench,
            ):
                await story(bench)

        asyncio.run(whole())
