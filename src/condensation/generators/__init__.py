"""Image generators, one file per family."""
