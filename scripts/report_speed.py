"""Write the tables of docs/choose.md, docs/speed.md and some notes from the files in results/.

python scripts/report_speed.py
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from page_parts import update

from condensation.studies.published_numbers import published

ROOT = Path(__file__).parent.parent
BENCHMARKS = ROOT / "results" / "benchmarks"
PAGES = (
    ROOT / "README.md",
    ROOT / "docs" / "choose.md",
    ROOT / "docs" / "speed.md",
    *(ROOT / "docs" / "notes" / f"{name}.md" for name in ("speed-benchmarks", "speed-ablation", "tiles")),
)


def main() -> None:
    """Write every page again."""
    for page in PAGES:
        update(page, parts())


def parts() -> dict[str, str]:
    """Return the table of each generated part."""
    tables = (
        accuracy,
        presets,
        commands,
        gates,
        ablation,
        dm_step,
        dc_step,
        evaluation,
        winograd,
        first_layers,
        microbatches,
        compiling,
        memory,
        growth,
        startup,
    )
    return {write.__name__.replace("_", "-"): write() for write in tables}


def results(name: str) -> list[dict[str, Any]]:
    """Return the results of one benchmark, one for each machine."""
    contents = (json.loads(path.read_text()) for path in sorted(BENCHMARKS.glob(f"{name}-*.json")))
    return [{**content, "machine": machine(content["made_by"])} for content in contents]


def machine(made_by: Mapping[str, Any]) -> str:
    """Return the GPU, or the threads and the instruction set of the CPU."""
    if made_by["gpu"] != "none":
        return str(made_by["gpu"])
    bfloat16 = {"native": ", bfloat16", "amx": ", bfloat16 by AMX"}.get(made_by["bfloat16"], "")
    threads = f"{made_by['threads']} thread{'' if made_by['threads'] == 1 else 's'}"
    return f"{threads}, {made_by['cpu_capability']}{bfloat16}"


def arithmetic(result: Mapping[str, Any]) -> str:
    """Return device, precision and compilation, with the instruction set that was used."""
    capability = str(result["made_by"]["cpu_capability"])
    return str(result["compute"]).replace(capability.split()[0], capability)


def table(head: str, rows: Iterable[Iterable[object]]) -> str:
    """Return a Markdown table."""
    columns = head.split(" | ")
    lines = [f"| {head} |", "|" + " --- |" * len(columns), *("| " + " | ".join(map(str, row)) + " |" for row in rows)]
    return "\n".join(lines)


def accuracy() -> str:
    rows = []
    for result in results("accuracy"):
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
                f"{result['condensing_seconds'] / 60:.1f} min",
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
    for result in sorted(results("accuracy"), key=lambda result: result["condensing_seconds"]):
        settings, score = result["settings"], result["accuracy"]
        source, recipe = settings["data"]["source"], "CutMix" if result["evaluation"]["recipe"].get("cutmix") else "published"
        random = result.get("baselines", {}).get("random")
        key = source, settings["ipc"], result["preset"], recipe
        rows[key] = rows.get(key) or [
            *key,
            f"{result['condensing_seconds'] / 60:.1f}",
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


def gates() -> str:
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


def dm_step() -> str:
    rows = [
        [
            f"{result['settings']['ipc']} ipc, {result['settings']['batch_per_class']} real per class, width {result['settings']['width']}",
            f"{result['seconds']['plain']:.2f} s",
            f"{result['seconds']['ours']:.3f} s",
            f"**{result['ratio']:.1f}**",
            arithmetic(result),
        ]
        for result in results("dm_step")
    ]
    return table("step | class loop, eager float32 | this library | times faster | arithmetic", rows)


def dc_step() -> str:
    rows = [
        [
            f"{result['settings']['batch_per_class']} real per class{', DSA' if result['settings']['augmented'] else ''}",
            result["settings"]["inner"],
            f"{result['seconds']['plain']:.1f} s",
            f"{result['seconds']['ours']:.1f} s",
            f"**{result['ratio']:.1f}**",
            result["machine"],
        ]
        for result in results("dc_step")
    ]
    return table("step | epochs | class loop, eager float32 | this library | times faster | machine", rows)


def evaluation() -> str:
    rows = [
        [
            f"{result['settings']['networks']}, {result['settings']['together']} at a time",
            f"{1000 * result['seconds_per_epoch']['plain']:.0f} ms",
            f"{1000 * result['seconds_per_epoch']['ours']:.1f} ms",
            f"{result['compiling']:.0f} s",
            f"**{result['ratio']:.1f}**",
            arithmetic(result),
        ]
        for result in results("judging")
    ]
    return table("networks | epoch, eager | epoch, this library | compilation, once | times faster | arithmetic", rows)


def microbatches() -> str:
    rows = []
    for result in results("pieces"):
        settings = result["settings"]
        for what, part in result["parts"].items():
            label = f"{what.replace('as it is', 'eager')}; {settings['batch']} images, width {settings['width']}"
            rows.append([label, *compared(part, "whole", "pieces"), settings["pieces"], result["machine"]])
    return table("gradient of | whole batch | microbatches | times faster | images in a microbatch | machine", rows)


def first_layers() -> str:
    rows = []
    for result in results("patches"):
        for what, part in result["parts"].items():
            count = result["settings"]["chunk" if what.startswith("embedding") else "batch"]
            label = f"{what}; {count} images, width {result['settings']['width']}"
            rows.append([label, *compared(part, "layers", "patches"), result["machine"]])
    return table("operation | layer by layer | fused | times faster | machine", rows)


def compared(part: Mapping[str, Any], plain: str, ours: str) -> list[str]:
    """Return three cells: both times, and their ratio."""
    return [*(f"{1000 * part['seconds'][name]:.1f} ms" for name in (plain, ours)), f"**{part['ratio']:.2f}**"]


def compiling() -> str:
    rows = []
    for result in results("compiling"):
        settings = result["settings"]
        for what in ("training", "embedding"):
            rate, even = result[what]["images_a_second"], result[what]["even_at"]
            rows.append(
                [
                    f"{what}, {settings['size']}x{settings['size']}x{settings['channels']}, width {settings['width']}",
                    f"{rate['plain']:,}",
                    f"{rate['compiled']:,}",
                    f"{result[what]['first_call']['compiled']:.0f} s",
                    f"{even:,}" if even else "never",
                    result["machine"],
                ]
            )
    return table("operation | eager, images/s | compiled, images/s | first call | break-even, images | machine", rows)


def winograd() -> str:
    rows = []
    for result in results("winograd"):
        for what in ("embedding", "training"):
            part = result[what]
            each = {way: f"{1000 * seconds / part['images']:.2f} ms" for way, seconds in part["seconds"].items()}
            first = f"{part['first_call']['direct']:.0f} and {part['first_call']['winograd']:.0f} s"
            ratio = f"**{part['seconds']['direct'] / part['seconds']['winograd']:.2f}**"
            rows.append([f"{what}, width {result['settings']['width']}", each["direct"], each["winograd"], ratio, first, result["machine"]])
    return table("operation, per image | direct | Winograd | times faster | first calls | machine", rows)


def memory() -> str:
    rows = [
        [name.replace("a class", "per class"), f"{mb:,} MB", result["machine"]]
        for result in results("memory")
        for name, mb in result["megabytes"].items()
    ]
    return table("case | peak | machine", rows)


def growth() -> str:
    rows: list[list[str]] = []
    for result in results("growth"):
        for count, seconds in result["seconds_by_classes"].items():
            rows.append([f"{count} classes of 32x32", f"{1000 * seconds / int(count):.2f} ms per class", result["machine"]])
        for side, seconds in result["seconds_by_size"].items():
            rows.append(
                [f"10 classes of {side}x{side}", f"{1e6 * seconds / int(side) ** 2:.0f} us per pixel of an image", result["machine"]]
            )
    return table("step | cost | machine", rows)


def startup() -> str:
    rows = [
        [f"`{name}`", f"{seconds:.2f} s", result["machine"]] for result in results("startup") for name, seconds in result["seconds"].items()
    ]
    return table("command | time | machine", rows)


if __name__ == "__main__":
    main()
