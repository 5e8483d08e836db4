"""Running of the trials of a campaign, in processes if asked."""

import shutil
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from tests.campaigns.record import Record
from tests.campaigns.trial import Fault, Trial, TrialFunction

BLOCK = 20  # trials between two writings of the record


@dataclass(frozen=True)
class Outcome:
    """Result of one trial."""

    number: int
    part: str
    passed: bool
    seconds: float


@dataclass(frozen=True)
class Runner:
    """A campaign with its seed and the folder of its trials."""

    campaign: str
    function: TrialFunction
    seed: int
    root: Path

    def trial(self, number: int, keep: bool = False) -> Outcome:
        """Run one trial in its folder; print a line if it fails."""
        folder = self.root / self.campaign / str(number)
        folder.mkdir(parents=True)
        trial = Trial(self.campaign, self.seed, number, folder, self.root / "corpus")
        start, problem = time.monotonic(), ""
        try:
            self.function(trial)
        except Fault as fault:
            problem = str(fault)
        except Exception:
            problem = f"the campaign itself: {traceback.format_exc()}"
        if problem:
            shown = problem.replace(str(folder), "").replace("\x1b", "\\x1b")
            print(f"FAIL {self.campaign} --seed {self.seed} --only {number} ({trial.doing or trial.part}): {shown}", flush=True)
        if keep:
            print(f"{self.campaign} {number}: {trial.doing or trial.part}; {time.monotonic() - start:.1f} s; its files are in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
        return Outcome(number, trial.part, not problem, time.monotonic() - start)

    def run(self, trials: int, jobs: int, record: Record) -> int:
        """Repeat the trials that ``record`` has as failed, run those that it lacks, print the summary and return the number of failures."""
        with ProcessPoolExecutor(jobs, get_context("fork")) as pool:
            for one in pool.map(self.trial, record.failures):
                if one.passed:
                    record.passes_now(one.number)
            while record.trials < trials:
                block = range(record.trials, min(trials, record.trials + BLOCK))
                start = time.monotonic()
                outcomes = list(pool.map(self.trial, block))
                record.add([(one.part, one.passed, one.number) for one in outcomes], time.monotonic() - start)
        parts = ", ".join(f"{name} {count}" for name, count in sorted(record.parts.items()))
        counts = f"{record.trials} trials with seed {self.seed} ({parts}), {len(record.failures)} failures"
        print(f"{self.campaign}: {counts}, {record.seconds:.0f} s", flush=True)
        return len(record.failures)
