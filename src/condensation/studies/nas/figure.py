"""Figure of an architecture search."""

from __future__ import annotations

from typing import TYPE_CHECKING

from condensation.core.text import counted
from condensation.studies.nas.proxies import WHOLE
from condensation.studies.nas.search import Search
from condensation.studies.rank_correlation import Agreement

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OTHERS, TOP = "#b9b9c2", "#1b7f79"
MARGIN = 0.08  # fraction of the range around the points


def search_figure(search: Search, title: str) -> Figure:
    """Draw one column per proxy: accuracy after full training against accuracy on the proxy, of all networks and of the top."""
    from matplotlib.figure import Figure

    verdicts = [verdict for verdict in search.verdicts if verdict.label != WHOLE]
    figure = Figure(figsize=(1.2 + 2.5 * len(verdicts), 5.6), layout="constrained")
    panels = figure.subplots(2, len(verdicts), squeeze=False, sharey="row")
    for column, verdict in enumerate(verdicts):
        upper, lower = panels[:, column]
        others = [name for name in verdict.networks if name not in set(verdict.top)]
        for panel, groups in ((upper, ((others, OTHERS), (verdict.top, TOP))), (lower, ((verdict.top, TOP),))):
            for names, color in groups:
                x, y = ([search.mean(name, label) for name in names] for label in (verdict.label, WHOLE))
                panel.scatter(x, y, s=16, color=color, alpha=0.8, linewidths=0)
            panel.margins(MARGIN)
            panel.grid(alpha=0.25)
            panel.spines[["top", "right"]].set_visible(False)
        upper.set_title(f"{verdict.label}\n{_text(verdict.over_all)}", fontsize=10)
        lower.set_title(_text(verdict.over_top), fontsize=10)
    panels[0][0].set_ylabel("all networks", fontsize=10)
    panels[1][0].set_ylabel(f"top {search.settings.top:.0%} by validation", fontsize=10)
    figure.supxlabel("test accuracy after training on what is named above, %", fontsize=10)
    figure.supylabel("after training on all images, %", fontsize=10)
    figure.suptitle(title, fontsize=11)
    return figure


def _text(ranks: Agreement) -> str:
    return f"Spearman {ranks.spearman.value:.2f}" if ranks.spearman else counted(ranks.count, "network")
