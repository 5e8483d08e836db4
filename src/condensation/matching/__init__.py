"""Discrepancies between real and synthetic images: pure functions."""
