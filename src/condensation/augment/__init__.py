"""Differentiable augmentation: DSA, DiffAugment, or any callable of the user."""
