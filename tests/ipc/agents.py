"""Jobs that misbehave, found by name in processes of the pool; the job's metadata says how."""

from __future__ import annotations

import asyncio
import atexit
import json
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

log = logging.getLogger("tests.ipc.user")
FOR_EVER = 1000


async def entrypoint(ctx: Any) -> None:
    """Do what the metadata says: the name of a function below, and its arguments."""
    order = json.loads(ctx.job.metadata)
    result = globals()[order.pop("do")](ctx, **order)
    if asyncio.iscoroutine(result):
        await result


def say(text: str, **extra: Any) -> None:
    """Tell the test something, at once."""
    log.warning(text, extra=extra)


async def wait(ctx: Any, file: str = "", fork: bool = False) -> None:
    """Wait for the end; then write its reason. ``fork``: somebody holds this process's ends of everything."""

    async def write(reason: str) -> None:
        if file:
            Path(file).write_text(reason)

    ctx.add_shutdown_callback(write)
    if fork and os.fork() == 0:
        time.sleep(25)
        os._exit(0)
    say("waiting")
    await asyncio.Event().wait()


def stuck_in_this_function() -> None:
    """Block the loop."""
    time.sleep(FOR_EVER)


async def a_task_that_waits() -> None:
    await asyncio.Event().wait()


async def measure(ctx: Any, answers: int, end: bool = True) -> None:
    """Measure answers of a language model, and end, or wait to be ended."""
    from lk_agents.metrics.publish import publish
    from lk_agents.metrics.records import LLMMetrics
    from lk_agents.utils.events import EventEmitter

    for _ in range(answers):
        publish(EventEmitter[str](), LLMMetrics("r", 100.0, 0.2, 1.0, "acme.LLM", False, 7, 11, 18, 7.0, None))
    say("measured")
    if end:
        ctx.shutdown("measured")
    else:
        await asyncio.Event().wait()


async def block(ctx: Any) -> None:
    """Block the loop for ever, with a task beside it."""
    task = asyncio.create_task(a_task_that_waits(), name="bystander")
    await asyncio.sleep(0)
    say("blocking", task=task.get_name())
    stuck_in_this_function()


async def hold_the_loop(ctx: Any, seconds: float) -> None:
    """Block the loop for a while, then end in order."""
    say("holding the loop")
    time.sleep(seconds)
    ctx.shutdown("let go")


async def defy(ctx: Any) -> None:
    """Ignore everything, with a program running that ignores SIGTERM too."""
    program = subprocess.Popen(["sh", "-c", "trap '' TERM INT HUP; while :; do sleep 1; done"])
    say("defying", program=program.pid)
    stuck_in_this_function()


async def panic(ctx: Any, file: str) -> None:
    """Do what the native media library does when it panics."""
    await_end = asyncio.create_task(wait(ctx, file), name="wait")
    await asyncio.sleep(0.05)
    os.kill(os.getpid(), signal.SIGTERM)
    await await_end


async def end_programs(ctx: Any) -> None:
    """Start programs in every way and terminate each; tell how they ended."""
    plain = subprocess.Popen(["sleep", str(FOR_EVER)])
    plain.terminate()
    by_asyncio = await asyncio.create_subprocess_exec("sleep", str(FOR_EVER))
    by_asyncio.terminate()
    spawned = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(FOR_EVER,))
    forked = multiprocessing.get_context("fork").Process(target=time.sleep, args=(FOR_EVER,))
    for process in (forked, spawned):
        process.start()
        process.terminate()
    codes: dict[str, int | None] = {
        "plain": await asyncio.to_thread(plain.wait, 5),
        "asyncio": await by_asyncio.wait(),
    }
    for name, process in (("spawned", spawned), ("forked", forked)):
        await asyncio.to_thread(process.join, 5)
        codes[name] = process.exitcode
        process.kill()
    ctx.shutdown(json.dumps(codes))


async def last_words(ctx: Any, lines: int) -> None:
    """Log much, and be killed in the next moment."""
    for number in range(lines):
        log.info("line %d", number)
    os.kill(os.getpid(), signal.SIGKILL)


async def log_with_fields(ctx: Any, fields: dict[str, Any]) -> None:
    user = logging.getLogger("tests.ipc.user")
    user.info("before")
    ctx.log_context_fields |= fields
    user.info("after")
    thread = threading.Thread(target=user.info, args=("thread",))
    thread.start()
    thread.join()
    ctx.shutdown()


async def flood(ctx: Any, debug: int, info: int) -> None:
    """Log more than a worker that does not read can take."""
    say("flooding")
    await asyncio.sleep(0.3)
    for _ in range(debug):
        log.debug("d" * 1000)
    for number in range(info):
        log.info("important %d", number)
    ctx.shutdown("flooded")


