"""Condense an image training set into a few synthetic images per class."""
