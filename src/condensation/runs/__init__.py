"""A run and its folder: settings, presets, log, stored evaluation."""
