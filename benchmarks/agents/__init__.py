"""One small agent, written once for each framework; what it does is in ``work.py``, the same for all."""
