"""Accuracy of a set: networks trained on it, kernel ridge regression, the GAN test."""
