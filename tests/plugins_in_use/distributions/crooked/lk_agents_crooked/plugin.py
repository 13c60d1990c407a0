"""Cannot be loaded."""

raise RuntimeError("the licence of crooked has run out")
