"""The kit for plugins as packages: what installing and loading one does, whatever it offers.

::

    class TestMyPlugin(PluginConformance):
        distribution = "lk-agents-acme"
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Final

if TYPE_CHECKING:
    from importlib.metadata import PackageMetadata

__all__ = ["PluginConformance"]

PROBE_SECONDS: Final = 60
CORE: Final = re.compile(r"lk[-_.]agents\b(?![-_.])(?:\[[^\]]*\])?\s*(?P<range>[^;]*)", re.IGNORECASE)


class PluginConformance:
    """What every plugin must do as a package; a subclass names its distribution, which must be installed.

    The plugin is loaded once, in a process of its own.
    """

    distribution: ClassVar[str]
    """The name under which it is installed, such as ``"lk-agents-acme"``."""
    may_import: ClassVar[frozenset[str]] = frozenset()
    """Packages, besides the core's and its own, that loading it may import in everybody's program: light ones."""

    # --- the package
    def test_it_is_installed(self) -> None:
        """In the environment in which the tests run: everything else is read from there."""
        assert self._is_installed(), (
            f"the distribution {self.distribution!r} is not installed in {sys.prefix}: pip install -e . (all other "
            f"checks are skipped)"
        )

    def test_the_core_is_required_in_a_range(self) -> None:
        """From a version on, up to one that may break it, and not one exact version: other plugins want theirs."""
        found = [match["range"].strip() for each in self._requirements() if (match := CORE.match(each))]
        assert found, f"{self.distribution} does not require lk-agents"
        for version_range in found:
            assert ">" in version_range or "~=" in version_range, (
                f"it requires 'lk-agents{version_range}'; say from which version on, such as 'lk-agents>=0.1'"
            )
            assert "==" not in version_range, f"it requires exactly 'lk-agents{version_range}'; allow a range"
            assert "<" in version_range or "~=" in version_range, (
                f"it requires 'lk-agents{version_range}'; say up to which version, such as 'lk-agents>=0.1,<1': a "
                f"later one may change what the plugin stands on"
            )

    def test_the_versions_of_python_are_told(self) -> None:
        """So that nobody installs it where it cannot run."""
        assert _field(self._metadata(), "Requires-Python"), "the package has no requires-python"

    def test_what_it_is_and_its_licence_are_told(self) -> None:
        """A summary, a README and a licence."""
        metadata = self._metadata()
        readme = _field(metadata, "Description") or metadata.get_payload()  # type: ignore[attr-defined]
        assert _field(metadata, "Summary").strip(), "the package has no description (one line)"
        assert str(readme or "").strip(), "the package has no README"
        assert _field(metadata, "License-Expression") or _field(metadata, "License"), "the package names no licence"
        assert metadata.get_all("License-File"), "the package has no file with its licence"

    def test_types_are_shipped(self) -> None:
        """A file ``py.typed``, so that users' type checkers look at it."""
        assert self._facts().get("typed"), "the package has no py.typed"

    # --- loading it
    def test_it_has_an_entry_point_that_loads(self) -> None:
        """In the group ``lk_agents``, and without an error."""
        facts = self._facts()
        assert facts["entry_points"], f"{self.distribution} has no entry point in the group 'lk_agents'"
        assert not facts["error"], facts["error"]

    def test_it_has_hooks(self) -> None:
        """Otherwise the framework would never call it."""
        assert self._working()["hooks"], "no function of the plugin is marked with @hookimpl"

    def test_it_can_be_loaded_in_any_thread(self) -> None:
        """A look-up may be the first thing that happens in one."""
        told = self._facts().get("error_in_thread")
        assert not told, f"loading it in a thread raised {told}"

    def test_loading_it_imports_nothing_heavy(self) -> None:
        """It is loaded in the programs of everybody who has it installed."""
        heavy = set(self._facts().get("imported_by_loading", ())) - self.may_import
        assert not heavy, f"loading the plugin imports {sorted(heavy)}; import them in the functions that need them"

    def test_asking_it_what_it_offers_imports_nothing_heavy(self) -> None:
        """The hooks are called whether it is used or not: name the place of a class instead of importing it."""
        facts = self._working()
        heavy = set(facts["imported_by_offering"]) - set(facts["imported_by_loading"]) - self.may_import
        assert not heavy, f"asking the plugin what it offers imports {sorted(heavy)}"

    def test_loading_it_has_no_effects(self) -> None:
        """No threads, no logging, no environment, no signals."""
        effects = self._facts().get("effects")
        assert not effects, f"loading the plugin had effects: {', '.join(effects)}"

    # --- what it says and offers
    def test_it_introduces_itself_as_it_is_installed(self) -> None:
        """With the version and the package of the distribution, if it does."""
        facts = self._working()
        if (record := facts["record"]) is None:
            import pytest

            pytest.skip("it does not introduce itself, which it need not: it has no files to download")
        assert record["title"].strip(), "its record has no title"
        installed = self._metadata()["Version"]
        assert record["version"] == installed, f"it calls itself {record['version']}, and {installed} is installed"
        package = facts["entry_points"][0][1].partition(":")[0].partition(".")[0]
        assert record["package"] == package, f"its record names the package {record['package']!r}, not {package!r}"

    def test_what_it_offers_is_of_the_right_kind_and_has_one_name(self) -> None:
        """Each record from its own hook, and no name twice."""
        facts = self._working()
        assert not facts["complaints"], f"asked what it offers, it brought about: {facts['complaints']}"
        names = Counter((each["kind"], each["name"]) for each in facts["offers"])
        twice = [name for name, count in names.items() if count > 1]
        assert not twice, f"it offers {twice} more than once"

    def test_what_it_offers_has_a_help_text(self) -> None:
        """One line, for lists."""
        silent = [each["name"] for each in self._working()["offers"] if not each["help"].strip()]
        assert not silent, f"{silent} have no help text"

    def test_what_it_offers_can_be_built_or_says_what_lacks(self) -> None:
        """Without options and environment: an object of its kind, or a ConfigError with the remedy."""
        problems = {name: told for name, told in self._working()["built"].items() if told}
        assert not problems, f"what it offers cannot be built: {problems}"

    # --- what they look at
    def _is_installed(self) -> bool:
        from importlib.metadata import PackageNotFoundError, distribution

        try:
            distribution(self.distribution)
        except PackageNotFoundError:
            return False
        return True

    def _metadata(self) -> PackageMetadata:
        from importlib.metadata import metadata

        self._require_installed()
        return metadata(self.distribution)

    def _require_installed(self) -> None:
        if not self._is_installed():
            import pytest

            pytest.skip(f"{self.distribution} is not installed")

    def _requirements(self) -> list[str]:
        return list(self._metadata().get_all("Requires-Dist") or ())

    def _facts(self) -> dict[str, Any]:
        self._require_installed()
        return _probe(self.distribution, tuple(sys.path))

    def _working(self) -> dict[str, Any]:
        facts = self._facts()
        if not facts["entry_points"] or facts["error"]:
            import pytest

            pytest.skip("it cannot be loaded")
        return facts


def _field(metadata: PackageMetadata, name: str) -> str:
    """Return a field, empty where it lacks: not every ``importlib.metadata`` gives one that lacks the same way."""
    return next(iter(metadata.get_all(name) or ()), "")


@lru_cache(maxsize=16)
def _probe(distribution: str, path: tuple[str, ...]) -> dict[str, Any]:
    from lk_agents.foundation.settings import child_environment

    environment = {**child_environment(with_credentials=False), "PYTHONPATH": os.pathsep.join(path)}
    command = [sys.executable, "-m", "lk_agents.testing.conformance.plugin_probe", distribution]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False)
    assert done.returncode == 0, f"loading the plugin ended the process with {done.returncode}:\n{done.stderr[-2000:]}"
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return facts
