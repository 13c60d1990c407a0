"""The event emitter."""

import functools
from typing import Any, ClassVar, Literal

import pytest

from lk_agents.foundation.errors import ConfigError
from lk_agents.utils import EventEmitter


class Recorder:
    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def all(self, *args: Any) -> None:
        self.calls.append(args)

    def first(self, one: Any) -> None:
        self.calls.append((one,))


def test_callbacks_are_called_in_the_order_in_which_they_were_registered() -> None:
    emitter, called = EventEmitter[str](), list[int]()
    for number in range(20):
        emitter.on("event", functools.partial(called.append, number))

    emitter.emit("event")

    assert called == list(range(20))


def test_on_returns_the_callback_and_works_as_a_decorator() -> None:
    emitter, recorder = EventEmitter[str](), Recorder()
    assert emitter.on("event", recorder.all) == recorder.all

    @emitter.on("event")
    def decorated(value: int) -> None:
        recorder.calls.append((value, "decorated"))

    emitter.emit("event", 1)

    assert recorder.calls == [(1,), (1, "decorated")]


def test_the_same_callback_counts_once() -> None:
    emitter, recorder = EventEmitter[str](), Recorder()
    emitter.on("event", recorder.all)
    emitter.on("event", recorder.all)

    emitter.emit("event")

    assert recorder.calls == [()]


@pytest.mark.parametrize(
    ("callback", "expected"),
    [
        (lambda: (), ()),
        (lambda a: (a,), (1,)),
        (lambda a, b=0: (a, b), (1, 2)),
        (lambda *args: args, (1, 2, 3)),
        (lambda a, *, key=0: (a, key), (1, 0)),
        (lambda a, **fields: (a, fields), (1, {})),
    ],
)
def test_arguments_are_cut_to_what_the_callback_takes(callback: Any, expected: Any) -> None:
    emitter, seen = EventEmitter[str](), []
    emitter.on("event", functools.wraps(callback)(lambda *args: seen.append(callback(*args))))

    emitter.emit("event", 1, 2, 3)

    assert seen == [expected]


def test_a_callback_that_does_not_tell_its_parameters_gets_all_arguments() -> None:
    emitter, table = EventEmitter[str](), dict[str, int]()
    emitter.on("event", table.update)

    emitter.emit("event", {"a": 1})

    assert table == {"a": 1}


def test_an_error_in_one_callback_is_logged_and_the_next_one_is_called(caplog: pytest.LogCaptureFixture) -> None:
    emitter, recorder = EventEmitter[str](), Recorder()

    @emitter.on("event")
    def broken() -> None:
        raise KeyError("broken")

    emitter.on("event", recorder.all)
    emitter.emit("event")

    assert recorder.calls == [()]
    assert caplog.records[0].exc_info is not None
    assert getattr(caplog.records[0], "event", None) == "event"


def test_a_type_error_goes_to_the_caller_and_ends_the_round() -> None:
    emitter, recorder = EventEmitter[str](), Recorder()
    emitter.on("event", lambda one, two: None)
    emitter.on("event", recorder.all)

    with pytest.raises(TypeError):
        emitter.emit("event", 1)

    assert recorder.calls == []


def test_removal_during_a_round_does_not_change_the_round() -> None:
    emitter, recorder = EventEmitter[str](), Recorder()
    emitter.on("event", lambda: emitter.off("event", recorder.all))
    emitter.on("event", recorder.all)

    emitter.emit("event")
    emitter.emit("event")

    assert recorder.calls == [()]


def test_off_ignores_what_it_does_not_know() -> None:
    emitter = EventEmitter[str]()

    emitter.off("event", print)
    emitter.on("event", repr)
    emitter.off("event", print)
    emitter.off("event", repr)
    emitter.emit("event", 1)

    assert emitter._handlers == {}


def test_coroutine_functions_are_refused() -> None:
    emitter = EventEmitter[str]()

    async def callback() -> None: ...

    class Callable:
        async def __call__(self) -> None: ...

    for register in (emitter.on, emitter.once):
        for refused in (callback, functools.partial(callback), Callable()):
            with pytest.raises(ValueError, match="coroutine function"):
                register("event", refused)


def test_x22_once_gets_trimmed_arguments_and_is_called_once() -> None:
    emitter, recorder = EventEmitter[str](), Recorder()
    emitter.once("event", recorder.first)

    emitter.emit("event", 1, 2)
    emitter.emit("event", 3, 4)

    assert recorder.calls == [(1,)]


def test_x22_off_removes_a_callback_of_once() -> None:
    emitter, recorder = EventEmitter[str](), Recorder()
    emitter.once("event", recorder.all)
    emitter.off("event", recorder.all)

    emitter.emit("event")

    assert recorder.calls == []


def test_a_callback_of_once_that_emits_the_event_again_is_not_called_again() -> None:
    emitter, recorder = EventEmitter[str](), Recorder()
    emitter.on("event", lambda depth: emitter.emit("event", depth + 1) if depth < 2 else None)
    emitter.once("event", recorder.all)

    emitter.emit("event", 0)

    assert recorder.calls == [(2,)]


def test_on_makes_a_callback_of_once_stay() -> None:
    emitter, recorder = EventEmitter[str](), Recorder()
    emitter.once("event", recorder.all)
    emitter.on("event", recorder.all)

    emitter.emit("event")
    emitter.emit("event")

    assert recorder.calls == [(), ()]


class Door(EventEmitter[Literal["opened", "closed"]]):
    EVENTS: ClassVar[tuple[str, ...]] = ("opened", "closed")


@pytest.mark.parametrize("register", [Door.on, Door.once])
def test_an_event_that_does_not_exist_is_refused_with_those_that_do(register: Any) -> None:
    told = r"Door has no event 'open'; it has opened, closed$"

    with pytest.raises(ConfigError, match=told):
        register(Door(), "open", print)
    with pytest.raises(ConfigError, match=told):
        register(Door(), "open")  # before there is anything to be decorated


def test_events_that_exist_are_taken_and_those_of_a_subclass_too() -> None:
    class Gate(Door):
        EVENTS = (*Door.EVENTS, "locked")

    gate, recorder = Gate(), Recorder()
    gate.on("opened", recorder.all)
    gate.on("locked", recorder.all)  # type: ignore[call-overload]

    gate.emit("opened", 1)
    gate.emit("locked", 2)  # type: ignore[arg-type]
    gate.off("nothing", recorder.all)  # type: ignore[arg-type]

    assert recorder.calls == [(1,), (2,)]
