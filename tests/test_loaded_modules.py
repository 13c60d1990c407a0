"""What is in the memory of a worker and of its jobs: nothing that they do not use, and nothing that is not listed here.

Each process dumps its ``sys.modules``: the worker when it is asked about a job, so registered and with its pool up, and
the job from an entrypoint that imports nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from lk_agents.testing.server import FakeLiveKitServer

ROOT = Path(__file__).resolve().parent.parent
SOON = 40.0

PARTS = (
    "voice",
    "voice_assistant",
    "pipeline",
    "multimodal",
    "transcription",
    "media",
    "turns",
    "realtime",
    "stt",
    "tts",
)
VOICE = tuple(f"lk_agents.{part}" for part in (*PARTS, "llm", "vad", "tokenize", "streams"))

OF_PLUGINS = {
    "pluggy": "the hook engine",
    "importlib_metadata": "finds the entry points of plugins",
    "zipp": "comes with importlib_metadata",
    "lazy_importer": "comes with importlib_metadata",
}
OF_EVERY_WORKER = {
    **OF_PLUGINS,
    "lk_agents": "ourselves",
    "msgspec": "messages between worker and jobs",
    "google": "protobuf, the server's messages",
    "livekit": "livekit.protocol, the server's messages; livekit.api for tokens and rooms",
    "jwt": "tokens",
    "aiohttp": "the connection to the server, and the health endpoint",
    "aiohappyeyeballs": "comes with aiohttp",
    "aiosignal": "comes with aiohttp",
    "attr": "comes with aiohttp",
    "frozenlist": "comes with aiohttp",
    "idna": "comes with aiohttp",
    "multidict": "comes with aiohttp",
    "propcache": "comes with aiohttp",
    "yarl": "comes with aiohttp",
    "typing_extensions": "comes with livekit.protocol and aiosignal",
    "cython_runtime": "comes with compiled modules of aiohttp",
}
OF_THE_COMMAND_LINE = {"click": "the commands"}
OF_THE_MEDIA_SDK = {"numpy": "comes with livekit.rtc, which is loaded once, before the fork, for all jobs"}

NOT_IMPORTED = {"__main__", "__mp_main__", "_distutils_hack", "_virtualenv", "sitecustomize", "usercustomize"}
"""The agent's own file, and what the environment loads before any program."""

AGENT = """
import json, os, sys
from pathlib import Path
from lk_agents import JobExecutorType, WorkerOptions, cli


def dump(name):
    path = Path(__file__).with_name(name)
    path.with_suffix(".tmp").write_text(json.dumps(sorted(sys.modules)))
    path.with_suffix(".tmp").rename(path)


async def request(offered):
    dump("worker.json")
    await offered.accept()


async def entrypoint(ctx):
    dump("job.json")
    ctx.shutdown()


if __name__ == "__main__":
    common = dict(port=0, host="127.0.0.1", num_idle_processes=1, load_fnc=lambda: 0.0)
    cli.run_app(WorkerOptions(entrypoint, request_fnc=request, **common, OPTIONS))
"""


def _third_party(modules: set[str]) -> set[str]:
    """Return the packages of ``modules``, without the standard library's and those of plugins."""
    tops = {name.partition(".")[0] for name in modules} - set(sys.stdlib_module_names) - NOT_IMPORTED
    return {name for name in tops if not name.startswith(("_cython_", "lk_agents_", "__editable__"))}


def _check(modules: set[str], listed: dict[str, str]) -> None:
    assert _third_party(modules) <= set(listed)
    assert [name for name in modules if name.startswith((*VOICE, "lk_agents.testing"))] == []
    _check_vendors(modules)
    assert [name for name in modules if name.startswith(("livekit.agents", "livekit.plugins"))] == []
    foreign = [name for name in modules if name.startswith("google.")]
    assert [name for name in foreign if not name.startswith(("google.protobuf", "google._upb"))] == []


