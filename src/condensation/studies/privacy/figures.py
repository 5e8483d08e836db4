"""Figures of a privacy study: ROC curves with logarithmic axes, and the worst pairs of synthetic and real images."""

from collections.abc import Mapping, Sequence
from typing import Any

from condensation.artifacts.condensed_set import CondensedSet
from condensation.report.page.charts import Chart, Series
from condensation.studies.privacy.attacks import Attack
from condensation.studies.privacy.copies import CopiesRecord, picture_rows, worst
from condensation.studies.privacy.settings import PrivacySettings
from condensation.studies.study import new_figure, style

COLORS = {"whole": "#7d7d87", "random": "#b5542b", "dm-real": "#3f51a3", "dm-noise": "#1b7f79", "dm-private": "#8e3b80"}
LEAST = 1e-4
GUESSING = 5  # color of the line on a page
TICKS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
TITLES = {"networks": "Attack on networks trained on the set", "set": "Attack on the set itself"}


def roc_figure(attacks: Sequence[Attack], arms: Mapping[str, str]) -> Any:
    """Return the ROC curves of all arms, with logarithmic axes: networks (left), the sets themselves (right)."""
    figure = new_figure(9.6, 4.6)
    panels = figure.subplots(1, 2, sharey=True)
    for panel, surface in zip(panels, TITLES, strict=True):
        panel.plot([LEAST, 1], [LEAST, 1], ":", color="#999999", linewidth=1, label="guessing")
        for attack in (each for each in attacks if each.surface == surface):
            points = [(max(LEAST, false), max(LEAST, true)) for false, true in attack.curve]
            panel.plot(*zip(*points, strict=True), color=COLORS[attack.arm], label=arms[attack.arm], linewidth=1.6)
        panel.set(xscale="log", yscale="log", xlim=(LEAST, 1), ylim=(LEAST, 1), xlabel="false-positive rate")
        panel.set_title(TITLES[surface], fontsize=10)
        panel.set_aspect("equal")
        for axis in (panel.xaxis, panel.yaxis):  # formulas are not drawn, so each tick has plain text
            axis.set_ticks(TICKS, [f"{100 * tick:g} %" for tick in TICKS])
            axis.set_minor_formatter("")
        style(panel)
    panels[0].set_ylabel("true-positive rate")
    panels[0].legend(fontsize=8, frameon=False, loc="lower right")
    return figure


def roc_charts(attacks: Sequence[Attack], arms: Mapping[str, str]) -> list[Chart]:
    """Return the ROC curves of all arms for a page, in percent with logarithmic axes: one chart for each surface that was attacked."""
    charts = []
    for surface, title in TITLES.items():
        series = [
            Series(arms[attack.arm], [_in_percent(*point) for point in attack.curve], color=list(COLORS).index(attack.arm))
            for attack in attacks
            if attack.surface == surface
        ]
        if series:
            guessing = Series("guessing", [_in_percent(0.0, 0.0), (100.0, 100.0)], color=GUESSING)
            labels = ("false-positive rate, %", "true-positive rate, %")
            charts.append(Chart(title, *labels, [*series, guessing], logarithmic=True, logarithmic_x=True))
    return charts


def _in_percent(false: float, true: float) -> tuple[float, float]:
    return 100 * max(LEAST, false), 100 * max(LEAST, true)


def copies_figure(settings: PrivacySettings, record: CopiesRecord) -> Any:
    """Return the worst pairs, one per column: synthetic image, nearest training and held-out image, own starting image."""
    columns = picture_rows(record, CondensedSet.load(settings.set or ""), settings.data.load())
    names = ("synthetic", "training", "held out", "its start")[: len(columns[0])]
    figure = new_figure(1.0 * len(columns) + 0.9, 1.05 * len(names) + 0.6)
    panels = figure.subplots(len(names), len(columns), squeeze=False)
    for column, (pictures, copy) in enumerate(zip(columns, worst(record), strict=True)):
        for row, picture in enumerate(pictures):
            panel = panels[row][column]
            panel.imshow(picture, cmap="gray" if picture.ndim == 2 else None, vmin=0, vmax=1, interpolation="nearest")
            panel.set(xticks=[], yticks=[])
        panels[0][column].set_title(f"{copy.ratio:.2f}", fontsize=9)
    for row, name in enumerate(names):
        panels[row][0].set_ylabel(name, fontsize=9)
    figure.suptitle("Nearest real images of the worst; ratio of the distances to training and held-out image", fontsize=9)
    return figure
