"""Report of the comparison of gradient matching with feature matching."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from condensation.config.build import from_dict
from condensation.core.plain import to_dict
from condensation.core.records import read_record
from condensation.core.text import counted
from condensation.data.load import dataset_title
from condensation.studies.study import StudyReport, earlier_report, png
from condensation.studies.study_folder import record_in
from condensation.studies.theory.figure import stage, theory_figure
from condensation.studies.theory.study import NETWORKS, Measurement, TheorySettings, decisive_settings

Networks = Sequence[Sequence[Measurement]]
"""Measurements of each network, in the order of its training."""


@dataclass(frozen=True)
class TheoryRecord:
    """Part of ``theory.json`` that is read again."""

    settings: dict[str, Any]
    networks: tuple[tuple[Measurement, ...], ...]


def theory_report(settings: TheorySettings, folder: Path) -> StudyReport:
    """Return the report of the measurement in ``folder``."""
    networks = networks_in(settings, folder)
    means, done = _means(networks), len(networks)
    return StudyReport(
        name="theory",
        title=f"{dataset_title(settings.data.source)}: matching features and matching last-layer gradients",
        columns=("network", "test accuracy, %", "rank correlation", "cosine"),
        rows=tuple(
            (
                stage(mean["after"]),
                f"{mean['accuracy']:.1f}" if "accuracy" in mean else "-",
                f"{mean['rank_correlation']:.3f}",
                f"{mean['cosine']:.3f}",
            )
            for mean in means
        ),
        notes=(
            f"On {done} of {counted(settings.networks, 'network')}, {settings.pairs} pairs of random subsets each: rank correlation of "
            "the two losses, and cosine of their gradients in the pixels. At 1 they agree.",
        ),
        json={"networks": to_dict(networks), "means": means, "settings": to_dict(settings), **record_in(folder, "theory.json").facts},
        figures={"theory.png": lambda: png(theory_figure(networks, means))} if networks else {},
        places={"Picture": "theory.png", "Numbers": "theory.json"},
        missing=counted(settings.networks - done, "network") if done < settings.networks else "",
        text_columns=("network",),
    )


def networks_in(settings: TheorySettings, folder: Path) -> Networks:
    """Return the measured networks in ``folder``."""
    paths = [folder / NETWORKS / f"{number}.json" for number in range(settings.networks)]
    networks: Networks = [read_record(path, tuple[Measurement, ...]) for path in paths if path.exists()]
    if len(networks) < settings.networks:
        earlier = earlier_report(folder, "theory", TheoryRecord)
        if earlier and decisive_settings(from_dict(TheorySettings, earlier.settings)) == decisive_settings(settings):
            return max(networks, earlier.networks[: settings.networks], key=len)
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
