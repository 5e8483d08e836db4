"""The printed form of each command, under the same name."""
