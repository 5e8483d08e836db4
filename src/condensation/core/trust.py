"""Names of code that come from a file: they are imported only with the user's permission."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Any, SupportsIndex

from condensation.core.errors import CondensationError

Trust = bool | Collection[str]
"""True trusts a file; a collection permits these names alone, because the user has given them."""


class UntrustedCode(CondensationError):
    """Error for a name in a file, of code or of a data set of the hub, that needs permission."""


class TextOfFile(str):
    """Text from a file. It may name code or a repository, and keeps its ``file`` where it is copied, split or sent to a process."""

    __slots__ = ("contacts_hub", "file")
    file: str
    contacts_hub: bool

    def __new__(cls, text: str, file: str, contacts_hub: bool = False) -> TextOfFile:
        self = super().__new__(cls, text)
        self.file, self.contacts_hub = file, contacts_hub
        return self

    def __str__(self) -> str:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return TextOfFile, (str.__str__(self), self.file, self.contacts_hub)

    def split(self, separator: str | None = None, maxsplit: SupportsIndex = -1) -> list[str]:
        return [TextOfFile(part, self.file, self.contacts_hub) for part in super().split(separator, maxsplit)]

    def strip(self, characters: str | None = None) -> str:
        return TextOfFile(super().strip(characters), self.file, self.contacts_hub)

    def require_trust(self, what: str, instead: str, setting: str) -> None:
        """Raise the error that names the file, this text, ``what`` it would do, and what to give ``instead``."""
        hint = f"Check it first. To allow it, use trust=True, or {instead}."
        raise UntrustedCode(f"{self.file} names {str.__str__(self)}, which {what}.", hint=hint, setting=setting)


def from_file(content: Any, file: object, trust: Trust = False, *, contacts_hub: bool = False) -> Any:
    """Return plain ``content`` of ``file`` with each text that may name code as `TextOfFile`, except what ``trust`` permits.

    ``contacts_hub`` permits data sets of the hub. Raise CondensationError if ``content`` is nested too deeply.
    """
    if trust is True:
        return content
    permitted = frozenset() if trust is False else frozenset(trust)

    def marked(value: Any) -> Any:
        if isinstance(value, str):
            return TextOfFile(value, str(file), contacts_hub) if ":" in value and value not in permitted else value
        if isinstance(value, Mapping):
            return {marked(key): marked(item) for key, item in value.items()}
        return [marked(item) for item in value] if isinstance(value, list | tuple) else value

    try:
        return marked(content)
    except RecursionError:
        raise CondensationError(f"{file}: nested too deeply.") from None


def as_path_text(text: str) -> str:
    """Return ``text`` as exactly a str, as paths need it; it no longer tells its file."""
    return str.__str__(text)


def given_names(content: Any) -> set[str]:
    """Return the texts in plain ``content`` that may name code and come from no file."""
    if isinstance(content, str):
        return {content} if ":" in content and not isinstance(content, TextOfFile) else set()
    parts = [*content, *content.values()] if isinstance(content, Mapping) else content if isinstance(content, list | tuple | set) else ()
    return set().union(*map(given_names, parts))


def require_trusted_code(name: str, setting: str = "") -> None:
    """Raise CondensationError if the ``name`` of code, ``module:name`` or ``file.py:name``, comes from a file that is not trusted."""
    if isinstance(name, TextOfFile):
        source = str.__str__(name).rpartition(":")[0]
        place = os.path.abspath(source) if source.endswith(".py") else f"the module {source}"
        name.require_trust(f"would import {place}", "give this name yourself", setting)


def require_trusted_hub(source: str, *, local: bool = False) -> None:
    """Raise CondensationError if the name of a data set that is not ``local`` comes from a file that does not permit contacting the hub."""
    if isinstance(source, TextOfFile) and not (local or source.contacts_hub):
        source.require_trust("would be read from the hub", "name the data (source=...)", "data.source")
