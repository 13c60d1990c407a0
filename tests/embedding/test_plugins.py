"""Plugins in a program with several workers: introduced once, used by each worker as its own options say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from tests.embedding.conftest import Install, Rig

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

NOTING = """
import os
from lk_agents import Plugin, hookimpl

def note(name, text):
    with open(os.environ["JOURNAL"] + name, "a") as file:
        file.write(f"{text}\\n")

@hookimpl
def lk_agents_register_plugin():
    note(".plugin", os.getpid())
    return Plugin("Noting", "1.0", "lk_agents_noting")

@hookimpl
def lk_agents_filter_request(request):
    note("", f"asked {request.room.name}")

@hookimpl
def lk_agents_job_starting(ctx):
    note("", f"noted {ctx.job.room.name}")
"""


@pytest.mark.parametrize("together", ["together", "in-turn"])
async def test_a_plugin_introduces_itself_once_however_many_workers_there_are(
    rig: Rig, install: Install, together: str
) -> None:
    site = install("noting", NOTING)
    async with rig.running("two_workers.py", "THREAD", together, PYTHONPATH=site) as host:
        await host.hear("registered")
        host.say("go on")
        await host.hear("first_closed" if together == "together" else "registered")
        host.say("go on")
        await host.hear("left")
        await host.end()

    assert (rig.folder / "journal.txt.plugin").read_text().split() == [str(host.process.pid)]


@pytest.mark.parametrize("executor", ["PROCESS", "SPAWN", "THREAD"])
async def test_each_worker_uses_the_plugins_that_its_own_options_name(
    rig: Rig, install: Install, executor: str
) -> None:
    site = install("noting", NOTING)
    async with rig.running("two_sets_of_plugins.py", executor, PYTHONPATH=site) as host:
        await host.hear("registered")
        for name in ("with", "without"):
            await rig.server.dispatch(f"of-{name}", agent_name=name, seconds=10.0)
            await host.until(lambda lines, name=name: any(line.startswith(f"job of-{name}") for line in lines))  # type: ignore[misc]
        host.say("stop")
        assert await host.hear("left") == []
        await host.end()

    noted = [line for line in host.journal() if not line.startswith(("job", "over"))]
    assert sorted(noted) == ["asked of-with", "noted of-with", "ours of-with"]


async def test_jobs_end_in_order_when_the_host_is_killed(rig: Rig) -> None:
    async with rig.running("two_workers.py", "PROCESS", "together") as host:
        await host.hear("registered")
        await rig.server.dispatch("of-sales", agent_name="sales", seconds=10.0)
        await host.until(lambda lines: len(lines) == 1)
        host.remember_tree()

        host.process.kill()

        await host.until(lambda lines: "over of-sales" in lines)
        _, alive = psutil.wait_procs(list(host.tree), timeout=20.0)
        assert alive == []
