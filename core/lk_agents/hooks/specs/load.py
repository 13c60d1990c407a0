"""The hook that adds signals to the worker's load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lk_agents.hooks.markers import Scope, hookspec

if TYPE_CHECKING:
    from lk_agents.hooks.records import Load
    from lk_agents.worker.worker import Worker


@hookspec(scope=Scope.IN_USE)
def lk_agents_compute_load(worker: Worker) -> Load | None:
    """Say how busy one more resource is: a GPU, a licence with so many seats, a device.

    Called each time the worker samples its load, in a thread beside the event loop, so it may block for a moment,
    but must be a plain function. The highest of all signals counts, the CPU's (or ``WorkerOptions.load_fnc``)
    among them; log and metrics name the one that won.

    Example::

        @lk_agents.hookimpl
        def lk_agents_compute_load(worker: Worker) -> Load:
            return Load(seats_taken() / SEATS, name="seats")

    :param worker: the worker, to be read only.
    :returns: value and name of the signal; None for nothing to say this time.

    Errors: logged with the plugin's name; the plugin's last value is kept for three rounds, then the worker reports
    that it is full.

    Called in: the worker. For: plugins in use. Since: 0.1.
    """
