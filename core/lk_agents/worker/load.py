"""How busy the worker is, and what of it the server is told.

Several signals, the highest counts and is named: the CPU (or the user's own ``load_fnc`` in its place), the memory of
the control group, file descriptors, and what plugins add by ``lk_agents_compute_load``. Nothing here blocks the event
loop, and no signal that fails or hangs keeps the others from being heard.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lk_agents.foundation.errors import ConfigError, PluginError
from lk_agents.foundation.log import logger
from lk_agents.hooks.invoke import outcome_of
from lk_agents.hooks.records import Load
from lk_agents.utils.aio.threads import call_in_thread
from lk_agents.worker.machine_load import MachineSampler

if TYPE_CHECKING:
    from lk_agents.hooks.info import Implementation
    from lk_agents.hooks.registry import PluginRegistry

__all__ = ["REPORTED_CEILING", "LoadReading", "LoadSampler", "reported_load"]

REPORTED_CEILING: Final = 0.69
SIGNAL_TIMEOUT_SECONDS: Final = 5.0
TOLERATED_FAILURES: Final = 3
"""Rounds in a row in which a failing signal keeps its last value; after them it counts as full."""
HOOK: Final = "lk_agents_compute_load"


def reported_load(load: float, threshold: float) -> float:
    """Return the load to send to the server with the status AVAILABLE, in 0..0.69.

    The server offers nothing to a worker that reports 0.7 or more (its ``agents.target_load``), whatever status the
    worker sends, and never anything to one that reports 1.0. Our own threshold decides when we are full, so the
    range below it is spread over what the server accepts. A worker that is never full (an infinite threshold, as in
    development) reports 0.
    """
    if threshold == math.inf:
        return 0.0
    if math.isnan(load) or not threshold > 0:
        return REPORTED_CEILING
    return min(max(load / threshold, 0.0), 1.0) * REPORTED_CEILING


@dataclass(frozen=True)
class LoadReading:
    """The highest signal of one round.

    :param value: 0 for idle, 1 for full.
    :param name: which signal it is: ``cpu``, ``load_fnc``, ``memory``, ``descriptors``, or a plugin's own.
    :param failing: the signal could not be had for too long and therefore counts as full.
    """

    value: float
    name: str
    failing: bool = False


class LoadSampler:
    """Takes all signals of the worker's load.

    :param registry: whose plugins' ``lk_agents_compute_load`` are asked.
    :param load_fnc: takes the place of the CPU signal; called without arguments or with the worker, in a thread.
    :param cpu: returns the CPU's share since its last call, or None for no figure; called twice a second in a
        thread. By default that of the control group or machine.
    :param machine: the readers of memory and descriptors as well; instead of ``cpu``.
    :param signal_timeout_seconds: how long ``load_fnc`` and each plugin may take to answer.
    :raises ConfigError: ``load_fnc`` is a coroutine function or takes more than one argument.
    """

    def __init__(
        self,
        registry: PluginRegistry,
        *,
        load_fnc: Callable[..., float] | None = None,
        cpu: Callable[[], float | None] | None = None,
        machine: MachineSampler | None = None,
        signal_timeout_seconds: float = SIGNAL_TIMEOUT_SECONDS,
    ) -> None:
        self._registry = registry
        self._load_fnc = load_fnc
        self._takes_worker = load_fnc is not None and _takes_worker(load_fnc)
        self._machine = machine or MachineSampler(cpu=cpu)
        self._timeout = signal_timeout_seconds
        self._asked: dict[str, _Asked] = {}

    @property
    def cpu_load(self) -> float:
        """The CPU's share, averaged over 2.5 s; 0 until there is a sample."""
        return self._machine.values()["cpu"]

    def start(self) -> None:
        """Begin to look at the machine, in a thread; again does nothing."""
        self._machine.start()

    async def aclose(self) -> None:
        """Look no more, and wait for no answer. Idempotent."""
        self._machine.stop()
        for asked in self._asked.values():
            asked.drop()

    async def sample(self, worker: Any) -> LoadReading:
        """Take every signal once and return the highest; takes the timeout at most, and raises nothing.

        Call it again only when it has returned.

        :param worker: what ``load_fnc`` and the plugins are given.
        """
        readings = [LoadReading(value, name) for name, value in self._machine.values().items()]
        if self._load_fnc is not None:
            readings = [reading for reading in readings if reading.name != "cpu"]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(asked.ask(), name=f"load signal {asked.key}") for asked in self._due(worker)]
        readings += [reading for task in tasks if (reading := task.result()) is not None]
        return max(readings, key=lambda reading: reading.value)

    def _due(self, worker: Any) -> list[_Asked]:
        """Return the user's and the plugins' functions, each knowing its own past and the call to make now."""
        implementations = self._registry.implementations(HOOK)
        calls: dict[str, Callable[[], Any]] = {
            f"plugin {one.plugin}": functools.partial(_ask_plugin, self._registry, one, worker)
            for one in implementations
        }
        if (load_fnc := self._load_fnc) is not None:
            calls["load_fnc"] = functools.partial(load_fnc, *([worker] if self._takes_worker else []))
        self._asked = {key: self._asked.get(key) or _Asked(key, self._timeout) for key in calls}
        for key, call in calls.items():
            self._asked[key].call = call
        return list(self._asked.values())


