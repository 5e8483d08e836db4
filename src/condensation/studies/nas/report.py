"""What a search has found so far: how well each proxy ranks networks, and which it would choose; as JSON and as Markdown."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from condensation.core.plain import to_dict
from condensation.core.rng import Rng
from condensation.core.storage import read_json, write, write_json
from condensation.core.text import accuracy, counted
from condensation.data.load import titled
from condensation.report.tables import markdown_table
from condensation.runs.run import LOG
from condensation.runs.run import SETTINGS as RUN_SETTINGS
from condensation.studies.jobs import failures_in
from condensation.studies.nas.proxies import SETS, WHOLE, OnSet, SearchSettings, all_of
from condensation.studies.nas.study import names_in, search_in
from condensation.studies.nas.train_candidates import NETWORKS, trained
from condensation.studies.rank_correlation import Agreement, agreement
from condensation.studies.study_folder import SETTINGS, slug
from condensation.studies.table.report import png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

JSON, MARKDOWN, PICTURE = "nas.json", "nas.md", "nas.png"
NOTHING = "-"
ON_SCREEN = 5  # columns; there is no room for more


@dataclass(frozen=True)
class Verdict:
    """How good a proxy is; the whole data are one too, and the best."""

    label: str
    networks: tuple[str, ...]  # that were trained on it and fully
    top: tuple[str, ...]  # the best of these by validation accuracy after training on it, best first, and all that equal the last of them
    equal: tuple[str, ...]  # the very best; where several are equally good, a search has to choose by chance
    over_all: Agreement  # of test accuracies after training on it with those after training fully
    over_top: Agreement  # the same of the top alone
    accuracy: float | None  # on test images, of the very best, trained fully; percent
    deviation: float | None  # over all of their trainings
    trainings: int
    seconds: float  # of training all networks on it
    seconds_of_set: float  # of making the set

    @property
    def found(self) -> str | None:
        """The network that a search by this proxy ends with, the first of the very best."""
        return self.equal[0] if self.equal else None


@dataclass(frozen=True, eq=False)
class Search:
    """A search, as far as it is done."""

    folder: Path
    settings: SearchSettings

    @cached_property
    def names(self) -> list[str]:
        """Of all networks that are asked for, in their order."""
        return names_in(self.folder)[0]

    @cached_property
    def others(self) -> dict[str, str]:
        """Networks of the space that do not fit the images: name -> why."""
        return names_in(self.folder)[1]

    @cached_property
    def trained(self) -> dict[str, dict[str, Any]]:
        """By network and by what it was trained on: accuracies in percent, and seconds."""
        return {name: there for name in self.names if (there := trained(self.folder, name))}

    @cached_property
    def done(self) -> list[str]:
        """The networks that were trained on everything."""
        return [name for name, there in self.trained.items() if all(proxy.label in there for proxy in all_of(self.settings))]

    @cached_property
    def failed(self) -> dict[str, str]:
        """Sets and networks that failed: name -> why."""
        of_sets, of_networks = failures_in(self.folder / SETS), failures_in(self.folder / NETWORKS)
        mine = {name: one for name, one in of_networks.items() if name in set(self.names)}
        return {name: str(one["reason"]) for name, one in {**{f"set of {key}": one for key, one in of_sets.items()}, **mine}.items()}

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """One for each proxy, and the last for the whole data."""
        return [self._verdict(proxy.label, isinstance(proxy, OnSet)) for proxy in all_of(self.settings)]

    def mean(self, name: str, label: str, part: str = "test") -> float:
        """The accuracy in percent of the network ``name`` after training on ``label``, over its trainings: ``test`` or ``validation``."""
        return float(np.mean(self.trained[name][label][part]))

    def _verdict(self, label: str, of_set: bool) -> Verdict:
        names = [name for name, there in self.trained.items() if label in there and WHOLE in there]
        worth = {name: round(self.mean(name, label, "validation"), 6) for name in names}
        best = sorted(names, key=lambda name: -worth[name])
        last = best[: max(1, round(self.settings.top * len(names)))][-1:]
        top = [name for name in best if worth[name] >= worth[last[0]]]
        equal = [name for name in top if worth[name] == worth[top[0]]]
        rng = Rng(self.settings.seed).child("bootstrap", label)
        over_all, over_top = (
            agreement([self.mean(one, label) for one in some], [self.mean(one, WHOLE) for one in some], rng.child(part))
            for part, some in (("all", names), ("top", top))
        )
        fully = [value for name in equal for value in self.trained[name][WHOLE]["test"]]
        seconds = sum(there[label]["seconds"] for there in self.trained.values() if label in there)
        mean, deviation = (float(np.mean(fully)), float(np.std(fully))) if fully else (None, None)
        making = _seconds_of(self.folder / SETS / slug(label)) if of_set else 0.0
        return Verdict(label, tuple(names), tuple(top), tuple(equal), over_all, over_top, mean, deviation, len(fully), seconds, making)

    @property
    def title(self) -> str:
        """What was searched."""
        return f"{titled(self.settings.source)}: {len(self.done):,} of {counted(len(self.names), 'network')}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The head of the table."""
        top = f"top {self.settings.top:.0%}"
        return ("trained on", "Spearman", f"Spearman, {top}", "found, %", "minutes", "Kendall", f"Kendall, {top}")

    @property
    def lines(self) -> list[tuple[str, ...]]:
        """The table as text."""
        return [_line(verdict) for verdict in self.verdicts]

    @property
    def notes(self) -> list[str]:
        """What must be said below the table."""
        how, recipe = self.settings, self.settings.recipe
        said = [
            "Rank correlation of test accuracies after training on what is in front with those after training on all images, and the "
            f"interval that holds 95 % of it when networks are drawn again; {NOTHING}: of fewer than five networks it says nothing.",
            "top: the best by validation accuracy after training on what is in front, and all that equal the last of them. found: test "
            "accuracy of the very best of them, trained on all images. minutes: of training all networks, by one worker.",
            f"Each network {counted(how.trainings, 'time')}: on sets of {counted(how.ipc, 'image')} a class for "
            f"{counted(recipe.epochs, 'epoch')}, on all images for {counted(how.whole_epochs, 'epoch')}; batches of {recipe.batch}, "
            f"learning rate {recipe.lr:g}.",
        ]
        making = [f"{one.label} {one.seconds_of_set / 60:.1f}" for one in self.verdicts if one.seconds_of_set]
        said += [f"Minutes of making the sets: {', '.join(making)}."] if making else []
        counts = {one.label: len(one.networks) for one in self.verdicts}
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"{label} {count:,}" for label, count in counts.items())
            said.append(f"Rows are not of the same networks, of which some are not done or failed: {listed}.")
        said.append("Networks in the top: " + ", ".join(f"{one.label} {len(one.top):,}" for one in self.verdicts) + ".")
        said += [f"Found by {one.label}: {_found(one)}." for one in self.verdicts if one.found]
        said += [f"{counted(number, 'network')} of the space left out: {why}" for why, number in Counter(self.others.values()).items()]
        return said + [f"{name} failed: {reason}" for name, reason in self.failed.items()]

    def markdown(self) -> str:
        """The table and its notes."""
        table = markdown_table(self.columns, self.lines)
        listed = "\n".join(f"- {line}" for line in self.notes)
        return f"# {self.title}\n\n{table}\n\n![{PICTURE}]({PICTURE})\n\n{listed}\n"

    def as_json(self) -> dict[str, Any]:
        """Everything that is known of the search."""
        about = read_json(self.folder / SETTINGS)
        return {
            "settings": to_dict(self.settings),
            "verdicts": [{**asdict(one), "networks": len(one.networks), "found": one.found} for one in self.verdicts],
            "methods": _methods(self.folder / SETS, [slug(one.label) for one in self.verdicts]),
            "networks": self.trained,
            "asked_for": len(self.names),
            "done": len(self.done),
            "do_not_fit": self.others,
            "failed": self.failed,
            **{key: about.get(key) for key in ("data", "versions", "machine")},
        }

    def plot(self) -> Figure:
        """Accuracy after training on each proxy against that after training fully: of all networks, and of the top."""
        from condensation.studies.nas.figure import figure

        return figure(self)


