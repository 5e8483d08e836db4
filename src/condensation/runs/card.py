"""Card of the set of a run: its settings, data, versions and machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from condensation.artifacts.set_file import part_of
from condensation.core.environment import machine, versions
from condensation.data.dataset import Data
from condensation.data.summary import read_facts
from condensation.methods.generative import GenerativeMethod
from condensation.methods.release import Release
from condensation.methods.step_info import StepInfo
from condensation.runs.private_run import private_card
from condensation.runs.settings import RunSettings

if TYPE_CHECKING:
    from condensation.core.team import Team


def card_of_run(
    content: Mapping[str, Any], settings: RunSettings, data: Data, note: str, release: Release | None, team: Team | None
) -> dict[str, Any]:
    """Return the card of a set that a run makes with the plain settings ``content``; a ``team`` adds its number of processes."""
    method, made_with = settings.method, {"versions": versions(), "machine": machine()}
    if release:
        return {"settings": content, "privacy": release.statement, "data": private_card(settings, data), **made_with}
    digests = method.input_digests()
    method_note = method.note if isinstance(method, GenerativeMethod) else ""
    about = {"name": data.name, "fingerprint": data.train.fingerprint(), "images": len(data.train), "note": note}
    return {
        "settings": content,
        "data": {**about, "read": read_facts(data), **data.details},
        **({"reads": digests} if digests else {}),
        **({"note": method_note} if method_note else {}),
        **made_with,
        **({"processes": team.size} if team else {}),
    }


def images_of_run(data: Data, release: Release | None) -> tuple[object, object]:
    """Return what `images_of_card` returns for a set that a run makes from ``data``, or from the ``release`` of a private method."""
    return (None, release.digest) if release else (data.train.fingerprint(), None)


def images_of_card(card: Mapping[str, Any]) -> tuple[object, object]:
    """Return what tells the images that a set was made from: their digest or, for a private set, that of its release."""
    return part_of(card, "data").get("fingerprint"), part_of(card, "privacy").get("release")


def add_final_entries(card: dict[str, Any], info: StepInfo) -> None:
    """Add the entries of the final state to the card."""
    if info.step == info.steps:
        card.update(info.state.card())
