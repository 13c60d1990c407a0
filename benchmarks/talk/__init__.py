"""Conversations: callers who speak and listen, and the agents of each framework that answer them.

``*_program.py`` and what they import (``script``, ``classic``) run in a framework's environment. The callers
(``python -m benchmarks.talk``) are a process of their own in the project's environment, the same for all.
"""