def _check_vendors(modules: set[str]) -> None:
    """No vendor's SDK; of installed plugins only what introduces them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (vendors,) = (contract["forbidden_modules"] for contract in contracts if contract["id"] == "no-vendor")
    tops = {name.partition(".")[0] for name in modules}
    assert {name for name in vendors if not name.startswith("lk_agents_")} & tops == set()
    for plugin in {name for name in tops if name.startswith("lk_agents_")}:
        inside = {name for name in modules if name.startswith(f"{plugin}.")}
        assert inside <= {f"{plugin}.plugin", f"{plugin}.version"}


def test_importing_the_package_loads_nothing_but_itself() -> None:
    code = "import sys; before = set(sys.modules); import lk_agents; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    loaded = {name for name in done.stdout.strip("[]\n").replace("'", "").split(", ") if name}
    assert {name for name in loaded if name.partition(".")[0] not in sys.stdlib_module_names} == {"lk_agents"}
    assert "asyncio" not in loaded


OF_CALLS = ("voice", "voice_assistant", "pipeline", "multimodal", "realtime", "transcription", "media", "turns")
"""The parts that only an agent with a voice uses."""
HEAVY = {"numpy", "livekit.rtc", "aiohttp", "av", "PIL", "matplotlib", "sounddevice"}
WITHOUT_A_VOICE = {
    "a worker that runs jobs": "from lk_agents import JobContext, JobRequest, WorkerOptions, WorkerType, cli",
    "a program that asks a model": "from lk_agents.llm import ChatContext, LLM, LLMStream, ai_callable",
    "a program that only listens": "from lk_agents.stt import STT, SpeechEvent; from lk_agents.vad import VAD",
    "a program that only speaks": "from lk_agents.tts import TTS, StreamAdapter; from lk_agents.tokenize import basic",
    "a program that imports the package of agents": "import lk_agents.pipeline, lk_agents.voice_assistant",
}


def _modules_after(code: str) -> set[str]:
    """Return what is loaded in a new process behind these statements."""
    told = f"import json, sys; {code}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, timeout=60, check=True)
    return set(json.loads(done.stdout))


def _parts(modules: set[str]) -> set[str]:
    """Return the parts of the core of which more is loaded than the package that loads them when they are used."""
    inner = {name for name in modules if name.startswith("lk_agents.") and name.count(".") > 1}
    return {name.split(".")[1] for name in inner}


@pytest.mark.parametrize("program", WITHOUT_A_VOICE)
def test_a_program_without_a_voice_loads_nothing_of_calls(program: str) -> None:
    modules = _modules_after(WITHOUT_A_VOICE[program])

    assert _parts(modules) & set(OF_CALLS) == set()
    assert modules & HEAVY == set()


def test_an_agent_with_a_voice_loads_nothing_that_it_does_not_use() -> None:
    modules = _modules_after("from lk_agents.pipeline import VoicePipelineAgent")

    assert {"voice", "media", "turns"} <= _parts(modules)
    assert _parts(modules) & {"multimodal", "realtime", "testing", "cli", "ipc", "worker"} == set()
    assert modules & HEAVY == set()
    assert [name for name in modules if name.startswith("lk_agents.media.console")] == []


WAYS = {
    "forked from the worker": "",
    "forked from an executed zygote": "job_credentials='none'",
    "nothing loaded before the fork": "preload_app=False",
    "spawned": "job_executor_type=JobExecutorType.SPAWN",
}


@pytest.mark.e2e
@pytest.mark.timeout(120)
@pytest.mark.parametrize("way", WAYS)
async def test_a_worker_and_its_jobs_have_nothing_but_what_is_listed(way: str, tmp_path: Path) -> None:
    worker, job = await _loaded(AGENT.replace("OPTIONS", WAYS[way]), tmp_path)

    media = OF_THE_MEDIA_SDK if way == "forked from the worker" else {}
    _check(worker, OF_EVERY_WORKER | OF_THE_COMMAND_LINE | media)
    assert ("livekit.rtc" in worker) == bool(media), "only memory that jobs share is worth it"
    _check(job, OF_EVERY_WORKER | OF_THE_COMMAND_LINE | OF_THE_MEDIA_SDK)
    if way != "forked from the worker":
        assert "click" not in job, "a job has no command line"
        assert [name for name in job if name.startswith("lk_agents.worker.") and name != _OPTIONS] == []


_OPTIONS = "lk_agents.worker.options"
"""The agent's file itself imports it."""


@pytest.mark.e2e
@pytest.mark.timeout(120)
async def test_listed_is_what_is_loaded(tmp_path: Path) -> None:
    worker, job = await _loaded(AGENT.replace("OPTIONS", ""), tmp_path)

    listed = set(OF_EVERY_WORKER | OF_THE_COMMAND_LINE | OF_THE_MEDIA_SDK) - {"zipp", "lazy_importer", "attr", "idna"}
    assert listed - {name.partition(".")[0] for name in worker | job} == set(), "take it off the list"


async def _loaded(agent: str, folder: Path) -> tuple[set[str], set[str]]:
    """Run an agent for one job, and return the modules of its worker and of the job."""
    (folder / "my_agent.py").write_text(agent)
    async with FakeLiveKitServer() as server:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("LIVEKIT_", "LK_"))}
        credentials = {"LIVEKIT_API_KEY": server.api_key, "LIVEKIT_API_SECRET": server.api_secret}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "my_agent.py",
            "start",
            cwd=folder,
            env=kept | credentials | {"LIVEKIT_URL": server.url},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            await server.wait_worker(seconds=SOON)
            dispatch = await server.dispatch("any", seconds=10.0)
            await server.until(lambda: server.final_updates(dispatch.job.id), seconds=SOON)
        finally:
            process.send_signal(signal.SIGTERM)
            output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    worker, job = (set(json.loads((folder / name).read_text())) for name in ("worker.json", "job.json"))
    return worker, job
