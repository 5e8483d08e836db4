"""Report of a privacy study: attacks on each arm, canaries, copies in the set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from condensation.core.plain import to_dict
from condensation.core.records import read_record
from condensation.core.tensor_files import read_tensors
from condensation.core.text import counted
from condensation.data.load import dataset_title
from condensation.studies.privacy.attacks import START, Attack, attacks_of
from condensation.studies.privacy.copies import COPIES, RESULT, SUSPICIOUS, CopiesRecord, nearer_to_training, worst
from condensation.studies.privacy.figures import copies_figure, roc_charts, roc_figure
from condensation.studies.privacy.pool import KINDS, make_pool
from condensation.studies.privacy.settings import ARMS, PrivacySettings, decisive_settings
from condensation.studies.privacy.shadows import KIND, shadow_path
from condensation.studies.study import Block, ReportRecord, StudyReport, earlier_report
from condensation.studies.tasks import Lazy

LEAST = 4  # shadows of an attack
FLOOR = 64  # shadows of an attack whose strength is accepted
SURFACES = {"networks": "networks", "set": "the set"}
COLUMNS = ("arm", "attack on", "test accuracy, %", "AUC", "TPR at 1 % FPR, %", "TPR at 0.1 % FPR, %")


@dataclass(frozen=True)
class PrivacyRecord(ReportRecord):
    """Part of ``privacy.json`` that is read again."""

    attacks: tuple[Attack, ...] = ()
    shadows: dict[str, int] = field(default_factory=dict)
    copies: CopiesRecord | None = None


def privacy_report(settings: PrivacySettings, folder: Path) -> StudyReport:
    """Return the report of the study in ``folder``."""
    copies_path = folder / COPIES / RESULT
    found = {arm: [n for n in range(settings.shadows) if shadow_path(folder, arm, n).exists()] for arm in settings.arms}
    lost = any(len(numbers) < settings.shadows for numbers in found.values()) or (settings.set and not copies_path.exists())
    earlier = earlier_report(folder / "privacy.json", PrivacyRecord, settings, decisive_settings) if lost else None
    attacks, done = attacks_in(settings, folder, found, earlier[0] if earlier else None)
    copies = read_record(copies_path, CopiesRecord) if copies_path.exists() else earlier[0].copies if earlier else None
    wanted = settings.shadows * len(settings.arms)
    missing = [counted(wanted - sum(done.values()), "shadow")] if sum(done.values()) < wanted else []
    missing += ["the search for copies"] if settings.set and copies is None else []
    blocks = [_block(kind, [each for each in attacks if each.kind == kind]) for kind in (*KINDS[1:], START)]
    return StudyReport(
        title=f"{dataset_title(settings.data.source)}: what sets of {counted(settings.ipc, 'image')} per class reveal",
        columns=COLUMNS,
        rows=tuple(_row(each) for each in attacks if each.kind == KINDS[0]),
        blocks=(*[block for block in blocks if block.rows], *_copies_blocks(copies)),
        notes=(*_notes(settings, done), *_copies_notes(copies)),
        json={"attacks": to_dict(attacks), "shadows": done, "copies": to_dict(copies) if copies else None},
        figures={
            **({"roc.png": lambda: roc_figure([each for each in attacks if each.kind == KINDS[0]], ARMS)} if attacks else {}),
            **({"copies.png": lambda: copies_figure(settings, copies)} if copies_path.exists() and copies and worst(copies) else {}),
        },
        places={"ROC curves": "roc.png", "Worst pairs": "copies.png", "Numbers": "privacy.json"},
        missing=" and ".join(missing),
        text_columns=("arm", "attack on"),
        jobs=wanted,
        charts=lambda: roc_charts([each for each in attacks if each.kind == KINDS[0]], ARMS),
    )


def attacks_in(
    settings: PrivacySettings, folder: Path, found: Mapping[str, Sequence[int]], earlier: PrivacyRecord | None
) -> tuple[list[Attack], dict[str, int]]:
    """Return the attacks on each arm by its ``found`` shadows, or those of an ``earlier`` report that had more, and their shadows."""
    attacks, counts = list[Attack](), dict[str, int]()
    pool = Lazy(lambda: make_pool(settings.data.load().train, settings.images, settings.canaries, settings.seed))
    for arm, numbers in found.items():
        before = earlier.shadows.get(arm, 0) if earlier else 0
        counts[arm] = max(len(numbers), before if len(numbers) < settings.shadows else 0)
        if earlier and counts[arm] > len(numbers):
            attacks += [each for each in earlier.attacks if each.arm == arm]
        elif len(numbers) >= LEAST:
            read = [read_tensors(shadow_path(folder, arm, number), KIND) for number in numbers]
            attacks += attacks_of(arm, numbers, read, pool(), settings.ipc)
    return attacks, counts


def _row(attack: Attack) -> tuple[str, ...]:
    rates = [f"{100 * rate.value:.2f} ({100 * rate.low:.2f} to {100 * rate.high:.2f})" if rate.resolved else "-" for rate in attack.rates]
    return attack.arm, SURFACES[attack.surface], f"{attack.accuracy:.1f}", f"{attack.auc:.3f}", *rates


def _block(kind: str, attacks: Sequence[Attack]) -> Block:
    return Block(kind[0].upper() + kind[1:], COLUMNS, tuple(map(_row, attacks)), ("arm", "attack on"))


def _notes(settings: PrivacySettings, done: Mapping[str, int]) -> tuple[str, ...]:
    fewest = min(done.values(), default=0)
    lines = [
        f"Arms: {'; '.join(f'{arm}: {ARMS[arm]}' for arm in settings.arms)}.",
        f"LiRA with {fewest} shadows per arm, of random halves of {settings.images:,} images; variances are pooled over images. "
        "Intervals: Clopper-Pearson, 95 %, as if all scores were independent, which they are not.",
        "Attacks are on networks trained on a set, or on the set itself.",
        "Guessing has an AUC of 0.5, and a TPR equal to the FPR. -: too few images that were not members for this FPR.",
    ]
    if fewest < FLOOR:
        lines.append(f"Fewer than {FLOOR} shadows: a stronger attack may find more.")
    if "dm-private" in settings.arms:
        lines.append(
            f"dm-private: ({settings.privacy.epsilon:g}, {settings.privacy.delta:g})-differential privacy; this bounds every attack."
        )
    return tuple(lines)


def _copies_notes(copies: CopiesRecord | None) -> tuple[str, ...]:
    if copies is None or not copies.images:
        return ()
    near, count = nearer_to_training(copies)
    alike = sum(min(each.ratio, each.embedded_ratio) < SUSPICIOUS for each in copies.images)
    lines = [
        f"Copies in {copies.set}: {near} of {counted(count, 'image')} are nearer to a training than to a held-out image of their class, of "
        f"{copies.train:,} each; without copying it would be about half. {alike} have a ratio below {SUSPICIOUS:g}.",
        "The picture of the worst pairs and the numbers of copies come from the real images: do not publish them.",
    ]
    starts = [each.to_start for each in copies.images if each.to_start is not None]
    if starts:
        nearest = sum(each.to_start <= each.to_train + 1e-6 for each in copies.images if each.to_start is not None)
        lines.append(f"Median distance to the own starting image: {float(np.median(starts)):.2f}; {nearest} are nearest to it.")
    return tuple(lines)


def _copies_blocks(copies: CopiesRecord | None) -> list[Block]:
    if copies is None or not copies.images:
        return []
    columns = ("image", "class", "to training image", "to held-out image", "ratio", "ratio, embedded", "to its start")
    rows: list[tuple[str, ...]] = []
    for each in worst(copies):
        numbers: tuple[Any, ...] = (each.to_train, each.to_held_out, each.ratio, each.embedded_ratio)
        start = "-" if each.to_start is None else f"{each.to_start:.2f}"
        rows.append((str(each.index), str(each.label), *(f"{number:.2f}" for number in numbers), start))
    return [Block("Most like a training image", columns, tuple(rows), ())]
