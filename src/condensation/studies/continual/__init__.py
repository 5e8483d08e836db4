"""Continual learning from condensed memories."""
