"""Time the command until it has answered.

python -m benchmarks.startup
"""

import subprocess
import sys
from statistics import median

from benchmarks.harness import parse_options, save, timed

GOAL = 0.5  # seconds
COMMANDS = {"condense --help": ["--help"], "condense run --help": ["run", "--help"], "condense --version": ["--version"]}


def start_seconds(words: list[str]) -> float:
    command = [sys.executable, "-m", "condensation", *words]
    return timed(lambda: subprocess.run(command, check=True, capture_output=True), "cpu")


def main() -> None:
    options = parse_options(__doc__, rounds=7)
    seconds = {name: median(start_seconds(words) for _ in range(options.rounds)) for name, words in COMMANDS.items()}
    for name, value in seconds.items():
        print(f"{name}: {value:.2f} s")
    save("startup", {"seconds": seconds, "goal": GOAL}, options.out)


if __name__ == "__main__":
    main()
