"""Distances between real and synthetic images as pure functions: MMD, kernels, gradient distances."""
