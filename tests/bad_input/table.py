"""Wrong set-ups: what the user wrote and typed, and what he must read about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["DEV", "FAILED", "PYTHON", "START", "TABLE", "USAGE", "Wrong"]

START = ("-m", "lk_agents", "start", "my_agent.py")
PYTHON = ("my_agent.py", "start")
DEV = ("my_agent.py", "dev", "--no-watch")
FAILED, USAGE = 1, 2

AGENT = """
import asyncio, functools, os, sys, threading
from lk_agents import JobExecutorType, WorkerOptions, cli

async def entry(ctx): ...
async def coroutine(one): ...
def plain(one): ...

def outer():
    async def inside(ctx): ...
    return inside

{before}

if __name__ == "__main__":
    cli.run_app(WorkerOptions({options}))
"""


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """One wrong set-up.

    :param says: what its sentence must hold: the offending value, and the remedy.
    :param options: what ``WorkerOptions`` gets; "entry" is added where there is no entrypoint.
    :param before: stands in the agent's file before ``run_app``.
    :param file: the whole agent's file instead of that.
    :param environment: None takes a variable away.
    :param files: further files, by path; those below ``site`` can be imported.
    """

    says: Sequence[str]
    options: str = ""
    before: str = ""
    file: str | None = None
    arguments: Sequence[str] = PYTHON
    environment: Mapping[str, str | None] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    code: int = FAILED

    def text(self) -> str:
        """Return the agent's file."""
        if self.file is not None:
            return self.file
        given = "port=0, host='127.0.0.1'"
        own = {part.split("=")[0].strip() for part in self.options.split(",")}
        given = ", ".join(part for part in given.split(", ") if part.split("=")[0] not in own)
        first = "" if "entrypoint_fnc" in own else "entry, "
        return AGENT.format(before=self.before, options=f"{first}{given}, {self.options}")


def installed(name: str, module: str, *, points: Sequence[str] = ()) -> dict[str, str]:
    """Return the files of an installed plugin."""
    info = f"site/lk_agents_{name}-1.2.3.dist-info"
    lines = "\n".join(f"{point} = lk_agents_{name}" for point in points or (name,))
    return {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: lk-agents-{name}\nVersion: 1.2.3\n",
        f"{info}/entry_points.txt": f"[lk_agents]\n{lines}\n",
        f"site/lk_agents_{name}.py": module,
    }


HOOK = """
from lk_agents import hookimpl

@hookimpl{mark}
def {hook}({parameters}):
    {body}
"""
SOUND = HOOK.format(mark="", hook="lk_agents_prewarm", parameters="proc", body="pass")
MISSPELT = HOOK.format(mark="", hook="lk_agents_prewam", parameters="proc", body="pass")
WRAPPER = HOOK.format(mark="(wrapper=True)", hook="lk_agents_prewarm", parameters="proc", body="yield")
COROUTINE = SOUND.replace("def ", "async def ")
BROKEN = "raise OSError('the licence has run out')\n"

OPTIONS = "from lk_agents import WorkerOptions\nasync def entry(ctx): ...\n"

