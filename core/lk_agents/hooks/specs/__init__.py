"""hooks/specs."""
