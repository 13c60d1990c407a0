"""Smoothing a series of numbers."""

from __future__ import annotations

from lk_agents.foundation.errors import ConfigError

__all__ = ["ExpFilter"]

_UNSET = -1.0
"""What stands for "none" in the parameters and results, where the public surface has numbers."""


class ExpFilter:
    """Exponential smoothing: each sample moves the value by a part of the difference.

    :param alpha: how much of the old value stays per unit of ``exp``: 0 follows at once, 1 never.
    :param max_val: the highest value it takes; -1 for no limit.
    :raises ConfigError: ``alpha`` is not between 0 and 1.
    """

    def __init__(self, alpha: float, max_val: float = _UNSET) -> None:
        self._alpha = _checked(alpha)
        self._max = None if max_val == _UNSET else max_val
        self._value: float | None = None

    def reset(self, alpha: float = _UNSET) -> None:
        """Forget the value.

        :param alpha: replaces the one before; -1 keeps it.
        :raises ConfigError: ``alpha`` is not between 0 and 1.
        """
        if alpha != _UNSET:
            self._alpha = _checked(alpha)
        self._value = None

    def apply(self, exp: float, sample: float) -> float:
        """Take in a sample and return the value; the first sample is the value.

        :param exp: the weight of the sample, such as the time since the last one: two samples alike with 1 have the
            effect of one with 2.
        """
        if self._value is None:
            value = sample
        else:
            stays = self._alpha**exp
            value = stays * self._value + (1 - stays) * sample
        self._value = value if self._max is None else min(value, self._max)
        return self._value

    def filtered(self) -> float:
        """Return the value, -1 if there is none yet."""
        return _UNSET if self._value is None else self._value

    def update_base(self, alpha: float) -> None:
        """Replace ``alpha`` and keep the value.

        :raises ConfigError: ``alpha`` is not between 0 and 1.
        """
        self._alpha = _checked(alpha)


def _checked(alpha: float) -> float:
    if not 0 <= alpha <= 1:
        raise ConfigError(f"alpha is {alpha!r}; it must be between 0 and 1")
    return alpha
