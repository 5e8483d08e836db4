"""Digits that come two at a time: what do networks know of all of them, if they see two images of each class alone?

Random images against condensed ones. The same as a command, with more steps, networks and orders: see docs/continual.md.
"""

from pathlib import Path
from tempfile import mkdtemp

from condensation import ConvNet, EvaluationSettings, Recipe
from condensation.studies.continual.report import write_continual
from condensation.studies.continual.run import run_continual
from condensation.studies.continual.study import ContinualSettings


def main() -> None:
    settings = ContinualSettings(
        data="digits",
        methods={"random": "random", "dm": {"name": "dm", "steps": 60}},
        steps=5,
        ipc=2,  # images of each class that are kept
        orders=1,  # in which the classes come, by seed
        evaluation=EvaluationSettings(networks=2, network=ConvNet(width=32), recipe=Recipe(epochs=40)),
    )
    folder = Path(mkdtemp()) / "continual"  # with a folder of your own, the same call goes on where it was stopped
    run_continual(settings, folder)
    found = write_continual(settings, folder)
    for of_step in zip(*found.curves.values(), strict=True):
        known = ", ".join(f"{point.label} {point}" for point in of_step)
        print(f"{of_step[0].seen:>2} classes seen: {known}")
    found.plot().savefig(folder / "curves.png")
    print(f"Curves: {folder / 'curves.png'}; a file for each step: {folder / 'steps'}")


if __name__ == "__main__":
    main()
