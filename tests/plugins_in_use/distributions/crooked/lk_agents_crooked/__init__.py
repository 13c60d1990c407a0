"""A plugin that cannot be loaded, and one with a hook that does not exist."""
