"""The three frameworks that are measured, each in an environment of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
    :param dialect: its name in ``speech.dialects``, which say the same in each framework's own words.
    :param silero: its plugin of the voice activity detector.
    :param install: arguments of ``uv pip install`` that make its environment.
    :param inputs: files whose change makes the environment outdated.
    :param interpreter: a Python that has it installed already; None for the one of an environment of its own.
    :param worker_settings: environment variables of its workers.
    """

    name: str
    distribution: str
    program: Path
    dialect: str
    silero: str
    install: Sequence[str]
    inputs: Sequence[Path]
    interpreter: Path | None = None
    worker_settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where its environment lies: below the project's own, so that ``make clean`` takes it too."""
        return ROOT / ".venv" / "peers" / self.name.replace(" ", "-")

    @property
    def python(self) -> Path:
        """The interpreter of its environment."""
        return self.interpreter or self.folder / "bin" / "python"


def _peer(version: str, dialect: str) -> Framework:
    pins = HERE / "peers" / f"livekit-agents-{version}.txt"
    return Framework(
        name=f"livekit-agents {version}",
        distribution="livekit-agents",
        program=HERE / "agents" / f"{dialect}_program.py",
        dialect=dialect,
        silero="livekit-plugins-silero",
        install=("--requirement", str(pins)),
        inputs=(pins,),
    )


_CONSTRAINTS: Final = ROOT / "constraints.txt"
_SILERO: Final = ROOT / "plugins" / "silero"

OURS: Final = Framework(
    name="lk-agents",
    distribution="lk-agents",
    program=HERE / "agents" / "lk_agents_program.py",
    dialect="lk_agents",
    silero="lk-agents-silero",
    install=(
        *("--constraint", str(_CONSTRAINTS), "--build-constraint", str(_CONSTRAINTS)),
        *("--editable", str(ROOT), "--editable", str(_SILERO)),
    ),
    inputs=(_CONSTRAINTS, ROOT / "pyproject.toml", _SILERO / "pyproject.toml"),
    worker_settings={"LK_AGENTS_DISABLED_PLUGINS": "silero"},  # the peers' plugins are loaded only by who imports them
)

FRAMEWORKS: Final = (
    OURS,
    _peer("0.12.21", "livekit_agents_0"),
    _peer("1.8.9", "livekit_agents_1"),
)
