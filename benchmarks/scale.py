"""Measure what is done past one machine's memory or one process, part by part.

python -m benchmarks.scale PART --help
"""

import sys
from importlib import import_module

PARTS = {
    "pack": "benchmarks.scale_pack",
    "studies": "benchmarks.scale_studies",
    "team": "benchmarks.scale_team",
}  # each module has a function main(arguments)


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in PARTS:
        sys.exit(f"Usage: python -m benchmarks.scale PART, one of: {', '.join(PARTS)}")
    import_module(PARTS[sys.argv[1]]).main(sys.argv[2:])


if __name__ == "__main__":
    main()
