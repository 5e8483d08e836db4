"""How long does the command take to say anything?

python -m benchmarks.startup
"""

from __future__ import annotations

import subprocess
import sys
from statistics import median

from benchmarks.harness import arguments, save, timed

GOAL = 0.5  # seconds
COMMANDS = {"condense --help": ["--help"], "condense run --help": ["run", "--help"], "condense --version": ["--version"]}


def main() -> None:
    asked = arguments(__doc__, rounds=7)

    def start(words: list[str]) -> float:
        call = [sys.executable, "-m", "condensation", *words]
        return timed(lambda: subprocess.run(call, check=True, capture_output=True), "cpu")

    seconds = {name: median(start(words) for _ in range(asked.rounds)) for name, words in COMMANDS.items()}
    for name, took in seconds.items():
        print(f"{name}: {took:.2f} s")
    save("startup", {"seconds": seconds, "goal": GOAL}, asked.out)


if __name__ == "__main__":
    main()
