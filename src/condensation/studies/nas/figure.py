"""The picture of `condensation.studies.nas.study`: what a proxy says of networks, against what they are worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from condensation.core.text import counted
from condensation.studies.nas.proxies import WHOLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from condensation.studies.nas.report import Search
    from condensation.studies.rank_correlation import Agreement

OTHERS, TOP = "#b9b9c2", "#1b7f79"
MARGIN = 0.08  # of the range, around the points


def figure(search: Search) -> Figure:
    """A column for each proxy. Above: all networks, the top coloured. Below: the top alone, which is what a search looks at."""
    from matplotlib.figure import Figure

    verdicts = [one for one in search.verdicts if one.label != WHOLE]
    made = Figure(figsize=(1.2 + 2.5 * len(verdicts), 5.6), layout="constrained")
    panels = made.subplots(2, len(verdicts), squeeze=False, sharey="row")
    for column, verdict in enumerate(verdicts):
        above, below = panels[:, column]
        others = [name for name in verdict.networks if name not in set(verdict.top)]
        for panel, groups in ((above, ((others, OTHERS), (verdict.top, TOP))), (below, ((verdict.top, TOP),))):
            for names, colour in groups:
                x, y = ([search.mean(name, label) for name in names] for label in (verdict.label, WHOLE))
                panel.scatter(x, y, s=16, color=colour, alpha=0.8, linewidths=0)
            panel.margins(MARGIN)
            panel.grid(alpha=0.25)
            panel.spines[["top", "right"]].set_visible(False)
        above.set_title(f"{verdict.label}\n{_said(verdict.over_all)}", fontsize=10)
        below.set_title(_said(verdict.over_top), fontsize=10)
    panels[0][0].set_ylabel("all networks", fontsize=10)
    panels[1][0].set_ylabel(f"top {search.settings.top:.0%} by validation", fontsize=10)
    made.supxlabel("test accuracy after training on what is named above, %", fontsize=10)
    made.supylabel("after training on all images, %", fontsize=10)
    made.suptitle(search.title, fontsize=11)
    return made


def _said(found: Agreement) -> str:
    return f"Spearman {found.spearman.value:.2f}" if found.spearman else counted(found.count, "network")
