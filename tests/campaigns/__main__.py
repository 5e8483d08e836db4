"""Command line of the campaigns."""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.campaigns import fuzz, kill, numbers, places, security, soak
from tests.campaigns.command import warm
from tests.campaigns.record import Record, write_table
from tests.campaigns.runner import Runner

CAMPAIGNS = {"kill": kill.trial, "fuzz": fuzz.trial, "places": places.trial, "security": security.trial}
CAMPAIGNS |= {"numbers": numbers.trial, "soak": soak.trial}
FULL = {"kill": 800, "fuzz": 2000, "places": 400, "security": 400, "numbers": 600, "soak": 100}  # trials before a release


def main() -> int:
    """Run campaigns, print one summary line for each, and return 1 if a trial failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns", description=__doc__)
    parser.add_argument("campaign", choices=[*CAMPAIGNS, "all"])
    parser.add_argument("--trials", type=int, help="number of trials; default: as before a release")
    parser.add_argument("--share", type=float, default=1.0, help="fraction of the default numbers, for all campaigns at once")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="run this trial alone and keep its folder")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--out", type=Path, help="JSON file in which counts are added up; a stopped campaign continues there")
    parser.add_argument("--page", type=Path, help="Markdown page whose table shows the counts of --out")
    given = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="campaigns-"))
    start = time.monotonic()
    warm(root / "home")
    failures = 0
    for name in CAMPAIGNS if given.campaign == "all" else [given.campaign]:
        runner = Runner(name, CAMPAIGNS[name], given.seed, root)
        trials = given.trials or max(1, round(FULL[name] * given.share))
        if given.only is not None:
            failures += not runner.trial(given.only, keep=True).passed
        else:
            failures += runner.run(trials, given.jobs, Record(given.out, name, given.seed))
    if given.page:
        write_table(given.page, given.out)
    if given.only is None:
        shutil.rmtree(root, ignore_errors=True)
        print(f"campaigns: {time.monotonic() - start:.0f} s with imports, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
