"""Runners that are registered by class, beside those that plugins offer by a hook."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from lk_agents.foundation.errors import PluginError
from lk_agents.foundation.settings import Settings
from lk_agents.hooks import InferenceRunnerRecord
from lk_agents.hooks.registry import PluginRegistry
from lk_agents.inference_runner import _InferenceRunner, all_runners


class Echo(_InferenceRunner):
    INFERENCE_METHOD = "echo"

    def initialize(self) -> None:
        """Nothing to load."""

    def run(self, data: bytes) -> bytes | None:
        return data


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    before = dict(_InferenceRunner.registered_runners)
    _InferenceRunner.registered_runners.clear()
    yield
    _InferenceRunner.registered_runners.clear()
    _InferenceRunner.registered_runners.update(before)


def _registry(*records: object) -> PluginRegistry:
    registry = PluginRegistry(Settings())
    registry.add_own({"lk_agents_register_inference_runners": lambda: records}, name="acme")
    return registry


def test_registered_classes_and_offered_runners_are_both_found() -> None:
    _InferenceRunner.register_runner(Echo)

    found = all_runners(_registry(InferenceRunnerRecord("turn", Echo)))

    assert found == (InferenceRunnerRecord("echo", Echo), InferenceRunnerRecord("turn", Echo))
    assert Echo.registered_runners == {"echo": Echo}


def test_one_method_twice_is_refused() -> None:
    _InferenceRunner.register_runner(Echo)

    with pytest.raises(ValueError, match="'echo' is already registered"):
        _InferenceRunner.register_runner(Echo)
    with pytest.raises(PluginError, match="'echo' is offered twice, by the class Echo and by the plugin 'acme'"):
        all_runners(_registry(InferenceRunnerRecord("echo", Echo)))


def test_something_else_than_a_record_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    assert all_runners(_registry("echo")) == ()
    assert caplog.records[0].__dict__["plugin"] == "acme"


def test_registering_off_the_main_thread_is_refused() -> None:
    raised: list[str] = []

    def register() -> None:
        try:
            _InferenceRunner.register_runner(Echo)
        except RuntimeError as error:
            raised.append(str(error))

    thread = threading.Thread(target=register)
    thread.start()
    thread.join()

    assert "main thread" in raised[0]


def test_a_runner_must_be_able_to_run() -> None:
    class Half(_InferenceRunner):
        INFERENCE_METHOD = "half"

    with pytest.raises(TypeError):
        Half()  # type: ignore[abstract]
