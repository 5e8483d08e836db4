"""Write the tables of README.md, the guides and notes from the files in results/."""

import json
from typing import Any

from condensation.core.storage import read_json
from condensation.studies.published_numbers import published
from experiments import application_tables as applications, benchmark_tables as benchmarks
from experiments.benchmark_tables import condensing_seconds, results, table
from experiments.measured import counted_number, machine
from experiments.page_parts import update
from experiments.plan import ROOT

PAGES = (
    ROOT / "README.md",
    *(ROOT / "docs" / f"{name}.md" for name in ("choose", "federated", "gtn", "privacy", "speed")),
    *(ROOT / "docs" / "notes" / f"{name}.md" for name in ("first-minutes", "privacy", "speed-benchmarks", "speed-ablation", "tiles")),
)
LESSONS = {"gtn-mnist-500": "GTN", "gtn-mnist-500-dm": "DM", "gtn-mnist-paper": "GTN, published sizes"}


def write() -> None:
    """Write every page again."""
    for page in PAGES:
        update(page, parts())


def parts() -> dict[str, str]:
    """Return the table of each generated part."""
    tables = (
        *(applications.federated, applications.membership, applications.private_sets),
        *(accuracy, presets, commands, first_minutes, gates, ablation, scores, audits),
        *(benchmarks.dm_step, benchmarks.dc_step, benchmarks.evaluation, benchmarks.winograd, benchmarks.first_layers),
        *(benchmarks.microbatches, benchmarks.compiling, benchmarks.memory, benchmarks.growth, benchmarks.startup),
    )
    return {write.__name__.replace("_", "-"): write() for write in tables}


def audits() -> str:
    """Return the epsilons that audits of differential privacy recover."""
    builds = read_json(ROOT / "results" / "privacy-audit.json")["builds"]
    names = ("claimed", "measured", "recovered", "at_least")
    rows = [[each["build"], *(f"{each[name]:.1f}" for name in names), f"{each['trials']:,.0f}"] for each in builds]
    return table("build | claimed epsilon | measured | lower bound, Gaussian | lower bound, counts | trials", rows)


def scores() -> str:
    """Return the accuracies of lessons of GTN beside those of DM."""
    rows: list[list[object]] = []
    devices: dict[str, None] = {}
    for name, title in LESSONS.items():
        path = ROOT / "results" / "run" / f"{name}.json"
        if path.exists():
            content = read_json(path)
            settings, sets = content["settings"], list(content["sets"].values())
            learners = [content.get("taught"), *sets[:2]]
            shown = [counted_number(score) if score else "-" for score in learners]
            rows.append([title, f"{10 * settings['ipc']:,}", f"{settings['method']['steps']:,}", *shown])
            devices[machine(content["made_by"])] = None
    head = " | images | steps | taught by its rates | as any set: ConvNet | as any set: convnet-wn"
    return f"{table(head, rows)}\n\nMade on: {'; '.join(devices)}. Numbers in brackets: networks."


def fastest_of_each() -> list[dict[str, Any]]:
    """Return the accuracies without repetitions of a run on slower machines."""
    found: dict[tuple[object, ...], dict[str, Any]] = {}
    for result in sorted(results("accuracy"), key=condensing_seconds):
        settings, recipe = result["settings"], result["evaluation"]["recipe"]
        key = settings["data"]["source"], settings["ipc"], result["preset"], settings["seed"], recipe.get("cutmix"), recipe["epochs"]
        found.setdefault(key, result)
    return sorted(found.values(), key=lambda result: (result["settings"]["data"]["source"], result["settings"]["ipc"], result["preset"]))


def accuracy() -> str:
    """Return the time that each preset takes to its accuracy."""
    rows = []
    for result in fastest_of_each():
        settings, score = result["settings"], result["accuracy"]
        method = settings["method"]
        several = method["name"] == "best-of"
        base = method["of"] if several else method
        steps = f"{base['steps']:,} x {base['batch_per_class']}, {base['networks']['spec']['width']}, {base['lr']:.3g}, {base['start']}"
        steps += f", {base['form']['name']}" if base.get("form") else ""
        recipe = "CutMix" if result["evaluation"]["recipe"].get("cutmix") else "published"
        rows.append(
            [
                f"{settings['data']['source']}, {settings['ipc']}" + (f" (seed {settings['seed']})" if settings["seed"] else ""),
                f"{method['sets']} sets of {steps}; {method['mixtures']} networks select" if several else steps,
                f"{condensing_seconds(result) / 60:.1f} min",
                recipe,
                f"**{score['mean']:.1f} ± {score['deviation']:.1f}** ({score['count']})",
                result["published"][0] if result["published"] else "",
                result["machine"],
            ]
        )
    columns = "steps x real images per class, width, lr, initialization, form"
    return table(f"data, ipc | {columns} | condensing | recipe | accuracy (networks) | published DM | machine", rows)


