"""The one error of a measurement."""

from __future__ import annotations

__all__ = ["MeasurementError"]


class MeasurementError(Exception):
    """What was to be measured was never reached, or did not last; the text says what, with the worker's last lines."""