def read_search(folder: str | Path) -> Search:
    """The search in ``folder``, as far as it is done.

    Raises:
        CondensationError: if there is none.
    """
    return Search(Path(folder), search_in(folder))


def write_search(folder: str | Path) -> Search:
    """Write ``nas.json``, ``nas.md`` and ``nas.png`` from what is in ``folder`` so far; return it."""
    found = read_search(folder)
    write_json(found.folder / JSON, found.as_json())
    write(found.folder / MARKDOWN, found.markdown().encode())
    write(found.folder / PICTURE, png(found.plot()))
    return found


def _line(verdict: Verdict) -> tuple[str, ...]:
    over_all, over_top = verdict.over_all, verdict.over_top
    coefficients = (over_all.spearman, over_top.spearman, over_all.kendall, over_top.kendall)
    rho, rho_of_top, tau, tau_of_top = (str(one) if one else NOTHING for one in coefficients)
    fully = NOTHING if verdict.accuracy is None else accuracy(verdict.accuracy, verdict.deviation or 0.0, verdict.trainings)
    return verdict.label, rho, rho_of_top, fully, f"{verdict.seconds / 60:.1f}", tau, tau_of_top


def _found(verdict: Verdict) -> str:
    others = len(verdict.equal) - 1
    chance = f", or one of {counted(others, 'other')} with the same validation accuracy; the accuracy is the mean of all" if others else ""
    return f"{verdict.found}{chance}"


def _methods(runs: Path, names: Sequence[str]) -> dict[str, Any]:
    """How the sets were made, with all settings: name -> method."""
    there = {name: runs / name / RUN_SETTINGS for name in names}
    return {name: read_json(path)["settings"]["method"] for name, path in there.items() if path.exists()}


def _seconds_of(run: Path) -> float:
    """How long the condensing of a run took, as its log says; 0 where there was nothing to log."""
    path = run / LOG
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return float(json.loads(lines[-1])["seconds"]) if lines else 0.0