SERVER = {
    "no key": Wrong(
        environment={"LIVEKIT_API_KEY": None}, says=["api_key is empty", "LIVEKIT_API_KEY", "WorkerOptions.api_key"]
    ),
    "no secret": Wrong(environment={"LIVEKIT_API_SECRET": None}, says=["api_secret is empty", "LIVEKIT_API_SECRET"]),
    "empty URL": Wrong(environment={"LIVEKIT_URL": None}, options="ws_url=''", says=["ws_url is empty", "LIVEKIT_URL"]),
    "no URL": Wrong(environment={"LIVEKIT_URL": None}, options="ws_url=None", says=["ws_url is empty", "LIVEKIT_URL"]),
    "wrong scheme": Wrong(environment={"LIVEKIT_URL": "ftp://h.example"}, says=["'ftp://h.example'", "wss://HOST"]),
    "no scheme": Wrong(environment={"LIVEKIT_URL": "h.example:7880"}, says=["'h.example:7880'", "wss://HOST"]),
    "URL without host": Wrong(arguments=(*PYTHON, "--url", "wss://"), says=["'wss://'", "wss://HOST"]),
    "URL with a wrong port": Wrong(
        environment={"LIVEKIT_URL": "ws://h.example:seven"}, says=["'ws://h.example:seven'", "wss://HOST"]
    ),
    "short secret": Wrong(environment={"LIVEKIT_API_SECRET": "hunter2hunter2"}, says=["api_secret", "14", "32"]),
    "secret with a line break": Wrong(
        environment={"LIVEKIT_API_SECRET": "hunter2" * 6 + "\n"},
        says=["api_secret", "white space", "LIVEKIT_API_SECRET"],
    ),
    "key in quotes": Wrong(environment={"LIVEKIT_API_KEY": "'key'"}, says=["api_key", "quotation", "LIVEKIT_API_KEY"]),
    "secret that is no text": Wrong(
        environment={"LIVEKIT_API_SECRET": None},
        options="api_secret=b'hunter2hunter2'",
        says=["api_secret is of type bytes", "WorkerOptions.api_secret"],
    ),
    "URL with a space": Wrong(
        environment={"LIVEKIT_URL": "wss://h.example "},
        says=["ws_url ('wss://h.example ')", "white space", "LIVEKIT_URL"],
    ),
    "URL of an example": Wrong(
        environment={"LIVEKIT_URL": "wss://<your-project>.example"},
        says=["'wss://<your-project>.example'", "wss://HOST"],
    ),
    "proxy that is no URL": Wrong(
        environment={"HTTPS_PROXY": "http://me:hunter2hunter2@[h"},
        says=["HTTPS_PROXY", "'http://…@[h'", "http://HOST:PORT"],
    ),
    "proxy with a wrong port": Wrong(
        environment={"http_proxy": "http://h.example:port"},
        says=["http_proxy", "'http://h.example:port'", "http://HOST"],
    ),
    "URL with a password": Wrong(environment={"LIVEKIT_URL": "ws://me:hunter2hunter2@"}, says=["ws_url", "wss://HOST"]),
}

FUNCTIONS = {
    "a plain entrypoint": Wrong(options="entrypoint_fnc=plain", says=["entrypoint_fnc is __main__.plain", "async def"]),
    "a plain request function": Wrong(options="request_fnc=plain", says=["request_fnc is __main__.plain", "async def"]),
    "a coroutine to prewarm": Wrong(options="prewarm_fnc=coroutine", says=["prewarm_fnc is __main__.coroutine", "def"]),
    "a coroutine for the load": Wrong(options="load_fnc=coroutine", says=["load_fnc is __main__.coroutine", "def"]),
    "no function": Wrong(options="entrypoint_fnc='entry'", says=["entrypoint_fnc is 'entry'", "give a function"]),
    "a called entrypoint": Wrong(
        options="entrypoint_fnc=entry(None)", says=["entrypoint_fnc is <coroutine object entry", "give a function"]
    ),
    "a lambda as entrypoint": Wrong(options="entrypoint_fnc=lambda ctx: entry(ctx)", says=["entrypoint_fnc is", "def"]),
    "a local entrypoint": Wrong(
        options="entrypoint_fnc=outer()", says=["__main__.outer.<locals>.inside", "top level of a module"]
    ),
    "a lambda to prewarm": Wrong(
        options="prewarm_fnc=lambda proc: None", says=["prewarm_fnc is __main__.<lambda>", "top level of a module"]
    ),
    "an entrypoint without parameter": Wrong(
        before="async def nothing(): ...", options="entrypoint_fnc=nothing", says=["__main__.nothing", "JobContext"]
    ),
    "a request function without parameter": Wrong(
        before="async def nothing(): ...", options="request_fnc=nothing", says=["__main__.nothing", "JobRequest"]
    ),
    "a prewarm function without parameter": Wrong(
        before="def nothing(): ...", options="prewarm_fnc=nothing", says=["__main__.nothing", "JobProcess"]
    ),
    "an entrypoint that yields": Wrong(
        before="async def rows(ctx): yield 1",
        options="entrypoint_fnc=rows",
        says=["entrypoint_fnc is __main__.rows", "take the yield out"],
    ),
    "a class as entrypoint": Wrong(
        before="class Agent:\n    def __init__(self, ctx): ...\n    async def __call__(self, ctx): ...",
        options="entrypoint_fnc=Agent",
        says=["the class __main__.Agent", "give a function"],
    ),
    "a load function of two": Wrong(
        before="def two(one, other): ...",
        options="load_fnc=two",
        says=["load_fnc is <function two", "the worker or nothing"],
    ),
    "arguments that cannot be pickled": Wrong(
        options="job_user_arguments={'lock': threading.Lock()}", says=["job_user_arguments", "pickle", "lock"]
    ),
}

