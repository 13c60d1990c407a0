"""What is common to the settings of all agents: which names there are, and when a conversation ends."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, TypedDict

from lk_agents.media.session_io import EndPolicy
from lk_agents.media.surroundings import GRACE_SECONDS

__all__ = ["EndSettings", "check_names", "end_of"]


class EndSettings(TypedDict, total=False):
    """When a conversation is over because people have left.

    :param end_policy: never by default.
    :param grace_seconds: how long the participant may be away, by the policy ``GRACE``; 20.
    """

    end_policy: EndPolicy | str
    grace_seconds: float


def check_names(given: Any, known: type[Any], *, what: str) -> None:
    """Refuse settings that do not exist, with the nearest name that does.

    :param known: a ``TypedDict`` with the names.
    :raises TypeError: one does not.
    """
    for name in given:
        if name not in known.__annotations__:
            near = get_close_matches(name, known.__annotations__, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(sorted(known.__annotations__))}"
            raise TypeError(f"{what} has no setting {name!r}{hint}")


def end_of(more: EndSettings) -> tuple[EndPolicy, float]:
    """Return when the conversation is over, and how long the participant may be away.

    :raises ValueError: there is no such policy.
    """
    return EndPolicy(more.get("end_policy", EndPolicy.MANUAL)), more.get("grace_seconds", GRACE_SECONDS)
