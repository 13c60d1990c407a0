"""The plugin of the documentation, built and installed into a fresh environment as its author and its users do."""

from __future__ import annotations

import json
import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from tests.hooks.fresh_environment import FreshEnvironment, build, run, write

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "writing-a-plugin.md"
FILE = re.compile(r"^`(?P<name>[\w./]+)`:\n\n```\w+\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)
TEST = re.compile(r"^## Test it$.*?^```python\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)

LOOK = """
    import asyncio, json, sys
    from types import SimpleNamespace
    from lk_agents.foundation.errors import HookError
    from lk_agents.foundation.settings import Settings
    from lk_agents.hooks.invoke import collect, first_refusal, run_each
    from lk_agents.hooks.registry import PluginRegistry
    from lk_agents.plugin import download_all

    {first}
    registry = PluginRegistry.load(Settings(plugins=frozenset({{"greeter", "broken"}})))
    registry.decide_in_use({named})
    loaded = [name for name in sys.modules if name.startswith("lk_agents_greeter")]
    records = registry.register_plugins()
    missing = [list(record.missing_files()) for record in records]
    failures = download_all(records)
    commands = collect(registry, "lk_agents_register_commands")
    request = SimpleNamespace(room=SimpleNamespace(name="silent-1"))
    proc = SimpleNamespace(userdata={{}})
    refusal = asyncio.run(first_refusal(registry, "lk_agents_filter_request", request=request))
    run_each(registry, "lk_agents_prewarm", proc=proc)
    plugins = [plugin for plugin in registry.plugins() if not plugin.disabled]
    print(json.dumps({{
        "plugins": [[p.name, p.distribution, p.version, sorted(p.hooks), p.error] for p in plugins],
        "loaded": sorted(loaded),
        "records": [[r.title, r.package] for r in records],
        "missing": missing,
        "still missing": [list(record.missing_files()) for record in records],
        "failures": [str(failure.error) for failure in failures],
        "commands": [[c.plugin, c.value.name, c.value.build().name] for c in commands],
        "in use": sorted(registry.in_use),
        "refusal": refusal and refusal.reason,
        "userdata": proc.userdata,
    }}))
"""


class Environment(FreshEnvironment):
    """What programs see there."""

    def look(self, *, named: str = "None", first: str = "") -> dict[str, Any]:
        """Return what a program sees that does ``first`` and names ``named``."""
        script = dedent(LOOK).format(named=named, first=first)
        output = run(self.python, "-c", script, cwd=self.folder, LK_AGENTS_CACHE=str(self.folder / "cache"))
        found: dict[str, Any] = json.loads(output.splitlines()[-1])
        return found


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("third-party")
    page = PAGE.read_text(encoding="utf-8")
    greeter = write(folder / "lk-agents-greeter", {m["name"]: m["text"] for m in FILE.finditer(page)})
    broken = write(
        folder / "lk-agents-broken",
        {
            "pyproject.toml": (greeter / "pyproject.toml").read_text().replace("greeter", "broken"),
            "lk_agents_broken/__init__.py": "",
            "lk_agents_broken/plugin.py": "import a_package_that_is_not_there\n",
        },
    )
    environment = Environment(folder)
    environment.install(*(build(each, folder, each.name) for each in (greeter, broken)))
    return environment


def test_an_installed_plugin_is_found_without_an_import(environment: Environment) -> None:
    seen = environment.look()

    (broken, greeter) = seen["plugins"]
    assert greeter == [
        "greeter",
        "lk-agents-greeter",
        "1.0.0",
        [
            "lk_agents_filter_request",
            "lk_agents_prewarm",
            "lk_agents_register_commands",
            "lk_agents_register_plugin",
        ],
        None,
    ]
    assert broken[:4] == ["broken", "lk-agents-broken", "1.0.0", []]
    assert "a_package_that_is_not_there" in broken[4]
    assert seen["records"] == [["Greeter", "lk_agents_greeter"]]
    assert seen["commands"] == [["greeter", "greet", "greet"]]
    assert seen["loaded"] == ["lk_agents_greeter", "lk_agents_greeter.plugin"]


def test_its_files_are_fetched_once_and_then_there(environment: Environment) -> None:
    for path in (environment.folder / "cache").rglob("*.txt"):
        path.unlink()

    first, second = environment.look(), environment.look()

    assert (first["missing"], first["still missing"], first["failures"]) == ([["greetings.txt"]], [[]], [])
    assert (second["missing"], second["failures"]) == ([[]], [])


def test_neither_named_nor_imported_none_of_its_other_hooks_is_called(environment: Environment) -> None:
    seen = environment.look(first="import lk_agents_greeter")

    assert (seen["in use"], seen["refusal"], seen["userdata"]) == ([], None, {})


@pytest.mark.parametrize(
    "how", [{"named": "['greeter']"}, {"first": "from lk_agents_greeter import load"}], ids=["named", "imported"]
)
def test_named_or_imported_its_hooks_are_called(environment: Environment, how: dict[str, str]) -> None:
    seen = environment.look(**how)

    assert seen["in use"] == ["greeter"]
    assert seen["refusal"] == "nobody wants to be greeted there"
    assert seen["userdata"] == {"greetings": ["Hello!", "Good to hear you."]}


def test_a_broken_plugin_that_is_named_stops_the_start(environment: Environment) -> None:
    with pytest.raises(AssertionError, match=r"broken.*lk-agents-broken 1\.0\.0.*a_package_that_is_not_there"):
        environment.look(named="['broken']")


def test_the_command_line_shows_it_fetches_its_files_and_has_its_command(
    environment: Environment, tmp_path: Path
) -> None:
    def lk_agents(*arguments: str) -> str:
        return run(environment.python, "-m", "lk_agents", *arguments, cwd=tmp_path, LK_AGENTS_CACHE=str(tmp_path))

    before = lk_agents("plugins")
    lk_agents("download-files", "greeter")

    assert "lk-agents-greeter" in before
    assert "a_package_that_is_not_there" in before
    assert (tmp_path / "lk_agents_greeter" / "greetings.txt").is_file()
    assert lk_agents("greet") == "Hello!\n"
    assert "Say a greeting." in lk_agents("--help")


def test_the_test_of_the_documentation_passes(environment: Environment, tmp_path: Path) -> None:
    found = TEST.search(PAGE.read_text(encoding="utf-8"))
    assert found is not None
    (tmp_path / "test_greeter.py").write_text(found["text"])
    options = ("-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto")

    output = run(environment.python, "-m", "pytest", *options, "test_greeter.py", cwd=tmp_path)

    assert "1 passed" in output
