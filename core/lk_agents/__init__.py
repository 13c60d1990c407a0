"""Lets LiveKit hand rooms to your code: worker, jobs, process pool, hooks."""
