"""A virtual environment of its own for plugins that are built and installed as their authors and users do."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

__all__ = ["FreshEnvironment", "build", "run", "write"]

COMMAND_SECONDS = 120.0


def run(*command: str | Path, cwd: Path, seconds: float = COMMAND_SECONDS, **environment: str) -> str:
    """Return what a command prints.

    :param environment: variables to add.
    :raises AssertionError: it failed; the text has its output.
    """
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build(source: Path, into: Path, distribution: str) -> Path:
    """Build a wheel with the tools of this environment and return where it lies."""
    run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", into, source, cwd=source)
    (wheel,) = into.glob(f"{distribution.replace('-', '_')}-*.whl")
    return wheel


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write files below a folder, which need not exist, and return it."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


class FreshEnvironment:
    """A virtual environment with lk_agents, made without a network.

    What is installed into it comes before what this environment has; dependencies, and lk_agents itself unless it is
    installed there, come from here.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "env" / "bin" / "python"
        run(sys.executable, "-m", "uv", "venv", "--offline", "--python", sys.executable, folder / "env", cwd=folder)
        site = next((folder / "env").glob("lib/python*/site-packages"))
        # The .pth files of this environment (editable installs) count too.
        (site / "of_the_tests.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")

    def install(self, *wheels: Path) -> None:
        """Install wheels without what they depend on."""
        options = ("--offline", "--no-index", "--no-deps", "--python", self.python)
        run(sys.executable, "-m", "uv", "pip", "install", *options, *wheels, cwd=self.folder)
