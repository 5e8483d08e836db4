"""One file per command: its options, and the settings that they make."""
