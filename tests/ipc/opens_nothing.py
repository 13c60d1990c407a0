"""A module whose import does nothing."""
