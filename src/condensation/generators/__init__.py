"""Networks that make pictures of random numbers, a file for each family."""

from condensation.generators.base import Generator, normal_latents, uniform_latents

__all__ = ["Generator", "normal_latents", "uniform_latents"]
