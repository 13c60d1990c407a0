"""Every check of the kit for packages sees the package that it is there for, and no other one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lk_agents.testing.conformance.plugin import PluginConformance

pytestmark = pytest.mark.e2e  # each package is loaded in a process of its own

PACKAGE = "lk_agents_acme"
DIST_INFO = "lk_agents_acme-1.0.dist-info"
GOOD = {
    f"{DIST_INFO}/METADATA": """Metadata-Version: 2.4
Name: lk-agents-acme
Version: 1.0
Summary: Speech of Acme
License-Expression: Apache-2.0
License-File: LICENSE
Requires-Python: >=3.11
Requires-Dist: lk-agents>=0.1,<1
Requires-Dist: aiohttp>=3

# lk-agents-acme
""",
    f"{DIST_INFO}/entry_points.txt": f"[lk_agents]\nacme = {PACKAGE}.plugin\n",
    f"{PACKAGE}/__init__.py": "",
    f"{PACKAGE}/py.typed": "",
    f"{PACKAGE}/plugin.py": """
from lk_agents.hooks.markers import hookimpl


@hookimpl
def lk_agents_register_plugin():
    from lk_agents.plugin import Plugin

    return Plugin("Acme", "1.0", "lk_agents_acme")


@hookimpl
def lk_agents_register_vad():
    from lk_agents.hooks.provider_records import VADProvider

    return [VADProvider("acme", build="lk_agents_acme.vad:make", help="Acme, at home.")]
""",
    f"{PACKAGE}/vad.py": """
def make(*, threshold=0.5):
    from lk_agents.testing.providers import ScriptedVAD

    return ScriptedVAD()
""",
}
Change = tuple[str, str, str]
"""A file, a pattern in it, and what it is replaced by; with "no file" the file, or all of a folder, is left out."""
METADATA, POINTS, TYPED = f"{DIST_INFO}/METADATA", f"{DIST_INFO}/entry_points.txt", f"{PACKAGE}/py.typed"
PLUGIN, VAD = f"{PACKAGE}/plugin.py", f"{PACKAGE}/vad.py"

MUTANTS: dict[str, tuple[Change, set[str]]] = {
    "test_it_is_installed": ((DIST_INFO, "", "no file"), set()),
    "test_the_core_is_required_in_a_range": ((METADATA, ">=0.1,<1", "==0.1.0"), set()),
    "test_the_versions_of_python_are_told": ((METADATA, "Requires-Python.*\n", ""), set()),
    "test_what_it_is_and_its_licence_are_told": ((METADATA, "License-Expression.*\n", ""), set()),
    "test_types_are_shipped": ((TYPED, "", "no file"), set()),
    "test_it_has_an_entry_point_that_loads": (
        (POINTS, "plugin$", "plugins"),
        {"test_it_can_be_loaded_in_any_thread"},
    ),
    "test_it_has_hooks": ((PLUGIN, r"(?s)@hookimpl.*", ""), set()),
    "test_it_can_be_loaded_in_any_thread": (
        (PLUGIN, r"\A", "import threading\nassert threading.current_thread() is threading.main_thread()\n"),
        set(),
    ),
    "test_loading_it_imports_nothing_heavy": ((PLUGIN, r"\A", "import numpy\n"), set()),
    "test_asking_it_what_it_offers_imports_nothing_heavy": (
        (PLUGIN, "(    return \\[)", r"    import numpy\n\1"),
        set(),
    ),
    "test_loading_it_has_no_effects": ((PLUGIN, r"\A", "import logging\nlogging.basicConfig()\n"), set()),
    "test_it_introduces_itself_as_it_is_installed": ((PLUGIN, '"1.0"', '"1.1"'), set()),
    "test_what_it_offers_is_of_the_right_kind_and_has_one_name": (
        (PLUGIN, r"return \[(.*)\]", r"return [\1, \1]"),
        set(),
    ),
    "test_what_it_offers_has_a_help_text": ((PLUGIN, "Acme, at home.", ""), set()),
    "test_what_it_offers_can_be_built_or_says_what_lacks": (
        (VAD, "    from", '    import os\n    os.environ["ACME_API_KEY"]\n    from'),
        set(),
    ),
}


class Acme(PluginConformance):
    distribution = "lk-agents-acme"


CHECKS = sorted(name for name in dir(PluginConformance) if name.startswith("test_"))


def install(folder: Path, *changes: Change) -> None:
    for name, text in GOOD.items():
        for file, pattern, replacement in changes:
            if replacement == "no file" and file in {name, name.partition("/")[0]}:
                break
            if file == name:
                text, count = re.subn(pattern, replacement, text, flags=re.MULTILINE, count=1)
                assert count, f"{pattern!r} is not in {file}"
        else:
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")


def failing() -> set[str]:
    failed = set()
    for check in CHECKS:
        try:
            getattr(Acme(), check)()
        except pytest.skip.Exception:
            continue
        except AssertionError:
            failed.add(check)
    return failed


def test_every_check_of_packages_has_a_mutant() -> None:
    assert set(CHECKS) == set(MUTANTS)


def test_a_good_package_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    assert failing() == set()


@pytest.mark.parametrize("wanted", [">=0.1", "==0.1.0", "<1", ""])
def test_a_range_of_the_core_has_both_ends(wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, (METADATA, ">=0.1,<1", wanted))
    monkeypatch.syspath_prepend(str(tmp_path))

    assert failing() == {"test_the_core_is_required_in_a_range"}


def test_of_a_package_that_is_not_installed_one_check_says_so_and_the_others_are_skipped() -> None:
    class Missing(PluginConformance):
        distribution = "lk-agents-missing"

    with pytest.raises(AssertionError, match=r"'lk-agents-missing' is not installed in .*: pip install -e \."):
        Missing().test_it_is_installed()
    for check in CHECKS:
        if check != "test_it_is_installed":
            with pytest.raises(pytest.skip.Exception, match="lk-agents-missing is not installed"):
                getattr(Missing(), check)()


@pytest.mark.parametrize("check", sorted(MUTANTS))
def test_a_package_with_one_defect_fails_that_check(
    check: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, also = MUTANTS[check]
    install(tmp_path, change)
    monkeypatch.syspath_prepend(str(tmp_path))

    assert failing() == {check, *also}
