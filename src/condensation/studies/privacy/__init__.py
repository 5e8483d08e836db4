"""Study of what a condensed set reveals: copies, membership inference, and the audit of differential privacy."""