VALUES = {
    "negative port": Wrong(options="port=-1", says=["port is -1", "0 or more and at most 65535"]),
    "too large a port": Wrong(options="port=65536", says=["port is 65536", "at most 65535"]),
    "port as text": Wrong(options="port='8081'", says=["port is '8081'", "whole number"]),
    "host that is not ours": Wrong(options="host='192.0.2.1'", says=["192.0.2.1", "WorkerOptions.host"]),
    "negative threshold": Wrong(options="load_threshold=-0.5", says=["load_threshold is -0.5", "above 0"]),
    "threshold that is no number": Wrong(options="load_threshold=float('nan')", says=["load_threshold is nan"]),
    "threshold as text": Wrong(options="load_threshold='75%'", says=["load_threshold is '75%'", "a number"]),
    "negative shutdown time": Wrong(
        options="shutdown_process_timeout=-1", says=["shutdown_process_timeout is -1", "above 0"]
    ),
    "no time to initialise": Wrong(
        options="initialize_process_timeout=0", says=["initialize_process_timeout is 0", "above 0"]
    ),
    "no time for requests": Wrong(options="request_timeout=None", says=["request_timeout is None", "a number"]),
    "endless shutdown": Wrong(
        options="shutdown_process_timeout=float('inf')", says=["shutdown_process_timeout is inf", "at most 86400"]
    ),
    "no jobs": Wrong(options="max_jobs=0", says=["max_jobs is 0", "1 or more"]),
    "fewer than no jobs": Wrong(options="max_jobs=-3", says=["max_jobs is -3", "1 or more"]),
    "max_jobs as truth value": Wrong(options="max_jobs=True", says=["max_jobs is True", "whole number"]),
    "negative idle processes": Wrong(options="num_idle_processes=-1", says=["num_idle_processes is -1", "0 or more"]),
    "negative memory limit": Wrong(options="job_memory_limit_mb=-1", says=["job_memory_limit_mb is -1", "0 or more"]),
    "memory in words": Wrong(options="job_memory_warn_mb='300MB'", says=["job_memory_warn_mb is '300MB'", "a number"]),
    "fewer than no retries": Wrong(options="max_retry=-1", says=["max_retry is -1", "0 or more"]),
    "half a retry": Wrong(options="max_retry=1.5", says=["max_retry is 1.5", "whole number"]),
    "unknown executor": Wrong(
        options="job_executor_type='process'", says=["executor_type is 'process'", ".PROCESS or "]
    ),
    "unknown worker type": Wrong(options="worker_type='room'", says=["worker_type is 'room'", "WorkerType.ROOM"]),
    "unknown credentials mode": Wrong(options="job_credentials='no'", says=["job_credentials is 'no'", '"none"']),
    "permissions as a dict": Wrong(options="permissions={}", says=["permissions is {}", "WorkerPermissions"]),
    "a permission in words": Wrong(
        before="from lk_agents import WorkerPermissions",
        options="permissions=WorkerPermissions(can_publish='yes')",
        says=["permissions.can_publish is 'yes'", "True or False"],
    ),
    "a source in words": Wrong(
        before="from lk_agents import WorkerPermissions",
        options="permissions=WorkerPermissions(can_publish_sources=['camera'])",
        says=["permissions.can_publish_sources is ['camera']", "TrackSource.MICROPHONE"],
    ),
    "a source that there is not": Wrong(
        before="from lk_agents import WorkerPermissions",
        options="permissions=WorkerPermissions(can_publish_sources=[77])",
        says=["permissions.can_publish_sources is [77]", "TrackSource.MICROPHONE"],
    ),
    "preload_app in words": Wrong(options="preload_app='no'", says=["preload_app is 'no'", "True or False"]),
    "host that nobody knows": Wrong(options="host='h.invalid'", says=["listen on h.invalid", "WorkerOptions.host"]),
    "agent name that is no text": Wrong(options="agent_name=7", says=["agent_name is 7", "text"]),
}

