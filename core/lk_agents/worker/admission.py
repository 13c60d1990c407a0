"""Whether another job may be taken; pure bookkeeping with one owner, the dispatcher.

A slot is taken when the server asks, not when it assigns: questions that come at the same time see each other.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

__all__ = ["Admission", "Slot"]


class Slot(StrEnum):
    """How far a job has come that holds a slot."""

    ASKED = "asked"
    """The server asks; nothing has been answered."""
    ACCEPTED = "accepted"
    """The answer was yes; the assignment is awaited, or a process."""
    RUNNING = "running"
    """A process has the job."""


class Admission:
    """Counts slots and knows every reason to say no.

    :param max_jobs: slots there are; None for as many as come.
    :param changed: called after every change.
    """

    def __init__(self, max_jobs: int | None, changed: Callable[[], None] = lambda: None) -> None:
        self._max_jobs = max_jobs
        self._changed = changed
        self._slots: dict[str, Slot] = {}
        self._draining = False
        self._load_full = False
        self._broken_reason: str | None = None

    @property
    def draining(self) -> bool:
        """Whether no job is taken any more."""
        return self._draining

    @property
    def load_full(self) -> bool:
        """Whether the load has reached the threshold."""
        return self._load_full

    @property
    def occupied(self) -> int:
        """How many slots are taken."""
        return len(self._slots)

    def count(self, slot: Slot) -> int:
        """Return how many jobs are in that state."""
        return sum(held is slot for held in self._slots.values())

    def refusal(self) -> str | None:
        """Return why a further job would be refused now, or None."""
        if self._draining:
            return "the worker is draining"
        if self._broken_reason is not None:
            return f"no process can be started: {self._broken_reason}"
        if self._max_jobs is not None and len(self._slots) >= self._max_jobs:
            return f"all {self._max_jobs} slots are taken"
        return "the load has reached the threshold" if self._load_full else None

    def reserve(self, job_id: str) -> str | None:
        """Take a slot for a job that the server offers.

        :returns: None, or why there is none: then nothing was taken.
        """
        if job_id in self._slots:
            return "this worker has that job already"
        reason = self.refusal()
        if reason is None:
            self.hold(job_id, Slot.ASKED)
        return reason

    def hold(self, job_id: str, slot: Slot) -> None:
        """Take a slot without asking whether there is one, or move the job's slot on."""
        if self._slots.get(job_id) is not slot:
            self._slots[job_id] = slot
            self._changed()

    def release(self, job_id: str) -> None:
        """Give the job's slot back; without one, do nothing."""
        if self._slots.pop(job_id, None) is not None:
            self._changed()

    def holds(self, job_id: str) -> bool:
        """Return whether the job has a slot."""
        return job_id in self._slots

    def drain(self) -> None:
        """Take no job any more."""
        if not self._draining:
            self._draining = True
            self._changed()

    def set_load_full(self, full: bool) -> None:
        """Note whether the load has reached the threshold."""
        if self._load_full is not full:
            self._load_full = full
            self._changed()

    def set_broken(self, reason: str | None) -> None:
        """Note why processes cannot be started, or None when they can."""
        if self._broken_reason != reason:
            self._broken_reason = reason
            self._changed()
