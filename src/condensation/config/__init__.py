"""Settings to and from plain values: TOML and JSON files, and overrides such as `method.lr=0.5`."""
