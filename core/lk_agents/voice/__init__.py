"""Turn-taking, listening and speaking: the engine under both agents."""
