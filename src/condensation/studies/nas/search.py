"""Results of an architecture search: how well each proxy ranks networks, and which network it selects."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from condensation.core.records import read_record
from condensation.core.rng import Rng
from condensation.runs.files import LOG, SETTINGS as RUN_SETTINGS
from condensation.runs.loss_log import read_log
from condensation.studies.nas.proxies import SETS, WHOLE, Proxy, SearchSettings, all_proxies, decisive_settings, search_jobs
from condensation.studies.nas.train_candidates import NETWORKS, SPACE, SpaceRecord, Trained, trained
from condensation.studies.rank_correlation import Agreement, agreement
from condensation.studies.study import ReportRecord, earlier_report
from condensation.studies.study_folder import StudyRecord, settings_in, slug
from condensation.studies.tasks import failures_in


@dataclass(frozen=True)
class Verdict:
    """Quality of a proxy. Training on the whole data is a proxy too, and the best one."""

    label: str
    networks: tuple[str, ...]  # networks trained both on it and fully
    top: tuple[str, ...]  # best networks by validation accuracy after training on it, best first, with all that equal the last of them
    equal: tuple[str, ...]  # networks with the best validation accuracy; a search selects one of them by chance
    over_all: Agreement  # rank correlation of test accuracies with those after full training
    over_top: Agreement  # rank correlation among the top alone
    accuracy: float | None  # test accuracy in percent of the best networks after full training
    deviation: float | None  # population standard deviation over all their full trainings
    trainings: int
    seconds: float  # time of training all networks on it
    seconds_of_set: float  # time of making the set

    @property
    def found(self) -> str | None:
        """The network that a search with this proxy selects, the first of the best."""
        return self.equal[0] if self.equal else None


@dataclass(frozen=True)
class SetTime:
    """Part of a verdict that is read again."""

    label: str
    seconds_of_set: float = 0.0


@dataclass(frozen=True)
class SearchRecord(ReportRecord):
    """Part of ``nas.json`` that is read again."""

    networks: dict[str, dict[str, Trained]]
    verdicts: tuple[SetTime, ...] = ()
    methods: dict[str, Any] = field(default_factory=dict)
    do_not_fit: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Search:
    """A search, finished or not."""

    folder: Path
    settings: SearchSettings

    @cached_property
    def space(self) -> SpaceRecord:
        """Networks asked for in their order, and those that do not fit the images."""
        path = self.folder / SPACE
        return read_record(path, SpaceRecord) if path.exists() else SpaceRecord(tuple(self._earlier.networks), self._earlier.do_not_fit)

    @property
    def names(self) -> tuple[str, ...]:
        """Networks asked for, in their order."""
        return self.space.networks

    @cached_property
    def trained(self) -> dict[str, dict[str, Trained]]:
        """Results by network and by the label of the proxy."""
        labels = {proxy.label for proxy in all_proxies(self.settings)}
        results = {name: trained(self.folder, name) for name in self.names}
        if not all(labels <= done.keys() for done in results.values()):
            results = {name: {**self._earlier.networks.get(name, {}), **done} for name, done in results.items()}
        return {name: done for name, done in results.items() if done}

    @cached_property
    def done(self) -> list[str]:
        """Networks trained on everything."""
        return [name for name, done in self.trained.items() if all(proxy.label in done for proxy in all_proxies(self.settings))]

    @cached_property
    def failed(self) -> dict[str, str]:
        """Reason of each set and network that failed."""
        sets = {f"set of {name}": failure for name, failure in failures_in(self.folder / SETS).items()}
        networks = {name: failure for name, failure in failures_in(self.folder / NETWORKS).items() if name in set(self.names)}
        return {name: failure.reason for name, failure in (sets | networks).items()}

    @cached_property
    def methods(self) -> dict[str, Any]:
        """Complete plain settings of the method of each set."""
        paths = {job.name: self.folder / SETS / job.name / RUN_SETTINGS for job in search_jobs(self.settings)}
        made = {name: read_record(path, StudyRecord).settings["method"] for name, path in paths.items() if path.exists()}
        earlier = self._earlier.methods if len(made) < len(paths) else {}
        return {name: method for name in paths if (method := made.get(name, earlier.get(name)))}

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """Verdict of each proxy; the last is that of the whole data."""
        return [self._verdict(proxy) for proxy in all_proxies(self.settings)]

    def mean(self, name: str, label: str, part: str = "test") -> float:
        """Return the mean accuracy in percent of a network after its trainings on ``label``: ``test`` or ``validation``."""
        return float(np.mean(getattr(self.trained[name][label], part)))

    def _verdict(self, proxy: Proxy) -> Verdict:
        label = proxy.label
        names = [name for name, done in self.trained.items() if label in done and WHOLE in done]
        validation = {name: round(self.mean(name, label, "validation"), 6) for name in names}
        best = sorted(names, key=lambda name: -validation[name])
        last = best[: max(1, round(self.settings.top * len(names)))][-1:]
        top = [name for name in best if validation[name] >= validation[last[0]]]
        equal = [name for name in top if validation[name] == validation[top[0]]]
        rng = Rng(self.settings.seed).child("bootstrap", label)
        over_all, over_top = (
            agreement([self.mean(name, label) for name in group], [self.mean(name, WHOLE) for name in group], rng.child(part))
            for part, group in (("all", names), ("top", top))
        )
        full = [accuracy for name in equal for accuracy in self.trained[name][WHOLE].test]
        seconds = sum(done[label].seconds for done in self.trained.values() if label in done)
        mean, deviation = (float(np.mean(full)), float(np.std(full))) if full else (None, None)
        made = self._seconds_of(label) if proxy.has_set else 0.0
        return Verdict(label, tuple(names), tuple(top), tuple(equal), over_all, over_top, mean, deviation, len(full), seconds, made)

    def _seconds_of(self, label: str) -> float:
        """Return the time of condensing from the log of the run; 0 if nothing was logged."""
        run = self.folder / SETS / slug(label)
        if not run.exists():
            return next((verdict.seconds_of_set for verdict in self._earlier.verdicts if verdict.label == label), 0.0)
        log = read_log(run / LOG)
        return log[-1].seconds if log else 0.0

    @cached_property
    def _earlier(self) -> SearchRecord:
        """Earlier report of the same search, restricted to the proxies whose settings have not changed; empty if there is none."""
        earlier = earlier_report(self.folder / "nas.json", SearchRecord, self.settings, decisive_settings)
        if earlier is None:
            return SearchRecord({}, {})
        record, before = earlier
        methods = [{job.name: job.settings.method for job in search_jobs(settings)} for settings in (before, self.settings)]
        changed = {name for name in methods[0].keys() & methods[1].keys() if methods[0][name] != methods[1][name]}
        kept = [{label: done for label, done in results.items() if slug(label) not in changed} for results in record.networks.values()]
        return replace(record, networks=dict(zip(record.networks, kept, strict=True)))


def search_in(folder: str | Path) -> Search:
    """Return the search in ``folder``, finished or not."""
    return Search(Path(folder), settings_in(folder, SearchSettings, "nas.json"))
