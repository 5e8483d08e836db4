"""Draw docs/images/methods/NAME.png, the pictures of the pages of methods, by the commands in docs/site/methods.toml.

Usage: python scripts/draw_methods.py [NAME ...]
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from condensation import CondensedSet, grid, load

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "docs" / "images" / "methods"


def main() -> None:
    """Draw the named methods, or all."""
    methods: dict[str, Any] = tomllib.loads((ROOT / "docs" / "site" / "methods.toml").read_text(encoding="utf-8"))
    real = load("fashion-mini").train
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:] or methods:
        with tempfile.TemporaryDirectory() as folder:
            words = [
                *shlex.split(methods[name]["command"])[1:],
                "evaluation.networks=0",
                "baseline=false",
                "--quiet",
                "--out",
                folder + "/run",
            ]
            subprocess.run([sys.executable, "-m", "condensation", *words], check=True)
            picture = grid(CondensedSet.load(folder + "/run").images, real, rows=3, real_rows=1)
        picture.convert("P", palette=1, colors=64).save(PICTURES / f"{name}.png", optimize=True)
        print(f"{name}: {(PICTURES / f'{name}.png').stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
