"""Values and tools that know nothing of condensing: image sets, random streams, storage, compute."""
