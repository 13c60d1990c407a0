"""The three frameworks that are measured, each in an environment of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["FRAMEWORKS", "HERE", "OURS", "ROOT", "Framework"]

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parent


@dataclass(frozen=True)
class Framework:
    """One framework.

    :param name: as the report says it.
    :param distribution: whose version the report tells.
    :param program: the agent written for it.
    :param install: arguments of ``uv pip install`` that make its environment.
    :param inputs: files whose change makes the environment outdated.
    :param interpreter: a Python that has it installed already; None for the one of an environment of its own.
    """

    name: str
    distribution: str
    program: Path
    install: Sequence[str]
    inputs: Sequence[Path]
    interpreter: Path | None = None

    @property
    def folder(self) -> Path:
        """Where its environment lies: below the project's own, so that ``make clean`` takes it too."""
        return ROOT / ".venv" / "peers" / self.name.replace(" ", "-")

    @property
    def python(self) -> Path:
        """The interpreter of its environment."""
        return self.interpreter or self.folder / "bin" / "python"


def _peer(version: str, program: str) -> Framework:
    pins = HERE / "peers" / f"livekit-agents-{version}.txt"
    return Framework(
        name=f"livekit-agents {version}",
        distribution="livekit-agents",
        program=HERE / "agents" / program,
        install=("--requirement", str(pins)),
        inputs=(pins,),
    )


_CONSTRAINTS: Final = ROOT / "constraints.txt"

OURS: Final = Framework(
    name="lk-agents",
    distribution="lk-agents",
    program=HERE / "agents" / "lk_agents_program.py",
    install=("--constraint", str(_CONSTRAINTS), "--build-constraint", str(_CONSTRAINTS), "--editable", str(ROOT)),
    inputs=(_CONSTRAINTS, ROOT / "pyproject.toml"),
)

FRAMEWORKS: Final = (
    OURS,
    _peer("0.12.21", "livekit_agents_0_program.py"),
    _peer("1.8.9", "livekit_agents_1_program.py"),
)