def _ask_plugin(registry: PluginRegistry, implementation: Implementation, worker: Any) -> Load | None:
    """Call one plugin, in a thread; the highest value counts if it gives several."""
    outcome = outcome_of(registry, implementation, worker=worker)
    if outcome.error is not None:
        raise outcome.error
    for value in outcome.values:
        if not isinstance(value, Load):
            raise PluginError(f"{HOOK} of the plugin {implementation.plugin!r} gave {value!r}; it must give a Load")
    return max(outcome.values, key=lambda load: load.value, default=None)


class _Asked:
    """One function that is asked for its load, with what it said before."""

    call: Callable[[], Any]

    def __init__(self, key: str, timeout: float) -> None:
        self.key = key
        self._timeout = timeout
        self._last: LoadReading | None = None
        self._failures = 0
        self._clamped = False
        self._running: asyncio.Future[Any] | None = None

    async def ask(self) -> LoadReading | None:
        try:
            self._last = self._reading(await self._answer())
        except Exception as error:  # noqa: BLE001  a load that cannot be had must not end the worker
            return self._failed(error)
        self._failures = 0
        return self._last

    def drop(self) -> None:
        if self._running is not None:
            self._running.cancel()
            self._running = None

    async def _answer(self) -> Any:
        """Call in a thread and wait, but not for ever; a call that has not come back is waited for, never doubled."""
        if self._running is None:
            self._running = call_in_thread(self.call, name=f"lk_agents_load {self.key}")
        done, _ = await asyncio.wait([self._running], timeout=self._timeout)
        if not done:
            raise TimeoutError(f"it has not returned within {self._timeout:g} s")
        running, self._running = self._running, None
        return running.result()

    def _reading(self, answer: Any) -> LoadReading | None:
        if answer is None and self.key != "load_fnc":
            return None  # a plugin that has nothing to say this time
        value, name = (answer.value, answer.name) if isinstance(answer, Load) else (answer, self.key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ConfigError(f"{self.key} returned {answer!r}; the load must be a finite number from 0 to 1")
        clamped = min(max(float(value), 0.0), 1.0)
        if clamped != value and not self._clamped:
            logger.warning(
                "a load is outside of 0..1; the nearest of them is taken", extra={"signal": self.key, "load": value}
            )
        self._clamped = clamped != value
        return LoadReading(clamped, name)

    def _failed(self, error: Exception) -> LoadReading | None:
        self._failures += 1
        extra = {"signal": self.key, "failures": self._failures}
        if self._failures == 1:
            logger.error("a load signal failed; its last value is kept for now", exc_info=error, extra=extra)
        if self._failures <= TOLERATED_FAILURES:
            return self._last or (LoadReading(0.0, self.key) if self.key == "load_fnc" else None)
        if self._failures == TOLERATED_FAILURES + 1:
            logger.error("a load signal keeps failing; the worker counts as full", exc_info=error, extra=extra)
        return LoadReading(1.0, self._last.name if self._last else self.key, failing=True)


def _takes_worker(load_fnc: Callable[..., float]) -> bool:
    """Return whether ``load_fnc`` is to be called with the worker."""
    if inspect.iscoroutinefunction(load_fnc) or inspect.iscoroutinefunction(type(load_fnc).__call__):
        raise ConfigError(f"load_fnc is {load_fnc!r}, a coroutine function; give a plain one, it runs in a thread")
    try:
        parameters = inspect.signature(load_fnc).parameters.values()
    except (ValueError, TypeError):  # some built-in functions do not tell
        return False
    kinds = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
    positional = [parameter for parameter in parameters if parameter.kind in kinds]
    needed = [parameter for parameter in positional if parameter.default is parameter.empty]
    if len(needed) > 1:
        raise ConfigError(
            f"load_fnc is {load_fnc!r} and needs {len(needed)} arguments; it may take the worker or nothing"
        )
    return bool(positional) or any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters)
