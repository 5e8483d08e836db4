"""Differentiable augmentation: `DSA`, `DiffAugment`, or any callable in its place."""

from condensation.augment.base import Augmentation, Seeded, Transform, side_by_side
from condensation.augment.diffaugment import DiffAugment
from condensation.augment.dsa import DSA, OPERATIONS, UNIFORMS

__all__ = ["DSA", "OPERATIONS", "UNIFORMS", "Augmentation", "DiffAugment", "Seeded", "Transform", "side_by_side"]
