"""Differentiable augmentation: `DSA`, or any callable in its place."""

from condensation.augment.base import Augmentation, Seeded, Transform, side_by_side
from condensation.augment.dsa import DSA, OPERATIONS, UNIFORMS

__all__ = ["DSA", "OPERATIONS", "UNIFORMS", "Augmentation", "Seeded", "Transform", "side_by_side"]
