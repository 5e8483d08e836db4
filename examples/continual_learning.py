"""Digits that come two at a time: accuracy on all of them from a memory of two images per class.

Random images are compared with condensed ones. The command does the same with more steps, networks and orders: see docs/continual.md.
"""

from pathlib import Path
from tempfile import mkdtemp

from condensation import ConvNet, EvaluationSettings, Recipe
from condensation.studies.continual.curves import curves_in
from condensation.studies.continual.study import ContinualSettings
from condensation.studies.registry import CONTINUAL


def main() -> None:
    settings = ContinualSettings(
        data="digits",
        methods={"random": "random", "dm": {"name": "dm", "steps": 60}},
        steps=5,
        ipc=2,  # images of each class that are kept
        orders=1,  # in which the classes come, by seed
        evaluation=EvaluationSettings(networks=2, network=ConvNet(width=32), recipe=Recipe(epochs=40)),
    )
    folder = Path(mkdtemp()) / "continual"  # in a folder of your own, the same call resumes after a stop
    CONTINUAL.run(settings, folder)
    for points in zip(*curves_in(settings, folder).steps.values(), strict=True):
        accuracies = ", ".join(f"{label} {point}" for label, point in zip(settings.methods, points, strict=True))
        print(f"{points[0].seen:>2} classes seen: {accuracies}")
    print(f"Curves: {folder / 'continual.png'}; one file per step: {folder / 'steps'}")


if __name__ == "__main__":
    main()
