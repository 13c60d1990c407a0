from __future__ import annotations

import os

from lk_agents.job.process import JobExecutorType, JobProcess


def test_a_process_keeps_what_prewarm_loads() -> None:
    process = JobProcess(user_arguments={"model": "small"})
    process.userdata["vad"] = "loaded"

    assert process.pid == os.getpid()
    assert process.userdata == {"vad": "loaded"}
    assert process.user_arguments == process.start_arguments == {"model": "small"}
    assert process.executor_type is JobExecutorType.PROCESS


def test_the_older_name_of_the_arguments_will_do() -> None:
    process = JobProcess(start_arguments=7)

    assert process.user_arguments == process.start_arguments == 7


def test_there_are_no_arguments_by_default() -> None:
    assert JobProcess().user_arguments is None


def test_progress_is_told() -> None:
    told: list[str] = []

    JobProcess(on_progress=told.append).progress("loading")
    JobProcess().progress("nobody listens")

    assert told == ["loading"]


def test_the_public_names_of_the_package_exist() -> None:
    from lk_agents import job

    assert [name for name in job.__all__ if not hasattr(job, name)] == []
    assert set(job.__all__) <= set(dir(job))
    assert not hasattr(job, "JobManager")
