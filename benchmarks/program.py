"""Runs one of the programs of ``speech`` in a framework's environment, and brings back its answer."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any, Final

from benchmarks.failure import MeasurementError
from benchmarks.frameworks import ROOT, Framework

__all__ = ["bare_environment", "run_program"]

PATIENCE_SECONDS: Final = 120.0
LAST_LINES: Final = 12


def bare_environment() -> dict[str, str]:
    """Return the environment of what is measured: ours, without what would change how frameworks behave."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LIVEKIT_", "LK_", "PYTHON"))}
    kept.pop("VIRTUAL_ENV", None)
    return {**kept, "PYTHONPATH": str(ROOT)}


async def run_program(
    framework: Framework,
    program: str,
    *,
    interpreter: Path | None = None,
    patience_seconds: float = PATIENCE_SECONDS,
    **parameters: Any,
) -> Any:
    """Run a program and return its answer, what JSON can hold. Cancelled, it ends the program.

    :param program: a module of ``speech``.
    :param interpreter: a Python other than the one of the framework's environment.
    :param parameters: of the program's ``run``; what JSON can hold.
    :raises MeasurementError: it failed, or took longer than ``patience_seconds``; the text has its last lines.
    """
    process = await asyncio.create_subprocess_exec(
        *(str(interpreter or framework.python), "-m", "benchmarks.speech"),
        *(framework.dialect, program, json.dumps(parameters)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env=bare_environment(),
    )
    try:
        async with asyncio.timeout(patience_seconds):
            output, errors = await process.communicate()
    except TimeoutError:
        raise MeasurementError(f"{framework.name}: {program} took more than {patience_seconds:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        lines = errors.decode(errors="replace").splitlines()[-LAST_LINES:]
        told = "\n    ".join(["its last lines:", *lines])
        raise MeasurementError(f"{framework.name}: {program} ended with status {process.returncode}; {told}")
    return json.loads(output.splitlines()[-1])
