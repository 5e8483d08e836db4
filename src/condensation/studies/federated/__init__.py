"""Federated learning from condensed sets: owners of images share a small set each, and nothing else."""
