"""Exports of a set, one file per format."""
