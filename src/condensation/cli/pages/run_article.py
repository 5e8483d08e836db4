"""A run or a set on a page: pictures, accuracies, curves, settings, cost, card, and the code that trains on it."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from condensation.artifacts.condensed_set import CondensedSet
from condensation.artifacts.export.card import training_code
from condensation.artifacts.export.card_fields import PrivacyEntry
from condensation.artifacts.set_file import SET, part_of
from condensation.cli.pages.accuracies import accuracy_section, class_table, confusion_section
from condensation.cli.pages.cost import accuracy_curve, cost_section, loss_section
from condensation.cli.pages.run_settings import settings_sections
from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.records import as_record, read_record
from condensation.core.text import extremes
from condensation.core.trust import Trust
from condensation.data.catalogue import DATASETS
from condensation.data.load import catalogue_key
from condensation.evaluation.scores import Scores
from condensation.methods.registry import method_title
from condensation.report.page.gallery import gallery
from condensation.report.page.parts import Article, Code, Facts, Notes, Part, Section
from condensation.report.tables import data_notes
from condensation.runs.files import CURVE, LOG, SCORES, SETTINGS
from condensation.runs.loss_log import LogLine, read_log
from condensation.runs.private_sets import is_private
from condensation.runs.saved_set import real_images, title_of
from condensation.studies.study_folder import StudyRecord


@dataclass(frozen=True)
class Pictures:
    """Real images of a page."""

    real: bool = True  # False to show synthetic images alone
    folder: str | None = None  # data folder of named data
    at_hand: ImageSet | None = None  # real images that have just been read


@dataclass(frozen=True, eq=False)
class SavedRun:
    """Contents of a run folder or a set file, as far as they can be read."""

    path: Path
    condensed: CondensedSet | None
    record: StudyRecord | None
    scores: Scores | None
    log: list[LogLine] = field(default_factory=list)
    curve: Scores | None = None  # of intermediate sets
    problems: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path, trust: Trust = False) -> "SavedRun":
        """Read a run folder or a set file; what is damaged or missing becomes a problem. Raise CondensationError if a file is no set."""
        if not path.is_dir():
            condensed = CondensedSet.load(path, trust=trust)
            return cls(path, condensed, None, Scores.from_card(condensed.card.get("scores")))
        problems: list[str] = []

        def attempt(name: str, read: Any) -> Any:
            try:
                return read(path / name) if (path / name).exists() else None
            except CondensationError as error:
                problems.append(error.message)
                return None

        condensed = attempt(SET, lambda file: CondensedSet.load(file, trust=trust))
        record, scores = attempt(SETTINGS, lambda file: read_record(file, StudyRecord)), attempt(SCORES, Scores.read)
        run = cls(path, condensed, record, scores, read_log(path / LOG), attempt(CURVE, Scores.read))
        return replace(run, problems=(*problems, *run.unfinished))

    @property
    def settings(self) -> Mapping[str, Any]:
        """Plain settings of the run; empty if they are unknown."""
        return self.record.settings if self.record else part_of(self.condensed.card if self.condensed else {}, "settings")

    @property
    def unfinished(self) -> list[str]:
        """Line about the rest of a run that is not finished."""
        networks = part_of(self.settings, "evaluation").get("networks")
        if self.condensed is None and not (self.path / SET).exists():
            total = part_of(self.settings, "method").get("steps")
            reached = f" after step {self.log[-1].step:,}" if self.log else ""
            return [f"Not finished: stopped{reached}" + (f" of {total:,}." if isinstance(total, int) and reached else ".")]
        missing = networks and not (self.path / SCORES).exists()
        return ["Not finished: the set is not evaluated yet."] if missing else []

    @property
    def name(self) -> str:
        """Name of the folder or the file."""
        return self.path.resolve().name.removesuffix(".safetensors")

    @property
    def title(self) -> str:
        """Data, method, images per class and steps."""
        if self.condensed is not None:
            return title_of(self.condensed, self.name)
        method = part_of(self.settings, "method").get("name")
        parts = (part_of(self.settings, "data").get("source"), method, f"{self.settings.get('ipc')} per class" if method else None)
        return ", ".join(str(part) for part in parts if part) or self.name

    @property
    def method(self) -> str:
        """Name of the method."""
        return str(part_of(self.settings, "method").get("name", ""))


def run_article(run: SavedRun, room: int, pictures: Pictures = Pictures(), name: str = "") -> Article:
    """Return what is shown of a run, in which pictures have at most ``room`` characters."""
    condensed, scores = run.condensed, run.scores
    sections = [
        *(
            [_pictures(condensed, scores, room, pictures if run.settings.get("show_real", True) else Pictures(real=False))]
            if condensed
            else []
        ),
        *([accuracy_section(scores, run.settings, run.path / SETTINGS)] if scores else []),
        *([class_table(scores), *confusion_section(scores)] if scores else []),
        *(
            [Section("Accuracy", [_other_scores(condensed.card["scores"])])]
            if condensed and not scores and condensed.card.get("scores")
            else []
        ),
        *accuracy_curve(run.curve, scores, part_of(run.settings, "method").get("steps")),
        *loss_section(run.log),
        *(settings_sections(run.settings) if run.settings else []),
        *cost_section(run.log, scores, _machine(run)),
        *([_card(condensed), _code(run.path, condensed, scores)] if condensed else []),
    ]
    return Article(f"{name}: {run.title}" if name else run.title, sections, run.problems)


def _pictures(condensed: CondensedSet, scores: Scores | None, room: int, wanted: Pictures) -> Section:
    real, problem = wanted.at_hand, ""
    if real is None or is_private(condensed):
        real, problem = real_images(condensed, wanted.folder) if wanted.real else (None, "they were left out as asked for.")
    name = str(part_of(condensed.card, "settings", "method").get("name", "synthetic"))
    of_set = next(iter(scores.sets.values())).per_class if scores and scores.sets else {}
    notes = {each: f"{accuracy:.0f} %" for each, accuracy in of_set.items()}
    fits = real is not None and real.class_names == condensed.images.class_names
    drawn = gallery({method_title(name): condensed.images}, real if fits and wanted.real else None, room, notes)
    lines = [f"Without real images: {problem}"] if problem else []
    form = condensed.images.form
    if form and not form.is_picture:
        stored = f"{len(condensed.images):,} stored ones in the form {form.name}"
        lines.append(f"Shown are images that a network sees: {condensed.images.seen:,}, of {stored}.")
    lines += ["Percentages: test accuracy of networks trained on the set."] if notes else []
    return Section("Pictures", [drawn, *([Notes(lines)] if lines else [])])


def _other_scores(content: Any) -> Part:
    """Return what a user put on a card in the place of scores."""
    return Facts([(str(key), str(value)) for key, value in content.items()]) if isinstance(content, Mapping) else Notes([str(content)])


def _machine(run: SavedRun) -> dict[str, Any]:
    card = run.condensed.card if run.condensed else {}
    machine, versions = ((getattr(run.record, key) if run.record else None) or part_of(card, key) for key in ("machine", "versions"))
    return {**machine, **versions}


def _card(condensed: CondensedSet) -> Section:
    """Return origin and terms of the data, and what the card tells about the set."""
    about, images = part_of(condensed.card, "data"), condensed.images
    source = str(part_of(condensed.card, "settings", "data").get("source", ""))
    info = DATASETS.get(catalogue_key(source) or "")
    terms = info.licence if info else "those of your own data" if source else "unknown"
    facts = [
        ("data", f"{about.get('name', source)}: {info.title}" if info else str(about.get("name", source))),
        ("terms of the data", terms),
        ("origin", info.origin if info else ""),
        ("training images", f"{about['images']:,}" if isinstance(about.get("images"), int) else ""),
        ("the set", f"{len(images):,} images of {' x '.join(map(str, images.shape))} (channels, height, width)"),
        ("images per class", " to ".join(map(str, extremes(images.counts.values())))),
        ("classes", f"{len(images.classes):,}"),
        ("form", f"{images.form}: a network sees {images.seen:,} images" if images.form else ""),
        ("labels", f"soft, for the {images.soft_labels.loss} loss" if images.soft_labels else ""),
        ("preprocessing", str(condensed.card.get("preprocessing", ""))),
        ("digest of the images", str(about.get("fingerprint", ""))),
    ]
    try:
        notes = data_notes(about, read=False)
    except (KeyError, TypeError, AttributeError, ValueError):  # the user may change a card
        notes = []
    if condensed.card.get("privacy"):
        privacy = as_record(condensed.card["privacy"], PrivacyEntry, "The card of the set")
        facts += [("privacy", privacy.guarantee), ("mechanism", privacy.mechanism), ("not covered", "; ".join(privacy.not_covered))]
    notes += [str(condensed.card["note"])] if condensed.card.get("note") else []
    return Section("Data and terms", [Facts(facts), *([Notes(notes)] if notes else [])])


def _code(path: Path, condensed: CondensedSet, scores: Scores | None) -> Section:
    """Return the lines that train on the set."""
    evaluation = scores.evaluation if scores else part_of(condensed.card, "settings").get("evaluation", {})
    text = f"""import torch
from condensation import CondensedSet

condensed = CondensedSet.load({str(path)!r})
dataset = condensed.dataset()  # preprocessed images and their labels
# Test images need the same preprocessing: condensed.preprocessing(pictures), for floats in [0, 1] of shape (n, c, h, w).
"""
    commands = f"""condense evaluate {shlex.quote(str(path))} evaluation.network=mlp
condense show {shlex.quote(str(path))}
"""
    try:
        text += training_code(condensed.images, evaluation)
    except CondensationError:  # the user put other scores on the card
        text += "loader = torch.utils.data.DataLoader(dataset, batch_size=256, shuffle=True)"
    return Section("Train on it", [Code(text, "In plain PyTorch:"), Code(commands, "In a terminal:")])
