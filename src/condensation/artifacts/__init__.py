"""Files that a run writes: the condensed set, the trained generator, and exports of a set for other programs."""
