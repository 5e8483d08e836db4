"""The papers' table: methods by images per class, beside published numbers."""
