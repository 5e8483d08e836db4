"""Printed form of ``condense data``."""

from condensation.core.plain import to_dict
from condensation.data.locate import list_datasets
from condensation.report.tables import plain_console, print_json, table


def data(folder: str | None, *, as_json: bool) -> None:
    """Run ``condense data``."""
    listings = list_datasets(folder)
    if as_json:
        return print_json([to_dict(listing) for listing in listings])
    rows = table("data set", "title", "classes", "image", "terms", "path")
    for listing in listings:
        info, path = listing.info, listing.where or "-"
        about = (info.title, str(info.classes), "x".join(map(str, info.shape)), info.licence) if info else ("", "", "", "")
        rows.add_row(listing.name, *about, path)
    screen = plain_console()
    screen.print(rows, soft_wrap=False)
    screen.print("Download one without a path: condense data get NAME")
    return screen.print("Others: a folder with one sub-folder per class, or NAME/{train,test}.npz below --folder or CONDENSATION_DATA.")
