"""Writes docs/speed.md from results/ablation.json and results/benchmarks/*.json.

python scripts/report_speed.py
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
BENCHMARKS = ROOT / "results" / "benchmarks"
NOTES = ROOT / "results" / "speed-notes.md"

HEAD = """# Speed

Written by `python scripts/report_speed.py` from `results/ablation.json` and `results/benchmarks/*.json`, which hold the settings, the
commands, the commits and the machines. `python -m benchmarks.NAME` measures each part again, but for the ablation. A ratio is of one run
on one machine; seconds are not to be compared between machines. "The class loop" is the procedure of the papers written down
plainly: class after class, a pass for the real and one for the synthetic images of each, PyTorch in eager mode, float32.

"""


def found(name: str) -> list[dict[str, Any]]:
    """The results of one benchmark, on every machine."""
    results = (json.loads(path.read_text()) for path in sorted(BENCHMARKS.glob(f"{name}-*.json")))
    return [{**result, "machine": machine(result["made_by"])} for result in results]


def machine(made_by: dict[str, Any]) -> str:
    if made_by["gpu"] != "none":
        return str(made_by["gpu"])
    bfloat16 = {"native": ", bfloat16", "amx": ", bfloat16 by AMX"}.get(made_by["bfloat16"], "")
    threads = f"{made_by['threads']} thread{'' if made_by['threads'] == 1 else 's'}"
    return f"{threads}, {made_by['cpu_capability']}{bfloat16}"


def how(one: dict[str, Any]) -> str:
    """What computed it, and whether the processor is that or was told to be."""
    capability = str(one["made_by"]["cpu_capability"])
    return str(one["compute"]).replace(capability.split()[0], capability)


def table(head: str, rows: Iterable[Iterable[object]]) -> str:
    columns = head.split(" | ")
    lines = [f"| {head} |", "|" + " --- |" * len(columns), *("| " + " | ".join(map(str, row)) + " |" for row in rows)]
    return "\n".join(lines) + "\n\n"


def accuracies() -> str:
    rows = []
    for one in found("accuracy"):
        settings = one["settings"]
        method, accuracy = settings["method"], one["accuracy"]
        several = method["name"] == "best-of"
        made = method["of"] if several else method
        steps = f"{made['steps']:,} x {made['batch_per_class']}, {made['networks']['spec']['width']}, {made['lr']:.3g}, {made['start']}"
        rows.append(
            [
                f"{settings['data']['source']}, {settings['ipc']}" + (f" (seed {settings['seed']})" if settings["seed"] else ""),
                f"{method['sets']} sets of {steps}; {method['mixtures']} networks choose" if several else steps,
                f"{one['condensing_seconds'] / 60:.1f} min",
                f"**{accuracy['mean']:.1f} ± {accuracy['deviation']:.1f}** ({accuracy['count']})",
                one["published"][0] if one["published"] else "",
                one["machine"],
            ]
        )
    text = (
        "## Time to accuracy\n\nA preset, condensing all training images, then judged on the test images by the published evaluation "
        "(`Recipe.paper()`, a ConvNet of width 128,\n1,000 epochs), last state. Minutes are those of condensing, with compilation.\n\n"
    )
    return text + table(
        "data, ipc | steps x real images a class, width, lr, start | condensing | accuracy (networks) | published DM | machine", rows
    )


def ablation() -> str:
    rows = []
    for one in json.loads((ROOT / "results" / "ablation.json").read_text()):
        row, accuracy = one["row"], one["accuracy"]
        lr = f"{row['lr']:g}{' falling' if row['schedule'] == 'cosine' else ''}"
        cells = [f"{row['data']}, {row['ipc']}", row["width"], row["real"], lr, f"{row['steps']:,}", row["averaging"] or "-", row["start"]]
        judge = f"{accuracy['count']} of {row['epochs']} epochs"
        spread = f" ± {accuracy['deviation']:.1f}" if accuracy["count"] > 1 else ""
        rows.append([*cells, f"{one['seconds']} s", f"{accuracy['mean']:.1f}{spread}", judge])
    text = (
        "## What makes it cheap\n\n500 training images a class held out and judged by; no test image was looked at. "
        "The first 20 rows were\nmade by an earlier form of `scripts/ablate.py`, with the same settings and other draws: those that differ "
        "in averaging alone are one run,\nand the present script comes to other digits.\n"
        "Seconds are of one thread, while other work went on on the other core: read them as ratios, and roughly.\n\n"
    )
    head = "data, ipc | width | real a class | lr | steps | averaging | start | seconds | held-out accuracy | networks"
    return text + table(head, rows)


def steps() -> str:
    rows = [
        [
            f"{one['settings']['ipc']} ipc, {one['settings']['batch_per_class']} real a class, width {one['settings']['width']}",
            f"{one['seconds']['plain']:.2f} s",
            f"{one['seconds']['ours']:.3f} s",
            f"**{one['ratio']:.1f}**",
            how(one),
        ]
        for one in found("dm_step")
    ]
    text = "## A step of DM against the class loop\n\nThe same mathematics and draws, CIFAR10's shape (`benchmarks/dm_step.py`).\n\n"
    return text + table("step | class loop, eager float32 | ours | times faster | how", rows)


def gradient_step() -> str:
    rows = [
        [
            f"{one['settings']['batch_per_class']} real a class{', DSA' if one['settings']['augmented'] else ''}",
            one["settings"]["inner"],
            f"{one['seconds']['plain']:.1f} s",
            f"{one['seconds']['ours']:.1f} s",
            f"**{one['ratio']:.1f}**",
            machine(one["made_by"]),
        ]
        for one in found("dc_step")
    ]
    text = (
        "## A step of DC against the class loop\n\nA part of a step at 10 images a class of CIFAR10's shape: two matches "
        "and some epochs, with the same mathematics and\ndraws (`benchmarks/dc_step.py`).\n\n"
    )
    return text + table("step | epochs | class loop, eager float32 | ours | times faster | machine", rows)


def pieces() -> str:
    rows = []
    for one in found("pieces"):
        settings = one["settings"]
        for what, part in one["parts"].items():
            of = f"{what}; {settings['batch']} images, width {settings['width']}"
            rows.append([of, *compared(part, "whole", "pieces"), settings["pieces"], one["machine"]])
    text = (
        "## Learning in pieces\n\nThe gradient by a batch, of the weights as in training and of the images as in DM: "
        "all images at once, and in pieces,\nwhose gradients are added up "
        "(`benchmarks/pieces.py`). Medians, in turns in one process.\n\n"
    )
    return text + table("gradient of | at once | in pieces | times faster | of | machine", rows)


def patches() -> str:
    rows = []
    for one in found("patches"):
        for what, part in one["parts"].items():
            count = one["settings"]["chunk" if what.startswith("embedding") else "batch"]
            what = f"{what}; {count} images, width {one['settings']['width']}"
            rows.append([what, *compared(part, "layers", "patches"), one["machine"]])
    text = (
        "## The first convolution and its norm as one\n\nLayer by layer, and with the norm made part of the weights, image by image; "
        "compiled on both sides, in turns in one\nprocess (`benchmarks/patches.py`). It is done from 64 channels on for grey images; for "
        "coloured ones in float32 if the weights learn or there\nare 128, in bfloat16 if both. "
        "Elsewhere both sides are one program, and ratios of 0.96 to 1.07 are noise.\n\n"
    )
    return text + table("what | layer by layer | as one | times faster | machine", rows)


def compared(part: Mapping[str, Any], plain: str, ours: str) -> list[str]:
    """Cells: what both take, and how many times faster ours is."""
    return [*(f"{1000 * part['seconds'][name]:.1f} ms" for name in (plain, ours)), f"**{part['ratio']:.2f}**"]


def compiling() -> str:
    rows = []
    for one in found("compiling"):
        settings = one["settings"]
        for what in ("training", "embedding"):
            rate, even = one[what]["images_a_second"], one[what]["even_at"]
            rows.append(
                [
                    f"{what}, {settings['size']}x{settings['size']}x{settings['channels']}, width {settings['width']}",
                    f"{rate['plain']:,}",
                    f"{rate['compiled']:,}",
                    f"{one[what]['first_call']['compiled']:.0f} s",
                    f"{even:,}" if even else "never",
                    one["machine"],
                ]
            )
    text = (
        "## When compiling pays\n\nImages a second, as they are and compiled; the first call of a program, when no cache has it; "
        "and how many images take\nas long either way (`benchmarks/compiling.py`). From 50,000 images of 32x32 on, a program is compiled "
        "on a CPU, on a GPU\nfrom 150,000 on.\n\n"
    )
    return text + table("what | eager | compiled | first call | even at | machine", rows)


def judging() -> str:
    rows = [
        [
            f"{one['settings']['networks']}, {one['settings']['together']} at a time",
            f"{1000 * one['seconds_per_epoch']['plain']:.0f} ms",
            f"{1000 * one['seconds_per_epoch']['ours']:.1f} ms",
            f"{one['compiling']:.0f} s",
            f"**{one['ratio']:.1f}**",
            how(one),
        ]
        for one in found("judging")
    ]
    text = (
        "## Judging against one eager network at a time\n\nTraining on 10 images a class of CIFAR10's shape, 1,000 epochs each, and "
        "testing on 10,000 images, worked out\nfrom some epochs; compilation included, whose programs PyTorch's cache may have had "
        "(`benchmarks/judging.py`).\n\n"
    )
    return text + table("networks | an epoch, plain | ours | compiling, once | times faster | how", rows)


def winograd() -> str:
    rows = []
    for one in found("winograd"):
        for what in ("embedding", "training"):
            part = one[what]
            each = {way: f"{1000 * seconds / part['images']:.2f} ms" for way, seconds in part["seconds"].items()}
            first = f"{part['first_call']['direct']:.0f} and {part['first_call']['winograd']:.0f} s"
            ratio = f"**{part['seconds']['direct'] / part['seconds']['winograd']:.2f}**"
            rows.append([f"{what}, width {one['settings']['width']}", each["direct"], each["winograd"], ratio, first, one["machine"]])
    text = (
        "## Winograd's convolutions\n\nEmbedding, and training by a batch, an image of CIFAR10's shape, compiled float32 on both sides, in "
        "turns in one process\n(`benchmarks/winograd.py`). They are taken on processors with AVX2 alone, from 128 channels on.\n\n"
    )
    return text + table("what | direct | Winograd's | times faster | first calls | machine", rows) if rows else ""


def the_rest() -> str:
    text = "## Memory\n\nPeak of a process that condenses, PyTorch and the data included (`benchmarks/memory.py`).\n\n"
    text += table(
        "case | peak | machine", [[name, f"{mb:,} MB", one["machine"]] for one in found("memory") for name, mb in one["megabytes"].items()]
    )
    rows: list[list[str]] = []
    for one in found("growth"):
        rows += [
            [f"{n} classes of 32x32", f"{1000 * s / int(n):.2f} ms a class", one["machine"]] for n, s in one["seconds_by_classes"].items()
        ]
        rows += [
            [f"10 classes of {n}x{n}", f"{1e6 * s / int(n) ** 2:.0f} us a pixel of the side squared", one["machine"]]
            for n, s in one["seconds_by_size"].items()
        ]
    if rows:
        text += "## Growth\n\nA step at 1 synthetic image and 16 real ones a class (`benchmarks/growth.py`).\n\n"
        text += table("step | cost | machine", rows)
    text += "## Start-up\n\n"
    text += table(
        "command | until it is done | machine",
        [[f"`{name}`", f"{s:.2f} s", one["machine"]] for one in found("startup") for name, s in one["seconds"].items()],
    )
    return text


def main() -> None:
    notes = NOTES.read_text(encoding="utf-8") + "\n"
    parts = [accuracies(), ablation(), notes, steps(), gradient_step(), judging(), winograd(), patches(), pieces(), compiling(), the_rest()]
    (ROOT / "docs" / "speed.md").write_text(HEAD + "".join(parts).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
