"""How fast and how small the runtime is, side by side with two older frameworks; run by ``make bench``."""