PLUGINS = {
    "unknown name in LK_AGENTS_DISABLED_PLUGINS": Wrong(
        environment={"LK_AGENTS_DISABLED_PLUGINS": "acme,silreo"},
        files=installed("acme", SOUND),
        says=["LK_AGENTS_DISABLED_PLUGINS", "'silreo'", "'acme'"],
    ),
    "unknown name in LK_AGENTS_PLUGINS": Wrong(
        environment={"LK_AGENTS_PLUGINS": "amce"},
        files=installed("acme", SOUND),
        says=["LK_AGENTS_PLUGINS", "'amce'", "'acme'"],
    ),
    "unknown name in the options": Wrong(
        options="plugins=['amce']", files=installed("acme", SOUND), says=["WorkerOptions.plugins", "'amce'", "'acme'?"]
    ),
    "text where a list of plugins is due": Wrong(
        options="plugins='acme'", files=installed("acme", SOUND), says=["'acme'", "['acme']"]
    ),
    "a number where a list of plugins is due": Wrong(options="plugins=7", says=["plugins is 7", "give a list"]),
    "nothing among the plugins": Wrong(options="plugins=[None]", says=["holds None", "@lk_agents.hookimpl"]),
    "a named plugin is not on the allow list": Wrong(
        options="plugins=['acme']",
        environment={"LK_AGENTS_PLUGINS": "server"},
        files=installed("acme", SOUND),
        says=["acme", "LK_AGENTS_PLUGINS"],
    ),
    "a named plugin is disabled": Wrong(
        options="plugins=['acme']",
        environment={"LK_AGENTS_DISABLED_PLUGINS": "acme"},
        files=installed("acme", SOUND),
        says=["acme", "LK_AGENTS_DISABLED_PLUGINS"],
    ),
    "two plugins under one name": Wrong(
        options="plugins=['acme']",
        files=installed("acme", SOUND) | installed("other", SOUND, points=["acme"]),
        says=["acme", "lk-agents-acme", "lk-agents-other", "uninstall one"],
    ),
    "a misspelt hook": Wrong(
        options="plugins=['acme']",
        files=installed("acme", MISSPELT),
        says=["lk-agents-acme 1.2.3", "'lk_agents_prewam'", "did you mean 'lk_agents_prewarm'"],
    ),
    "a misspelt hook of the user's own": Wrong(
        before="from lk_agents import hookimpl\nclass Mine:\n    @hookimpl\n    def lk_agents_prewam(self, proc): ...",
        options="plugins=[Mine()]",
        says=["'lk_agents_prewam'", "did you mean 'lk_agents_prewarm'"],
    ),
    "a wrapper": Wrong(
        options="plugins=['acme']", files=installed("acme", WRAPPER), says=["lk_agents_prewarm is a wrapper", "plain"]
    ),
    "a coroutine where a plain hook is due": Wrong(
        options="plugins=['acme']", files=installed("acme", COROUTINE), says=["lk_agents_prewarm", "plain function"]
    ),
    "a named plugin that is broken": Wrong(
        options="plugins=['acme']",
        files=installed("acme", BROKEN),
        says=["lk-agents-acme 1.2.3", "the licence has run out"],
    ),
    "a plugin without hooks": Wrong(options="plugins=[object()]", says=["<object object", "@lk_agents.hookimpl"]),
    "a class instead of a plugin": Wrong(
        before="class Mine: ...", options="plugins=[Mine]", says=["__main__.Mine", "give an instance"]
    ),
}

