"""Networks that make images, those that judge or encode them, and what they are trained by."""