async def log_hugely(ctx: Any, size: int) -> None:
    """Log one line that is larger than any socket's buffer."""
    say("huge")
    await asyncio.sleep(0.3)
    began = time.monotonic()
    log.debug("x" * size)
    ctx.shutdown(f"{time.monotonic() - began:.3f}")


async def leave(ctx: Any, code: int | None = None, number: int | None = None) -> None:
    """End the process without a word."""
    if number is not None:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(code or 0)


async def tell_facts(ctx: Any) -> None:
    """Tell who this is."""
    numpy = sys.modules.get("numpy")
    facts = {
        "pid": os.getpid(),
        "numpy": float(numpy.random.random()) if numpy is not None else None,
        "modules": [name for name in sys.modules if name.startswith("tests.ipc.opens_")],
        "threads": [name for name in ("tests.ipc.opens_thread",) if name in sys.modules and thread_lives(name)],
        "descriptors": sorted(descriptor_kinds()),
    }
    ctx.shutdown(json.dumps(facts))


def descriptor_kinds() -> Iterator[str]:
    """Return what the open descriptors of this process are."""
    for entry in Path("/proc/self/fd").iterdir():
        try:
            yield str(entry.readlink()).partition(":")[0]
        except FileNotFoundError:  # the folder's own
            continue


def thread_lives(module: str) -> bool:
    """Whether the thread that a module opens runs in this process."""
    return bool(sys.modules[module].THREAD.is_alive())


async def leave_orphans(ctx: Any) -> None:
    """Leave programs behind whose parent is gone."""
    subprocess.run(["sh", "-c", "sleep 0.1 & sleep 0.1 & true"], check=True)
    ctx.shutdown("orphans left")


async def leave_sessions(ctx: Any) -> None:
    """Leave a program behind that leads a session of its own, so that it outlives the job for a moment."""
    program = subprocess.Popen(["sleep", "0.3"], start_new_session=True)
    ctx.shutdown(str(program.pid))


async def at_exit(ctx: Any, file: str, seconds: float = 0.0) -> None:
    """Have something done when the process ends, which takes its time."""

    def write() -> None:
        Path(file).write_text("began")
        time.sleep(seconds)
        Path(file).write_text("done")

    atexit.register(write)
    ctx.shutdown("done")


async def ask(ctx: Any, method: str, data: str, count: int = 1) -> None:
    """Ask the inference process."""

    async def one() -> str:
        try:
            answer = await ctx.inference_executor.do_inference(method, data.encode())
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return answer.decode() if answer is not None else "None"

    answers = await asyncio.gather(*(one() for _ in range(count)))
    ctx.shutdown(json.dumps(sorted(set(answers))))


def use_much_memory(proc: Any) -> None:
    """Prewarm with 150 MB."""
    proc.userdata["much"] = b"x" * (150 * 2**20)


def raise_until(proc: Any) -> None:
    """Prewarm that fails until a file exists."""
    if not Path(proc.user_arguments).exists():
        raise RuntimeError("the model is not there yet")


def raise_with_a_thread(proc: Any) -> None:
    """Prewarm that fails and leaves a thread behind that no exit of Python's own would get past."""
    threading.Thread(target=time.sleep, args=(FOR_EVER,), name="forgotten", daemon=False).start()
    raise_until(proc)


def kill_this_process(proc: Any) -> None:
    """Prewarm that crashes."""
    os.kill(os.getpid(), signal.SIGSEGV)


def preload_a_thread() -> list[str]:
    return ["tests.ipc.opens_thread", "tests.ipc.opens_nothing"]


def preload_a_socket() -> list[str]:
    return ["tests.ipc.opens_socket"]


def preload_numpy() -> list[str]:
    return ["numpy"]


def weights_that_open_a_thread() -> None:
    import threading

    threading.Thread(target=time.sleep, args=(30,), name="weights", daemon=True).start()


class Runner:
    """A model of the inference process."""

    def initialize(self) -> None: ...

    def run(self, data: bytes) -> bytes | None:
        match data:
            case b"raise":
                raise ValueError("bad question")
            case b"die":
                os.kill(os.getpid(), signal.SIGKILL)
            case b"slow":
                time.sleep(0.05)
            case b"huge":
                return bytes(40 * 2**20)
        return data[::-1]


async def tell_limits(ctx: Any) -> None:
    """Tell what native code may take for itself, once this job is at work."""
    from tests.ipc.heaps import HAS_HEAPS, heaps_of_threads

    await asyncio.sleep(0.1)
    heaps = await asyncio.to_thread(heaps_of_threads) if HAS_HEAPS else None
    ctx.shutdown(json.dumps({"runtime_threads": os.environ.get("TOKIO_WORKER_THREADS"), "heaps": heaps}))
