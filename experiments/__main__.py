"""Run the experiments that have no result yet, and write docs/results.md from all results.

    make results                                   all that is missing; interrupt and repeat it as you like
    python -m experiments --minutes 60             for an hour
    python -m experiments pools/cifar10-1-10       one
    python -m experiments --gpu --minutes 9        those with the settings of the papers, on a GPU
    python -m experiments --pages                  the pages again

CONDENSATION_DATA names the folder of the data sets.
"""

import argparse
import sys
import time

from experiments import results_page, tables
from experiments.plan import CPU, GPU, Experiment
from experiments.record import work_on


def main() -> None:
    """Parse the command line, run experiments and write the pages."""
    parser = argparse.ArgumentParser("experiments", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="experiments, also those that have a result")
    parser.add_argument("--gpu", action="store_true", help="the settings of the papers")
    parser.add_argument("--minutes", type=float, help="stop after this time; a later call continues")
    parser.add_argument("--pages", action="store_true", help="run nothing")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in (*CPU, *GPU)]
    if unknown:
        sys.exit(f"Unknown experiment: {', '.join(unknown)}. Known: {', '.join((*CPU, *GPU))}.")
    missing = [name for name in (GPU if options.gpu else CPU) if not Experiment(name).result.exists()]
    end = time.monotonic() + 60 * options.minutes if options.minutes else None
    for name in [] if options.pages else options.names or missing:
        left = None if end is None else end - time.monotonic()
        if (left is not None and left <= 0) or not work_on(Experiment(name), left):
            print("The time is over. The same command continues.")
            break
        results_page.write()
    results_page.write()
    tables.write()


if __name__ == "__main__":
    main()
