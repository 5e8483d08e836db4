"""Foundation of all other packages: image sets, random streams, storage, compute, errors."""
