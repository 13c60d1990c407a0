"""A set-up that cannot work is refused at once: one sentence with the value and the remedy, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.bad_input.table import DEV, FAILED, PYTHON, START, TABLE, Wrong

from lk_agents.testing.server import Faults

if TYPE_CHECKING:
    from tests.bad_input.conftest import Setting, Told

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

SOON = 10.0
"""Far more than it takes, for a machine that has much else to do."""

LONGEST = 400
"""Characters that a sentence may have."""


def check(told: Told, wrong: Wrong, setting: Setting) -> None:
    """Fail unless the user is told in one sentence, and told nothing that is not his business."""
    assert told.code == wrong.code, told.output
    (sentence,) = told.sentences() or [f"nothing is said: {told.output}"]
    for part in wrong.says:
        assert part in sentence, told.output
    assert len(sentence) < LONGEST, sentence
    for forbidden in ("Traceback", '  File "', "lk_agents/", setting.server.api_secret, "hunter2hunter2"):
        assert forbidden not in told.output
    assert not told.left


@pytest.mark.parametrize("wrong", list(TABLE.values()), ids=list(TABLE))
async def test_it_is_told_in_one_sentence_and_ends(setting: Setting, wrong: Wrong) -> None:
    setting.write({"my_agent.py": wrong.text(), **wrong.files})
    told = await setting.run(wrong.arguments, wrong.environment, SOON)

    check(told, wrong, setting)
    assert not setting.server.connections, "the server was not asked"


async def test_a_key_that_the_server_refuses_is_named(refusing: Setting) -> None:
    wrong = Wrong(says=[refusing.server.url, f"refuses the API key '{refusing.server.api_key}'", "LIVEKIT_API_KEY"])
    refusing.write({"my_agent.py": wrong.text()})

    check(await refusing.run(wrong.arguments, {}, SOON), wrong, refusing)
    assert len(refusing.server.attempts) == 1, "it is not asked again"


@pytest.mark.parametrize("command", ["start", "dev --no-watch", "dev --in-process"])
async def test_a_port_that_is_taken_is_named(setting: Setting, taken_port: int, command: str) -> None:
    wrong = Wrong(
        options=f"port={taken_port}",
        arguments=("my_agent.py", *command.split()),
        says=[f"port {taken_port}: the port is taken", "WorkerOptions.port", "0 for any free one"],
    )
    setting.write({"my_agent.py": wrong.text()})

    check(await setting.run(wrong.arguments, {}, SOON), wrong, setting)


FORMS = {
    "python start": PYTHON,
    "lk-agents start": START,
    "python dev": DEV,
    "lk-agents dev": ("-m", "lk_agents", "dev", "my_agent.py", "--no-watch"),
    "lk-agents connect": ("-m", "lk_agents", "connect", "my_agent.py", "--no-watch", "--room", "r"),
    "in one process": ("my_agent.py", "dev", "--in-process"),
}


@pytest.mark.parametrize("arguments", list(FORMS.values()), ids=list(FORMS))
@pytest.mark.parametrize("name", ["no secret", "a plain entrypoint", "max_jobs as truth value", "a misspelt hook"])
async def test_every_form_of_every_command_says_the_same(
    setting: Setting, name: str, arguments: tuple[str, ...]
) -> None:
    wrong = replace(TABLE[name], arguments=arguments)
    setting.write({"my_agent.py": wrong.text(), **wrong.files})

    check(await setting.run(wrong.arguments, wrong.environment, SOON), wrong, setting)


def test_the_table_is_as_long_as_it_shall_be() -> None:
    assert len(TABLE) >= 30


UNWISE = {
    "a thread at module level": Wrong(
        before="threading.Thread(target=threading.Event().wait, daemon=True, name='mine').start()",
        says=["threads run at module level, so processes share less memory", "mine"],
    ),
    "the media SDK at module level": Wrong(
        before="from livekit import rtc\nsource = rtc.AudioSource(48000, 1)",
        says=["the media SDK (livekit.rtc) is already in use", "in the entrypoint or in prewarm, not at module level"],
    ),
    "a threshold that is never reached": Wrong(
        options="load_threshold=75",
        says=["load_threshold is above 1: the worker will never say that it is full", "75"],
    ),
    "credentials to be kept from threads": Wrong(
        options="job_executor_type=JobExecutorType.THREAD, job_credentials='none'",
        says=["job_credentials keeps nothing from jobs in threads", "none"],
    ),
}


@pytest.mark.parametrize("wrong", list(UNWISE.values()), ids=list(UNWISE))
async def test_what_is_unwise_is_warned_about_or_refused(setting: Setting, wrong: Wrong) -> None:
    setting.server.faults = Faults(refuse_status=401)  # so that the worker ends by itself
    setting.write({"my_agent.py": wrong.text()})
    told = await setting.run(PYTHON, {}, SOON)

    message, value = wrong.says
    (line,) = [line for line in told.output.splitlines() if message in line]
    assert value in line
    assert told.code == FAILED
    assert "Traceback" not in told.output
    assert not told.left
