"""The process pool: pure machine, supervisor, zygote, channels. Internal; only the package's name is public."""
