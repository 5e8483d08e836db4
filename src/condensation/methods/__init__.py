"""Condensation methods, one file per method, and the loop that runs them."""
