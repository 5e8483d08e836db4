"""The command `condense`."""
