"""CPU kernels for compiled networks, and the dispatch that decides when they are used."""
