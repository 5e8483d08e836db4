"""Measurements beside the published numbers: settings files of commands, what runs them, and the pages that show their results."""
