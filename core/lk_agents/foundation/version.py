"""The version of the core; the server sees it at registration."""

__version__ = "0.1.0"
