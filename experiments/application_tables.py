"""Tables of the guides about privacy and federated learning, from results/federated/, results/privacy/ and results/table/private-*.json."""

from collections.abc import Mapping
from typing import Any

from condensation.core.storage import read_json
from condensation.data.load import dataset_title
from condensation.studies.federated.arms import ARMS
from condensation.studies.federated.report import EQUAL
from condensation.studies.privacy.attacks import START
from experiments.benchmark_tables import table
from experiments.measured import counted_number, machine, number
from experiments.plan import CPU, Experiment

KINDS = ("random images", START, "mislabelled canaries", "noise canaries")


def federated() -> str:
    """Return the accuracy of each arm and what it sends, for each division of each data set."""
    studies = _results("federated/")
    rows = []
    for arm in (*ARMS, EQUAL):
        cells = [next((cell for cell in content["cells"] if cell["arm"] == arm and cell["count"]), None) for content in studies]
        if any(cells):
            title = ARMS[arm].title if arm in ARMS else "federated averaging, as many bytes as condensed sets"
            rows.append([title, *(f"{number(cell)}, {_megabytes(cell)}" if cell else "" for cell in cells)])
    titles = [f"{dataset_title(_source(content))}, {content['settings']['alpha']:g}" for content in studies]
    return f"{table(' | '.join(['data, alpha', *titles]), rows)}\n\n{_made(studies)}" if studies else ""


def private_sets() -> str:
    """Return the accuracy of private sets of each data set, by images per class and epsilon."""
    contents = _results("table/private-")
    cells = {(_source(content), cell["ipc"], cell["method"]): cell for content in contents for cell in content["cells"] if cell["count"]}
    kinds = list(dict.fromkeys((ipc, method) for _, ipc, method in cells))
    rows = []
    for source in dict.fromkeys(source for source, _, _ in cells):
        found = [cells.get((source, *kind)) for kind in kinds]
        rows.append([dataset_title(source), *(counted_number(cell) if cell else "" for cell in found)])
    head = " | ".join(["data", *(f"{ipc} per class, {method}" for ipc, method in kinds)])
    return f"{table(head, rows)}\n\n{_made(contents)}" if rows else ""


def membership() -> str:
    """Return what membership inference finds out about the images of each arm."""
    parts = []
    for content in _results("privacy/"):
        rows = []
        for attack in content["attacks"]:
            rates = [f"{100 * rate['value']:.1f}" if rate["resolved"] else "-" for rate in attack["rates"]]
            rows.append([attack["kind"], attack["arm"], attack["surface"], f"{attack['accuracy']:.1f}", f"{attack['auc']:.3f}", *rates])
        rows.sort(key=lambda row: KINDS.index(row[0]))
        head = "images | arm | attack on | test accuracy | AUC | TPR at 1 % FPR | TPR at 0.1 % FPR"
        parts.append(f"{table(head, rows)}\n\n{_made([content])}")
    return "\n\n".join(parts)


def _results(prefix: str) -> list[dict[str, Any]]:
    """Return the results of the experiments whose names begin with ``prefix``, in the order of the plan."""
    paths = (Experiment(name).result for name in CPU if name.startswith(prefix))
    return [read_json(path) for path in paths if path.exists()]


def _source(content: Mapping[str, Any]) -> str:
    data = content["settings"]["data"]
    return str(data if isinstance(data, str) else data["source"])


def _megabytes(cell: Mapping[str, Any]) -> str:
    return f"{sum(cell['bytes']) / len(cell['bytes']) / 1e6:,.2f} MB" if cell.get("bytes") else "0 MB"


def _made(contents: list[dict[str, Any]]) -> str:
    """Return where and, if it was recorded, in how many minutes of the processor the results were made."""
    minutes = [f"{content['made_by']['cpu_minutes']:.0f}" for content in contents if content["made_by"]["cpu_minutes"] is not None]
    made = f"Made on: {'; '.join(dict.fromkeys(machine(content['made_by']) for content in contents))}"
    return f"{made}; CPU minutes: {', '.join(minutes)}." if minutes else f"{made}."
