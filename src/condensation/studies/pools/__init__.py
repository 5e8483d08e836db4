"""Sets learned on networks of different accuracy."""
