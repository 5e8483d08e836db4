"""The dataclasses are the configuration, and there is no second schema: from files, from the command line, and back."""

from condensation.settings.building import build, plain
from condensation.settings.families import FAMILIES
from condensation.settings.text import merge, put, read, to_toml

__all__ = ["FAMILIES", "build", "merge", "plain", "put", "read", "to_toml"]