FILES = {
    "file that is missing": Wrong(arguments=("-m", "lk_agents", "start", "mine.py"), says=["'mine.py'", "FILE"]),
    "folder instead of a file": Wrong(arguments=("-m", "lk_agents", "start", "."), says=["'.'", "folder"]),
    "file with a syntax error": Wrong(
        arguments=START, file="x = 1\ndef f(:\n", says=["my_agent.py", "line 2", "invalid syntax"]
    ),
    "file that is no text": Wrong(arguments=START, file="x = '\0'\n", says=["my_agent.py", "null bytes"]),
    "file without options": Wrong(arguments=START, file="x = 1\n", says=["my_agent.py", "run_app", "WorkerOptions"]),
    "file with two options": Wrong(
        arguments=START,
        file=f"{OPTIONS}a = WorkerOptions(entry)\nb = WorkerOptions(entry)\n",
        says=["several WorkerOptions (a, b)", "FILE:NAME"],
    ),
    "unknown name": Wrong(
        arguments=("-m", "lk_agents", "start", "my_agent.py:sales"),
        file=f"{OPTIONS}a = WorkerOptions(entry)\n",
        says=["'sales'", "it has a"],
    ),
    "name of something else": Wrong(
        arguments=("-m", "lk_agents", "start", "my_agent.py:entry"),
        file=f"{OPTIONS}a = WorkerOptions(entry)\n",
        says=["'entry'", "it has a"],
    ),
    "run_app with something else": Wrong(
        file=f"{OPTIONS}from lk_agents import cli\ncli.run_app(entry)\n", says=["run_app", "entry", "WorkerOptions"]
    ),
    "run_app with the class itself": Wrong(
        file=f"{OPTIONS}from lk_agents import cli\ncli.run_app(WorkerOptions)\n", says=["run_app", "WorkerOptions"]
    ),
    "run_app beside a loop": Wrong(
        file=f"{OPTIONS}import asyncio\nfrom lk_agents import cli\nasync def main(): "
        "cli.run_app(WorkerOptions(entry))\n"
        "asyncio.run(main())\n",
        says=["run_app", "asyncio.run()", "async with Worker"],
    ),
    "run_app in a thread": Wrong(
        file=f"{OPTIONS}import threading\nfrom lk_agents import cli\n"
        "threading.Thread(target=cli.run_app, args=[WorkerOptions(entry)], name='second').start()\n",
        says=["run_app", "'second'", "main thread"],
        code=0,  # a thread cannot end the program
    ),
    "end of the program at module level": Wrong(
        arguments=START, before="sys.exit(0)", says=["my_agent.py", "sys.exit", "run_app"]
    ),
    "end of the program with words": Wrong(
        arguments=START, before="sys.exit('set MODEL')", says=["my_agent.py", "set MODEL"]
    ),
    "env file that is missing": Wrong(arguments=(*PYTHON, "--env-file", "mine.env"), says=["'mine.env'", "--env-file"]),
    "env file that is a folder": Wrong(arguments=(*PYTHON, "--env-file", "."), says=["'.'", "--env-file"]),
    "env file that is no text": Wrong(
        arguments=(*PYTHON, "--env-file", "my.env"), files={"my.env": "A=\udcff\n"}, says=["'my.env'", "cannot be read"]
    ),
    "a wrong value in the env file that is found": Wrong(
        arguments=DEV,
        environment={"LIVEKIT_URL": None},
        files={".env": "LIVEKIT_URL=localhost\n"},
        says=["'localhost'", "wss://HOST"],
    ),
    "a wrong value in the env file": Wrong(
        arguments=(*PYTHON, "--env-file", "my.env"),
        environment={"LIVEKIT_URL": None},
        files={"my.env": "LIVEKIT_URL=localhost\n"},
        says=["'localhost'", "wss://HOST"],
    ),
}

COMMAND_LINE = {
    "unknown command": Wrong(arguments=("my_agent.py", "serve"), says=["'serve'"], code=USAGE),
    "unknown command of lk-agents": Wrong(
        arguments=("-m", "lk_agents", "strat", "my_agent.py"), says=["'strat'"], code=USAGE
    ),
    "unknown flag": Wrong(arguments=(*PYTHON, "--drain", "7"), says=["--drain", "--drain-timeout"], code=USAGE),
    "no file": Wrong(arguments=("-m", "lk_agents", "start"), says=["FILE"], code=USAGE),
    "unknown log level": Wrong(arguments=(*PYTHON, "--log-level", "LOUD"), says=["'LOUD'", "'debug'"], code=USAGE),
    "unknown log format": Wrong(arguments=(*PYTHON, "--log-format", "xml"), says=["'xml'", "json"], code=USAGE),
    "drain time that is no number": Wrong(
        arguments=(*PYTHON, "--drain-timeout", "soon"), says=["'--drain-timeout'", "'soon'"], code=USAGE
    ),
    "negative drain time": Wrong(arguments=(*PYTHON, "--drain-timeout", "-1"), says=["-1", "x>=0"], code=USAGE),
    "no room to connect to": Wrong(arguments=("my_agent.py", "connect"), says=["--room"], code=USAGE),
    "a room without a name": Wrong(
        arguments=("my_agent.py", "connect", "--no-watch", "--room", ""), says=["--room is ''", "name of a room"]
    ),
    "a server nobody offers": Wrong(
        arguments=(*DEV, "--server"), environment={"LK_AGENTS_PLUGINS": ""}, says=["--server", "lk-agents-server"]
    ),
    "a server and an address": Wrong(
        arguments=(*DEV, "--server", "--url", "ws://h.example"), says=["--server", "--url"]
    ),
}

TABLE: dict[str, Wrong] = {**SERVER, **FUNCTIONS, **VALUES, **PLUGINS, **FILES, **COMMAND_LINE}
