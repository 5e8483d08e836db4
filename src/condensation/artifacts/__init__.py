"""The files that a run leaves: the condensed set, the trained generator, and exports of a set for other programs."""
