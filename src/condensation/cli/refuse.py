"""Refusals of what a user has typed, before torch is imported, which takes seconds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from condensation.cli.options import Arguments, content_of


def require_usable(
    options: Mapping[str, Any],
    overrides: Arguments,
    config: Path | None = None,
    *,
    trust: bool = False,
    home: tuple[str, str] | None = None,
) -> None:
    """Raise CondensationError for settings that do not exist, and data that are not there, as far as their names tell.

    The settings are those of a run, or of the class ``home``: its module and its name.
    """
    from condensation.config.outline import RUN, Home, require_known
    from condensation.data.folders import require_source

    require_known(content_of(None, options, overrides), Home(*home) if home else RUN)
    content = content_of(config, options, overrides, trust=trust)
    data = content.get("data")
    data = data if isinstance(data, Mapping) else {"source": data}
    source, folder = data.get("source"), data.get("folder")
    if isinstance(source, str) and source.strip():
        require_source(source, folder if isinstance(folder, str) and folder != "none" else None)


def require_sets(paths: Sequence[Path]) -> None:
    """Raise CondensationError if a set or a run is not there."""
    from condensation.artifacts.shelf import set_path

    for path in paths:
        set_path(path)
