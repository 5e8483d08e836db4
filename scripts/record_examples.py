"""Run every program in examples/ and record what it prints and its CPU seconds in results/examples.json, for the documentation site.

python -m scripts.record_examples [NAME ...]
"""

import argparse
import os
import subprocess
import sys
import tempfile

from benchmarks.harness import ROOT, cpu_seconds_of_children, made_by

from condensation.core.storage import read_json, write_json

RESULT = ROOT / "results" / "examples.json"


def record(name: str) -> dict[str, object]:
    """Return the output and the CPU time of an example, run in an empty folder. Exit if it fails."""
    before = cpu_seconds_of_children()
    with tempfile.TemporaryDirectory() as folder:
        path = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])}
        command = [sys.executable, str(ROOT / "examples" / f"{name}.py")]
        done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=True, env=path)
    return {"output": done.stdout, "cpu_seconds": round(cpu_seconds_of_children() - before, 1), **made_by()}


def main() -> None:
    """Record the examples that are named, or those that are not recorded yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    results = read_json(RESULT) if RESULT.exists() else {}
    missing = [path.stem for path in sorted((ROOT / "examples").glob("*.py")) if path.stem not in results]
    for name in parser.parse_args().names or missing:
        results[name] = record(name)
        print(f"{name}: {results[name]['cpu_seconds']} CPU s", flush=True)
        write_json(RESULT, dict(sorted(results.items())))


if __name__ == "__main__":
    main()
