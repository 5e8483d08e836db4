"""Report of an architecture search."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from condensation.core.plain import to_dict
from condensation.core.text import accuracy, counted
from condensation.data.load import dataset_title
from condensation.methods.registry import method_title
from condensation.report.page.charts import Chart, Mark, RowChart, Series
from condensation.report.page.parts import Part
from condensation.studies.nas.proxies import SETS, WHOLE, SearchSettings, all_proxies, search_jobs
from condensation.studies.nas.search import Search, Verdict
from condensation.studies.rank_correlation import Agreement
from condensation.studies.study import StudyReport, new_figure, style

NOTHING = "-"
SCREEN_COLUMNS = 5
OTHERS, TOP = "#b9b9c2", "#1b7f79"
MARGIN = 0.08  # fraction of the range around the points


def search_report(settings: SearchSettings, folder: Path) -> StudyReport:
    """Return the report of the search in ``folder``."""
    search = Search(folder, settings)
    title = f"{dataset_title(settings.source)}: {len(search.done):,} of {counted(len(search.names), 'network')}"
    top, missing = f"top {settings.top:.0%}", len(search.names) - len(search.done)
    return StudyReport(
        title=title,
        columns=("trained on", "Spearman", f"Spearman, {top}", "found, %", "minutes", "Kendall", f"Kendall, {top}"),
        rows=tuple(map(_row, search.verdicts)),
        notes=search_notes(search),
        json={
            "verdicts": [{**asdict(verdict), "networks": len(verdict.networks), "found": verdict.found} for verdict in search.verdicts],
            "methods": search.methods,
            "networks": to_dict(search.trained),
            "asked_for": len(search.names),
            "done": len(search.done),
            "do_not_fit": search.space.others,
            "failed": search.failed,
        },
        figures={"nas.png": lambda: search_figure(search, title)},
        places={"Picture": "nas.png", "Table": "nas.md", "Sets": SETS},
        missing=f"{missing} of {counted(len(search.names), 'network')}" if missing else "",
        text_columns=("trained on",),
        screen_columns=SCREEN_COLUMNS,
        jobs=len(search_jobs(settings)) + len(search.names),
        charts=lambda: search_charts(search),
        sets={
            method_title(proxy.label): [path] for proxy in all_proxies(settings) if proxy.has_set and (path := proxy.path(folder)).exists()
        },
    )


def search_charts(search: Search) -> list[Part]:
    """Return the chart of rank correlations, and of accuracy after full training against accuracy on each proxy."""
    ranks = [
        (
            method_title(verdict.label),
            [Mark(rank.spearman.value, 0.0, number, bool(number)) for number, rank in enumerate(both) if rank.spearman],
        )
        for verdict in search.verdicts
        if (both := (verdict.over_all, verdict.over_top))
    ]
    key = (Series("all networks", ()), Series(f"top {search.settings.top:.0%}", (), color=1, hollow=True))
    charts: list[Part] = [RowChart("Rank correlation with full training", "Spearman", ranks, key)]
    for verdict in search.verdicts[:-1]:
        top, proxy = set(verdict.top), method_title(verdict.label)
        points = {name: (search.mean(name, verdict.label), search.mean(name, WHOLE)) for name in verdict.networks}
        series = [
            Series("other networks", [point for name, point in points.items() if name not in top], color=5, joined=False),
            Series(f"top {search.settings.top:.0%} by validation", [point for name, point in points.items() if name in top], joined=False),
        ]
        charts.append(Chart(f"{proxy}: {_rank_text(verdict.over_all)}", f"after training on {proxy}, %", "on all images, %", series))
    return charts


def search_notes(search: Search) -> tuple[str, ...]:
    """Return the lines below the table."""
    settings, recipe, verdicts = search.settings, search.settings.recipe, search.verdicts
    lines = [
        "Spearman, Kendall: rank correlation of test accuracies after training on the first column with those after training on all "
        f"images, and its 95 % bootstrap interval over networks; {NOTHING}: fewer than five networks.",
        "top: the best networks by validation accuracy after training on the first column, with all that equal the last of them. found: "
        "test accuracy of the best of them after training on all images. minutes: training of all networks by one worker.",
        f"Each network {counted(settings.trainings, 'time')}: on sets of {counted(settings.ipc, 'image')} per class for "
        f"{counted(recipe.epochs, 'epoch')}, on all images for {counted(settings.whole_epochs, 'epoch')}; batches of {recipe.batch}, "
        f"learning rate {recipe.lr:g}.",
    ]
    making = [f"{verdict.label} {verdict.seconds_of_set / 60:.1f}" for verdict in verdicts if verdict.seconds_of_set]
    lines += [f"Minutes of making the sets: {', '.join(making)}."] if making else []
    counts = {verdict.label: len(verdict.networks) for verdict in verdicts}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{label} {count:,}" for label, count in counts.items())
        lines.append(f"Rows have different networks, since some are not done or failed: {listed}.")
    lines.append("Networks in the top: " + ", ".join(f"{verdict.label} {len(verdict.top):,}" for verdict in verdicts) + ".")
    for verdict in filter(lambda verdict: verdict.found, verdicts):
        others = counted(len(verdict.equal) - 1, "other")
        chance = f", or one of {others} with the same validation accuracy; the accuracy is the mean of all" * (len(verdict.equal) > 1)
        lines.append(f"Found by {verdict.label}: {verdict.found}{chance}.")
    lines += [
        f"{counted(number, 'network')} of the space left out: {reason}" for reason, number in Counter(search.space.others.values()).items()
    ]
    return (*lines, *(f"{name} failed: {reason}" for name, reason in search.failed.items()))


def _row(verdict: Verdict) -> tuple[str, ...]:
    over_all, over_top = verdict.over_all, verdict.over_top
    coefficients = (over_all.spearman, over_top.spearman, over_all.kendall, over_top.kendall)
    rho, rho_top, tau, tau_top = (str(coefficient) if coefficient else NOTHING for coefficient in coefficients)
    full = NOTHING if verdict.accuracy is None else accuracy(verdict.accuracy, verdict.deviation or 0.0, verdict.trainings)
    return verdict.label, rho, rho_top, full, f"{verdict.seconds / 60:.1f}", tau, tau_top


def search_figure(search: Search, title: str) -> Any:
    """Return the figure: accuracy after full training against accuracy on each proxy, of all networks and of the top."""
    verdicts = [verdict for verdict in search.verdicts if verdict.label != WHOLE]
    figure = new_figure(1.2 + 2.5 * len(verdicts), 5.6)
    panels = figure.subplots(2, len(verdicts), squeeze=False, sharey="row")
    for column, verdict in enumerate(verdicts):
        upper, lower = panels[:, column]
        others = [name for name in verdict.networks if name not in set(verdict.top)]
        for panel, groups in ((upper, ((others, OTHERS), (verdict.top, TOP))), (lower, ((verdict.top, TOP),))):
            for names, color in groups:
                x, y = ([search.mean(name, label) for name in names] for label in (verdict.label, WHOLE))
                panel.scatter(x, y, s=16, color=color, alpha=0.8, linewidths=0)
            panel.margins(MARGIN)
            style(panel)
        upper.set_title(f"{method_title(verdict.label)}\n{_rank_text(verdict.over_all)}", fontsize=10)
        lower.set_title(_rank_text(verdict.over_top), fontsize=10)
    panels[0][0].set_ylabel("all networks", fontsize=10)
    panels[1][0].set_ylabel(f"top {search.settings.top:.0%} by validation", fontsize=10)
    figure.supxlabel("test accuracy after training on what is named above, %", fontsize=10)
    figure.supylabel("after training on all images, %", fontsize=10)
    figure.suptitle(title, fontsize=11)
    return figure


def _rank_text(ranks: Agreement) -> str:
    return f"Spearman {ranks.spearman.value:.2f}" if ranks.spearman else counted(ranks.count, "network")
