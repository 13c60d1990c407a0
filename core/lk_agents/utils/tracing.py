"""Spans for OpenTelemetry, through ``opentelemetry-api`` alone and only where the program uses it.

Whoever wants spans sets a tracer provider, and has imported ``opentelemetry.trace`` for that. Where nobody has, every
function here returns at once and nothing is imported, whether the package is installed or not. All moments are wall
clock seconds (``foundation.clock.wall_seconds``).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from lk_agents.foundation.clock import monotonic, wall_seconds
from lk_agents.foundation.version import __version__

if TYPE_CHECKING:
    from opentelemetry import trace

__all__ = ["NO_SPAN", "Span", "begin_span", "is_traced", "use_tracer_provider", "wall_of", "write_span"]

_TRACE: Final = "opentelemetry.trace"
_NANOSECONDS: Final = 1_000_000_000

_provider: ContextVar[Any] = ContextVar("lk_agents_tracer_provider", default=None)


class Span:
    """Something that takes time; without a tracer it is an empty shell. Its methods never raise.

    :param span: OpenTelemetry's own; None for a shell.
    """

    __slots__ = ("_span",)

    def __init__(self, span: trace.Span | None) -> None:
        self._span = span

    def event(self, name: str, *, at: float | None = None) -> None:
        """Note that something happened.

        :param at: when; by default now.
        """
        if self._span is not None:
            self._span.add_event(name, timestamp=_nanoseconds(at))

    def tell(self, **attributes: Any) -> None:
        """Add to what is known of it; the names get ``lk_agents.`` before them, values that are None are left out."""
        if self._span is not None:
            self._span.set_attributes(_named(attributes))

    def fail(self, why: str) -> None:
        """Note that it has failed.

        :param why: a kind of failure or a word of ours, nothing that a user said.
        """
        if self._span is not None:
            status = sys.modules[_TRACE].Status(sys.modules[_TRACE].StatusCode.ERROR, why)
            self._span.set_status(status)

    def end(self, *, at: float | None = None) -> None:
        """End it; the first time counts.

        :param at: when; by default now.
        """
        if self._span is not None and self._span.is_recording():
            self._span.end(_nanoseconds(at))

    @contextmanager
    def active(self) -> Iterator[None]:
        """Let what begins in the block, and in the tasks that it starts, be within this span."""
        if self._span is None:
            yield
            return
        context = sys.modules["opentelemetry.context"]
        token = context.attach(sys.modules[_TRACE].set_span_in_context(self._span))
        try:
            yield
        finally:
            context.detach(token)


NO_SPAN: Final = Span(None)
"""The shell for where there is none."""


def is_traced() -> bool:
    """Return whether anybody may want spans; if not, spare yourself finding out what to tell."""
    return _TRACE in sys.modules


def begin_span(
    name: str, *, at: float | None = None, within: Span | None = None, attributes: Mapping[str, Any] | None = None
) -> Span:
    """Begin a span, and return it; :meth:`Span.end` ends it.

    :param at: when it began; by default now.
    :param within: the span that it is a part of; by default the one that is active here.
    :param attributes: as in :meth:`Span.tell`.
    """
    tracer = _tracer()
    if tracer is None:
        return NO_SPAN
    context = None
    if within is not None and within._span is not None:  # noqa: SLF001  our own class
        context = sys.modules[_TRACE].set_span_in_context(within._span)  # noqa: SLF001
    span = tracer.start_span(
        name, context=context, start_time=_nanoseconds(at), attributes=_named(attributes or {}), record_exception=False
    )
    # One that is not sampled is kept: what is within it must not be sampled either.
    return Span(span) if span.get_span_context().is_valid else NO_SPAN


def write_span(
    name: str,
    *,
    began_at: float,
    ended_at: float,
    within: Span | None = None,
    attributes: Mapping[str, Any] | None = None,
    failure: str = "",
) -> None:
    """Write a span of something that is over.

    :param failure: why it failed; see :meth:`Span.fail`.
    """
    span = begin_span(name, at=began_at, within=within, attributes=attributes)
    if failure:
        span.fail(failure)
    span.end(at=ended_at)


def wall_of(moment: float) -> float:
    """Return the wall clock's seconds of a moment of ``foundation.clock.monotonic()``."""
    return wall_seconds() - (monotonic() - moment)


@contextmanager
def use_tracer_provider(provider: Any) -> Iterator[None]:
    """Have the spans of this context, and of the tasks that it starts, made by ``provider``, not by the global one."""
    token = _provider.set(provider)
    try:
        yield
    finally:
        _provider.reset(token)


def _tracer() -> Any:
    if (provider := _provider.get()) is not None:
        return provider.get_tracer("lk_agents", __version__)
    api = sys.modules.get(_TRACE)  # nobody can have set a provider without having imported it
    return None if api is None else api.get_tracer("lk_agents", __version__)


def _nanoseconds(at: float | None) -> int:
    return int((wall_seconds() if at is None else at) * _NANOSECONDS)


def _named(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {f"lk_agents.{name}": value for name, value in attributes.items() if value is not None}
