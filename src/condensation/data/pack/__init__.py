"""Packed data: images in a few large files with an index, which a start reads alone."""
