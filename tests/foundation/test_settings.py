"""The environment is read in one place."""

import os

import pytest

from lk_agents.foundation.settings import Settings, limit_runtime_threads, missing_variables


def test_an_empty_environment_gives_the_defaults() -> None:
    assert Settings.read({}) == Settings()


def test_everything_that_is_set_is_read() -> None:
    settings = Settings.read(
        {
            "LIVEKIT_URL": "ws://host",
            "LIVEKIT_API_KEY": "key",
            "LIVEKIT_API_SECRET": "very secret",
            "LK_AGENTS_PLUGINS": "one, two,,",
            "LK_AGENTS_DISABLED_PLUGINS": "three",
            "LK_AGENTS_TRACE_HOOKS": "Yes",
            "LK_AGENTS_CACHE": "/cache",
            "NO_COLOR": "",
        }
    )

    assert (settings.url, settings.api_key, settings.api_secret) == ("ws://host", "key", "very secret")
    assert settings.plugins == frozenset({"one", "two"})
    assert settings.disabled_plugins == frozenset({"three"})
    assert (settings.trace_hooks, settings.cache_folder, settings.no_color) == (True, "/cache", True)


def test_an_empty_allow_list_allows_nothing_and_a_missing_one_everything() -> None:
    assert Settings.read({"LK_AGENTS_PLUGINS": ""}).plugins == frozenset()
    assert Settings.read({}).plugins is None


def test_the_secret_is_never_shown() -> None:
    assert "very secret" not in repr(Settings(api_secret="very secret"))


def test_variables_are_missing_that_are_not_set_or_empty() -> None:
    assert missing_variables(("A", "B", "C"), {"A": "x", "B": ""}) == ["B", "C"]


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> str:
    """The variable that says how many threads the media SDK's runtime has; not set, and put back behind the test."""
    name = "TOKIO_WORKER_THREADS"
    monkeypatch.setenv(name, "0")  # so that what the test sets is taken away, too
    monkeypatch.delenv(name)
    return name


@pytest.mark.parametrize(("cores", "expected"), [(1, "1"), (2, "2"), (64, "2"), (None, "1")])
def test_a_job_gets_two_threads_of_the_runtime_or_one_on_one_core(
    threads: str, cores: int | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)

    limit_runtime_threads()

    assert os.environ[threads] == expected


def test_the_users_own_number_of_threads_stays(threads: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(threads, "7")

    limit_runtime_threads()

    assert os.environ[threads] == "7"
