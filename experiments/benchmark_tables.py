"""Tables of the benchmarks, from results/benchmarks/."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from experiments.plan import ROOT

BENCHMARKS = ROOT / "results" / "benchmarks"


def results(name: str) -> list[dict[str, Any]]:
    """Return the results of one benchmark, one for each machine."""
    contents = (json.loads(path.read_text()) for path in sorted(BENCHMARKS.glob(f"{name}-*.json")))
    return [{**content, "machine": machine(content["made_by"])} for content in contents]


def condensing_seconds(result: Mapping[str, Any]) -> float:
    """Return the time of condensing; with one thread that of the processor, which other work on the machine does not prolong."""
    seconds, cpu = float(result["condensing_seconds"]), result.get("condensing_cpu_seconds")
    return min(seconds, float(cpu)) if cpu and result["made_by"]["threads"] == 1 else seconds


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


def dm_step() -> str:
    """Return the time of a step of DM, against a loop over classes."""
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
    """Return the time of a step of gradient matching, against a loop over classes."""
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
    """Return the time of an epoch of evaluation."""
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
    """Return the time of gradients in microbatches."""
    rows = []
    for result in results("pieces"):
        settings = result["settings"]
        for what, part in result["parts"].items():
            label = f"{what.replace('as it is', 'eager')}; {settings['batch']} images, width {settings['width']}"
            rows.append([label, *compared(part, "whole", "pieces"), settings["pieces"], result["machine"]])
    return table("gradient of | whole batch | microbatches | times faster | images in a microbatch | machine", rows)


def first_layers() -> str:
    """Return the time of fused first layers."""
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
    """Return what compilation costs and gains."""
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
    """Return the time of Winograd convolutions."""
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
    """Return the peak memory of several cases."""
    rows = [
        [name.replace("a class", "per class"), f"{mb:,} MB", result["machine"]]
        for result in results("memory")
        for name, mb in result["megabytes"].items()
    ]
    return table("case | peak | machine", rows)


def growth() -> str:
    """Return how the cost of a step grows with classes and pixels."""
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
    """Return the time of commands that do little."""
    rows = [
        [f"`{name}`", f"{seconds:.2f} s", result["machine"]] for result in results("startup") for name, seconds in result["seconds"].items()
    ]
    return table("command | time | machine", rows)
