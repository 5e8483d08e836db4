"""Training of networks on image sets: recipes, stacked models, pools, meta-gradients."""
