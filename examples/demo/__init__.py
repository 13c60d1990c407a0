"""A real server, a worker with the echo agent, and a caller who proves that he heard himself: ``make demo``."""
