"""Faults of production, one function each, provoked from outside; the order is that of the report."""

from __future__ import annotations

from typing import Final

from benchmarks.faults import endings, kills, outage, signals
from benchmarks.faults.trial import Fault

__all__ = ["FAULTS"]

FAULTS: Final[tuple[Fault, ...]] = (
    Fault("all idle processes killed, and a job dispatched at once: it runs", kills.idle_processes_killed),
    Fault("zygote and helpers killed, more jobs than warm processes: all run", kills.helpers_killed),
    Fault("a running job killed: FAILED, and the cause names the signal; the next job runs", kills.running_job_killed),
    Fault("the server gone for 3 s: the next job within 3 s of its return", outage.server_gone),
    Fault("SIGTERM with a job: it goes on, others are refused, then exit code 0", signals.first_sigterm),
    Fault("raised before joining: FAILED with the text, callbacks ran, process gone", endings.raised_early),
    Fault("raised after joining: FAILED with the text, callbacks ran, process gone", endings.raised_late),
    Fault("os._exit(3): FAILED, and the cause names the exit code", endings.exited),
    Fault("ctx.shutdown(): SUCCESS", endings.shut_down),
    Fault("a shutdown callback that hangs: process gone within the shutdown limit", endings.hanging_callback),
    Fault("a job blocks its loop for 8 s: others run, it survives", endings.blocked_loop),
    Fault("the worker killed: callbacks ran, all processes gone within 20 s", kills.worker_killed),
    Fault("two jobs dispatched at once, one warm process: both run", kills.one_warm_process),
    Fault("second SIGTERM, a job swallows cancellation: exit code 1 in 5 s, no process left", signals.second_sigterm),
)
