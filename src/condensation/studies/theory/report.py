"""Report of the comparison of gradient matching with feature matching."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from condensation.core.plain import to_dict
from condensation.core.records import read_record
from condensation.core.text import counted
from condensation.data.load import dataset_title
from condensation.report.page.charts import Chart, Series
from condensation.studies.study import ReportRecord, StudyReport, earlier_report, new_figure, style
from condensation.studies.theory.study import NETWORKS, ZERO, Measurement, TheorySettings, decisive_settings

CURVES = (("cosine", "#1b7f79", "cosine of the pixel gradients"), ("rank_correlation", "#b5542b", "rank correlation of the losses"))
UNTRAINED, TRAINED = "#7d7d87", "#3f51a3"
Networks = Sequence[Sequence[Measurement]]  # measurements of each network, in the order of its training


@dataclass(frozen=True)
class TheoryRecord(ReportRecord):
    """Part of ``theory.json`` that is read again."""

    networks: tuple[tuple[Measurement, ...], ...]


def theory_report(settings: TheorySettings, folder: Path) -> StudyReport:
    """Return the report of the measurement in ``folder``."""
    networks = networks_in(settings, folder)
    means, done = _means(networks), len(networks)
    return StudyReport(
        title=f"{dataset_title(settings.data.source)}: matching features and matching last-layer gradients",
        columns=("network", "test accuracy, %", "rank correlation", "cosine"),
        rows=tuple(map(_row, means)),
        notes=(
            f"On {done} of {counted(settings.networks, 'network')}, {settings.pairs} pairs of random subsets each: rank correlation of "
            "the two losses, and cosine of their gradients in the pixels. At 1 they agree.",
        ),
        json={"networks": to_dict(networks), "means": means},
        figures={"theory.png": lambda: theory_figure(networks, means)} if networks else {},
        places={"Picture": "theory.png", "Numbers": "theory.json"},
        missing=counted(settings.networks - done, "network") if done < settings.networks else "",
        text_columns=("network",),
        charts=lambda: theory_charts(networks, means) if networks else (),
    )


def theory_charts(networks: Networks, means: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """Return both losses pair by pair at the beginning and the end of training, and their agreement during training."""
    trained = [measurement for measurement in networks[0] if measurement.after != ZERO]
    pairs = []
    for color, measurement in zip((1, 2), trained[:: max(1, len(trained) - 1)], strict=False):
        x, y = (np.array(values) / np.mean(values) for values in (measurement.feature_losses, measurement.gradient_losses))
        points = list(zip(x.tolist(), y.tolist(), strict=False))  # a damaged file may hold fewer of one
        pairs.append(
            Series(f"{stage(measurement.after)}, rank correlation {measurement.rank_correlation:.2f}", points, (), color, joined=False)
        )
    stages = [mean for mean in means if mean["after"] != ZERO]
    curves = [
        Series(label, [(number, mean[name]) for number, mean in enumerate(stages)], (), color)
        for color, (name, _, label) in enumerate(CURVES)
    ]
    return [
        Chart("Two random subsets on one network", "feature loss / its mean", "last-layer gradient loss / its mean", pairs),
        Chart("Agreement", "epochs of training before", "mean of all networks", curves, names=[str(mean["after"]) for mean in stages]),
    ]


def networks_in(settings: TheorySettings, folder: Path) -> Networks:
    """Return the measured networks in ``folder``."""
    paths = [folder / NETWORKS / f"{number}.json" for number in range(settings.networks)]
    networks: Networks = [read_record(path, tuple[Measurement, ...]) for path in paths if path.exists()]
    if len(networks) < settings.networks:
        earlier = earlier_report(folder / "theory.json", TheoryRecord, settings, decisive_settings)
        if earlier:
            return max(networks, earlier[0].networks[: settings.networks], key=len)
    return networks


def _means(networks: Networks) -> list[dict[str, Any]]:
    """Return the means over networks of each stage of training."""
    means = []
    for measurements in zip(*networks, strict=True):
        values = {
            name: round(float(np.mean([getattr(measurement, name) for measurement in measurements])), 4)
            for name in ("accuracy", "rank_correlation", "cosine")
            if getattr(measurements[0], name) is not None
        }
        means.append({"after": measurements[0].after, **values})
    return means


def _row(mean: Mapping[str, Any]) -> tuple[str, ...]:
    accuracy = f"{mean['accuracy']:.1f}" if "accuracy" in mean else "-"
    return stage(mean["after"]), accuracy, f"{mean['rank_correlation']:.3f}", f"{mean['cosine']:.3f}"


def theory_figure(networks: Networks, means: Sequence[Mapping[str, Any]]) -> Any:
    """Return the figure: both losses pair by pair at the beginning and the end (left), and their agreement during training (right)."""
    figure = new_figure(9.2, 3.9)
    left, right = figure.subplots(1, 2)
    trained = [measurement for measurement in networks[0] if measurement.after != ZERO]
    for measurement, color in zip(trained[:: max(1, len(trained) - 1)], (UNTRAINED, TRAINED), strict=False):
        label = f"{stage(measurement.after)}, rank correlation {measurement.rank_correlation:.2f}"
        scaled = [np.array(values) / np.mean(values) for values in (measurement.feature_losses, measurement.gradient_losses)]
        left.scatter(*scaled, s=18, color=color, alpha=0.75, label=label, linewidths=0)
    left.set(xlabel="feature matching loss / its mean", ylabel="last-layer gradient matching loss / its mean")
    left.set_title("Each point: two random subsets, on one network", fontsize=10)
    left.legend(fontsize=8, frameon=False, loc="upper left")
    steps = [measurement.after for measurement in trained]
    for name, color, label in CURVES:
        by_stage = {mean["after"]: mean[name] for mean in means}
        right.axhline(by_stage[ZERO], color=color, linestyle=":", linewidth=1)
        right.plot(range(len(steps)), [by_stage[step] for step in steps], "o-", color=color, label=label, markersize=5)
        for measurements in networks:
            values = [getattr(measurement, name) for measurement in measurements if measurement.after != ZERO]
            right.plot(range(len(steps)), values, ".", color=color, alpha=0.4, markersize=5)
    right.set_xticks(range(len(steps)), [str(step) for step in steps])
    right.set(xlabel="epochs of training before (dotted: head of zeros)", ylim=(min(0.0, right.get_ylim()[0]), 1.08))
    right.set_title("Agreement of both: mean of all networks; dots: each", fontsize=10)
    right.legend(fontsize=8, frameon=False, loc="lower left")
    for axis in (left, right):
        style(axis)
    return figure


def stage(after: str | int) -> str:
    """Return how far a network was trained, in words."""
    if isinstance(after, str):
        return after
    return f"after {counted(after, 'epoch')}" if after else "untrained"
