"""Neural tangent kernels of infinitely wide ReLU networks, in closed form, with gradients."""
