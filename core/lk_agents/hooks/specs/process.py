"""The hooks around the start of the processes that run jobs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lk_agents.hooks.markers import Scope, hookspec

if TYPE_CHECKING:
    from lk_agents.hooks.records import InferenceRunnerRecord
    from lk_agents.job.process import JobProcess


@hookspec(scope=Scope.IN_USE)
def lk_agents_preload_modules() -> Iterable[str]:
    """Name modules to import once, before job processes are forked, so that all of them share the memory.

    A module qualifies if importing it opens no Python thread and no socket: after each import both are compared, and
    a module that opened one is named in the log and then imported in each process instead. Where processes cannot
    be forked, the modules are imported in each process before its prewarm.

    Example::

        @lk_agents.hookimpl
        def lk_agents_preload_modules() -> Iterable[str]:
            return ("numpy", "lk_agents_acme.stt")

    :returns: full module names; an empty iterable for none.

    Errors: logged with the plugin's name; a module that cannot be imported is named and left out. The processes
    start without it.

    Called in: the zygote, the process that job processes are forked from. For: plugins in use. Since: 0.1.
    """
    return ()


@hookspec(scope=Scope.IN_USE)
def lk_agents_preload_weights() -> None:
    """Load model weights before job processes are forked, so that all of them share the memory.

    Called once, after the modules of ``lk_agents_preload_modules`` and before the memory is frozen. Only for
    libraries that are proven to work on after a fork: test yours by forking 50 times and comparing the results.
    Keep what you loaded in a module-level variable of your plugin; ``lk_agents_prewarm`` and the job find it there.
    Where processes cannot be forked the hook is not called, so code that uses the weights must be able to load them.

    Example::

        @lk_agents.hookimpl
        def lk_agents_preload_weights() -> None:
            from lk_agents_acme import model

            model.load()

    :returns: nothing.

    Errors: logged with the plugin's name; the processes start without the weights.

    Called in: the zygote, the process that job processes are forked from. For: plugins in use. Since: 0.1.
    """


@hookspec(scope=Scope.IN_USE)
def lk_agents_prewarm(proc: JobProcess) -> None:
    """Prepare a process before it gets a job: load a model, fill a cache.

    Called once per process, before ``WorkerOptions.prewarm_fnc``, while no job waits for it. Plain function, on
    the process's main thread, without a running event loop (with ``JobExecutorType.THREAD``: on the job's thread).
    ``proc.userdata`` hands results to the entrypoint; ``proc.progress("…")`` tells the worker that a long start is
    alive.

    Example::

        @lk_agents.hookimpl
        def lk_agents_prewarm(proc: JobProcess) -> None:
            from lk_agents_acme import model

            proc.userdata["acme"] = model.load()

    :param proc: the process that is being prepared.
    :returns: nothing.

    Errors: every implementation must succeed. An error fails the start of this process with a ``HookError`` that names
    the plugin; after three failed starts in a row the worker waits longer and reports that it is not ready.

    Called in: each job process. For: plugins in use. Since: 0.1.
    """


@hookspec(scope=Scope.IN_USE)
def lk_agents_register_inference_runners() -> Iterable[InferenceRunnerRecord]:
    """Offer models that run once for the whole worker, in a process of their own, for all jobs.

    Called once when the worker starts. A runner is built and initialised in the inference process; jobs reach it by
    ``ctx.inference_executor.do_inference(method, data)``.

    Example::

        @lk_agents.hookimpl
        def lk_agents_register_inference_runners() -> Iterable[InferenceRunnerRecord]:
            from lk_agents_acme.runner import TurnRunner

            yield InferenceRunnerRecord("acme_turn", TurnRunner)

    :returns: the runners; an empty iterable for none.

    Errors: logged with the plugin's name; its runners are left out. Two runners for one method stop the start of the
    worker with an error that names both plugins.

    Called in: the worker. For: plugins in use. Since: 0.1.
    """
    return ()
