"""The plugin of the tutorial: built, installed beside a built core, and tested there by its own tests."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.hooks.fresh_environment import FreshEnvironment, build, run

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "examples" / "plugins" / "lk-agents-parrot"
ITS_TESTS_SECONDS = 240.0


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> FreshEnvironment:
    folder = tmp_path_factory.mktemp("tutorial")
    environment = FreshEnvironment(folder)
    environment.install(build(ROOT, folder, "lk-agents"), build(PLUGIN, folder, "lk-agents-parrot"))
    return environment


def test_its_own_tests_pass_where_it_is_installed(environment: FreshEnvironment, tmp_path: Path) -> None:
    shutil.copytree(PLUGIN / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PLUGIN / "pyproject.toml", tmp_path)
    command = (environment.python, "-m", "pytest", "-q", "-p", "no:cacheprovider")

    output = run(*command, cwd=tmp_path, seconds=ITS_TESTS_SECONDS)

    passed = re.search(r"(\d+) passed", output)
    assert passed is not None
    assert int(passed[1]) > 100  # as the page says: the kit has run


def test_it_runs_from_its_wheel_beside_the_core_from_its_wheel(environment: FreshEnvironment) -> None:
    command = "import lk_agents, lk_agents_parrot; print(lk_agents.__file__); print(lk_agents_parrot.__file__)"

    output = run(environment.python, "-c", command, cwd=environment.folder)

    for place in output.split():
        assert Path(place).is_relative_to(environment.folder / "env")


def test_lk_agents_plugins_lists_it_with_what_it_offers(environment: FreshEnvironment) -> None:
    command = (environment.python, "-m", "lk_agents", "plugins")

    rows: list[dict[str, Any]] = json.loads(run(*command, "--json", cwd=environment.folder))
    table = run(*command, cwd=environment.folder, COLUMNS="200")

    row = next(row for row in rows if row["name"] == "parrot")
    assert (row["distribution"], row["version"]) == ("lk-agents-parrot", "1.0.0")
    assert row["hooks"] == ["lk_agents_register_plugin", "lk_agents_register_stt"]
    assert row["offers"] == ["stt parrot"]
    assert not row["error"]
    assert "installed" in next(line for line in table.splitlines() if "lk-agents-parrot" in line)


def test_listing_it_loads_nothing_of_it_but_its_entry_point(environment: FreshEnvironment) -> None:
    command = """
import sys
from lk_agents.hooks.registry import PluginRegistry
from lk_agents.hooks.lookup import offers
from lk_agents.hooks import STTProvider
registry = PluginRegistry.load()
assert "parrot" in [offer.provider.name for offer in offers(STTProvider, registry)]
print(*sorted(name for name in sys.modules if name.split(".")[0] in {"lk_agents_parrot", "aiohttp", "livekit"}))
"""

    output = run(environment.python, "-c", command, cwd=environment.folder, LK_AGENTS_PLUGINS="parrot")

    assert output.split() == ["lk_agents_parrot", "lk_agents_parrot.plugin"]


def test_without_its_key_the_message_says_what_to_do(environment: FreshEnvironment) -> None:
    command = "from lk_agents import stt; stt.create('parrot/ara')"
    assert "PARROT_API_KEY" not in os.environ

    with pytest.raises(AssertionError, match="'parrot' needs the environment variable PARROT_API_KEY or api_key="):
        run(environment.python, "-c", command, cwd=environment.folder)
