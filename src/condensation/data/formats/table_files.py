"""Files of the paths in tables."""

import os
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from condensation.core.errors import CondensationError
from condensation.data.decode.decode import image_suffixes
from condensation.data.decode.list_files import ListedFile, printable, stat_file


@dataclass
class FileFinder:
    """Finder of files whose paths have backslashes, or lack the ending."""

    folder: Path
    listings: dict[Path, dict[str, list[str]]] = field(default_factory=dict)  # per folder: file names by their stem

    def find(self, text: str) -> ListedFile:
        """Return the file of the path ``text``.

        Raise OSError or ValueError if there is none, and CondensationError if the ending is missing and several files fit.
        """
        spellings = [text, text.replace("\\", "/")] if "\\" in text else [text]
        for name in spellings:
            with suppress(FileNotFoundError, NotADirectoryError):
                return stat_file(self.folder / name, name)
        path = self.folder / spellings[-1]
        if path.parent not in self.listings:
            names: dict[str, list[str]] = defaultdict(list)
            for entry in sorted(os.listdir(path.parent)):
                stem, suffix = os.path.splitext(entry)
                if suffix.lower() in image_suffixes():
                    names[stem].append(entry)
            self.listings[path.parent] = names
        found = self.listings[path.parent].get(path.name, [])
        if len(found) > 1:
            raise CondensationError(f"{printable(text)} may be {' or '.join(found)}.", hint="Write the paths with their endings.")
        return stat_file(path.with_name(found[0]) if found else path, text)