def presets() -> str:
    """Return accuracy against minutes for each preset, without repetitions on slower machines or with other seeds."""
    rows: dict[tuple[object, ...], list[object]] = {}
    for result in sorted(results("accuracy"), key=condensing_seconds):
        settings, score = result["settings"], result["accuracy"]
        source, recipe = settings["data"]["source"], "CutMix" if result["evaluation"]["recipe"].get("cutmix") else "published"
        random = result.get("baselines", {}).get("random")
        key = source, settings["ipc"], result["preset"], recipe
        rows[key] = rows.get(key) or [
            *key,
            f"{condensing_seconds(result) / 60:.1f}",
            f"{score['mean']:.1f} ± {score['deviation']:.1f} ({score['count']})",
            f"{random['mean']:.1f} ± {random['deviation']:.1f}" if random else "",
            published(source, settings["ipc"]).get("dm", ""),
            result["machine"],
        ]
    head = "data set | images per class | preset | recipe | minutes | accuracy (networks) | random, same form | DM, published | machine"
    return table(head, (rows[key] for key in sorted(rows, key=str)))


def commands() -> str:
    """Return the wall time and the accuracies of commands as a user types them."""
    rows = []
    for command, result in json.loads((ROOT / "results" / "commands.json").read_text()).items():
        shown = [f"{score['mean']:.1f} ± {score['deviation']:.1f} ({score['count']})" for score in result["sets"].values()]
        seconds = result["seconds"]
        rows.append([f"`{command}`", f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min", *shown])
    return table("command | wall time | accuracy (networks) | random real images", rows)


def first_minutes() -> str:
    """Return the time of each step of new users."""
    content = read_json(ROOT / "results" / "first-minutes.json")
    rows = [[step["path"], step["wish"], f"`{step['command']}`", step["seconds"], step["cpu_seconds"]] for step in content["steps"]]
    made = content["machine"]
    about = f"Measured with {made['threads']} threads ({made['cpu']}), torch {made['torch']}, commit {content['commit']}."
    return f"{table('path | step | command | seconds | CPU seconds', rows)}\n\n{about}"


def gates() -> str:
    """Return the accuracy of each part of the presets on held-out images."""
    rows = []
    for path in sorted((ROOT / "results" / "gates").glob("*.json")):
        content = json.loads(path.read_text())
        for result in content["results"].values():
            method = result["method"]
            form, networks = method.get("form"), method.get("networks", {})
            trained = networks.get("name") == "trained"
            rows.append(
                [
                    content["job"],
                    f"{form['name']}, {form.get('factor') or form['count']}" if form else "-",
                    f"{networks['networks']} trained for {networks['epochs']} epochs" if trained else "untrained",
                    method.get("calibration", 0),
                    f"{result['mean']:.1f}" + (f" ± {result['deviation']:.1f}" if result["count"] > 1 else ""),
                    f"{result['count']} of {result.get('epochs', content['recipe']['epochs']) - 1}",
                ]
            )
    return table("data, ipc | form | networks of the steps | calibration | accuracy, % | networks, epochs of the evaluation", rows)


def ablation() -> str:
    """Return the trials that chose the presets."""
    rows = []
    for result in json.loads((ROOT / "results" / "ablation.json").read_text()):
        row, score = result["row"], result["accuracy"]
        lr = f"{row['lr']:g}{' falling' if row['schedule'] == 'cosine' else ''}"
        cells = [f"{row['data']}, {row['ipc']}", row["width"], row["real"], lr, f"{row['steps']:,}", row["averaging"] or "-", row["start"]]
        networks = f"{score['count']} of {row['epochs']} epochs"
        spread = f" ± {score['deviation']:.1f}" if score["count"] > 1 else ""
        rows.append([*cells, f"{result['seconds']} s", f"{score['mean']:.1f}{spread}", networks])
    head = "data, ipc | width | real per class | lr | steps | averaging | initialization | seconds | held-out accuracy | networks"
    return table(head, rows)
