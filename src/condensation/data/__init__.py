"""Real data: read, checked, split and preprocessed."""
