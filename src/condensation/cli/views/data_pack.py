"""Printed form of ``condense data pack`` and ``condense data verify``."""

from pathlib import Path
from typing import Any

from condensation.cli.options import Output
from condensation.core.errors import CondensationError
from condensation.core.memory import readable
from condensation.core.plain import to_dict
from condensation.core.text import counted
from condensation.data.dataset import format_shape
from condensation.data.pack.index import AGAIN, PackIndex
from condensation.data.pack.verify import verify_pack
from condensation.data.pack.write import pack
from condensation.data.settings import DataSettings
from condensation.methods.step_info import Stopped
from condensation.report.stopping import stoppable
from condensation.report.tables import plain_console, print_json

CHECKING = "checking classes"
MOST = 10  # damaged classes in a message


def pack_data(settings: DataSettings, out: Path, file_size: float, output: Output) -> None:
    """Run ``condense data pack``."""

    def stopped(_: Stopped) -> str:
        return f"Finished classes are kept in {out}; the same command continues."

    with stoppable(quiet=not output.talks, message=stopped) as shown:
        bytes_of_file = int(file_size * 10**9)
        index = pack(settings, out, bytes_of_file, shown.reading, lambda done, total: shown.show(CHECKING, done, total))
    about = facts(index, out)
    if output.as_json:
        return print_json(about)
    if output.quiet:
        return None
    screen = plain_console()
    screen.print("\n".join([*_lines(about), *([index.note] if index.note else [])]))
    if skipped := index.details.get("skipped"):
        screen.print(f"Skipped: {skipped['count']:,} that cannot be read; the first is {skipped['images'][0]['name']}.")
    return screen.print(f"Use it: --data {out}")


def verify_data(folder: Path, output: Output) -> None:
    """Run ``condense data verify``."""
    with stoppable(quiet=not output.talks) as shown:
        index, damaged = verify_pack(folder, lambda done, total: shown.show(CHECKING, done, total))
    if output.as_json:
        print_json({**facts(index, folder), "damaged": [to_dict(each) for each in damaged]})
    if damaged:
        places = [
            f"{folder / each.file}, " + (f"class {each.class_name!r} ({each.part})" if each.part else "the names") for each in damaged
        ]
        more = f"\nand {len(damaged) - MOST:,} more" if len(damaged) > MOST else ""
        message = f"{counted(len(damaged), 'part')} of {folder} changed after packing: their digests do not match."
        raise CondensationError(message, hint="\n".join(places[:MOST]) + f"{more}\n{AGAIN}")
    if output.talks:
        plain_console().print("\n".join([*_lines(facts(index, folder)), "All digests match."]))


def facts(index: PackIndex, folder: Path) -> dict[str, Any]:
    """Return a summary of packed data for JSON."""
    return {
        "name": index.name,
        "folder": str(folder),
        "images": {part: sum(each.count for each in content.classes) for part, content in index.parts.items()},
        "classes": len(index.class_names),
        "shape": list(index.shape),
        "bytes": sum(index.files.values()),
        "files": len(index.files),
        "fingerprint": index.train.fingerprint,
        **index.details,
    }


def _lines(about: dict[str, Any]) -> list[str]:
    images, (channels, height, width) = about["images"], about["shape"]
    return [
        f"{about['name']}: {images['train']:,} training and {images['test']:,} test images of {about['classes']:,} classes",
        f"{format_shape((height, width))} pixels (height x width), {'greyscale' if channels == 1 else 'colour'}",
        f"{readable(about['bytes'])} in {about['files']} files in {about['folder']}",
    ]
