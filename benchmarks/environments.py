"""Makes the environments of the frameworks, once: a stamp tells what each was made of.

Every package is copied, never linked to uv's cache: a library that another environment has mapped from the same file
would be shared with it, and PSS would count only a part of it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from benchmarks.frameworks import Framework

__all__ = ["prepare", "versions"]

STAMP: Final = ".made-of"
REPORTED: Final = ("livekit", "livekit-api", "livekit-protocol", "protobuf", "aiohttp", "numpy", "onnxruntime")
SILERO: Final = "silero plugin"


def prepare(framework: Framework) -> None:
    """Make the environment unless it is there, telling the user what takes so long.

    :raises subprocess.CalledProcessError: the packages could not be installed; uv has said why.
    """
    stamp = framework.folder / STAMP
    wanted = _made_of(framework)
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return
    print(f"setting up {framework.name} in {framework.folder}", flush=True)
    shutil.rmtree(framework.folder, ignore_errors=True)
    _uv("venv", "--quiet", "--python", sys.executable, str(framework.folder))
    _uv(
        *("pip", "install", "--python", str(framework.python)),
        *("--link-mode", "copy", "--compile-bytecode", "--no-progress"),
        *framework.install,
    )
    stamp.write_text(wanted, encoding="utf-8")


def versions(framework: Framework) -> dict[str, str]:
    """Return the versions of the framework, of Python, and of what weighs most in a process, as far as it is there."""
    code = (
        "import json, sys; from importlib.metadata import distributions; "
        "print(json.dumps({'python': sys.version.split()[0]} | {one.name: one.version for one in distributions()}))"
    )
    command = [str(framework.python), "-c", code]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    names = {name: name for name in ("python", framework.distribution, *REPORTED)} | {SILERO: framework.silero}
    return {told: found[name] for told, name in names.items() if name in found}


def _made_of(framework: Framework) -> str:
    content = b"".join(path.read_bytes() for path in framework.inputs)
    return f"{sys.version}\n{framework.install}\n{hashlib.sha256(content).hexdigest()}\n"


def _uv(*arguments: str) -> None:
    subprocess.run([str(Path(sys.prefix) / "bin" / "uv"), *arguments], check=True)
