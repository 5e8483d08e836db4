"""Find a ConvNet for an image set: train a few on random and condensed images, and fully; do the small sets find the best one?

Results are in nas/example; a second run only prints them. All 720 networks of the papers: condense nas --data fashion-mini
"""

from condensation import Recipe
from condensation.studies.nas.proxies import SearchSettings, proxies_for
from condensation.studies.nas.report import search_figure
from condensation.studies.nas.search import search_in
from condensation.studies.nas.search_space import Space
from condensation.studies.registry import NAS
from condensation.studies.table.study import NamedMethod

SPACE = Space(width=(4, 8), depth=(1, 2), norm=("none", "instance"), activation=("relu",), pooling=("none", "avg"))
DM = NamedMethod("dm", {"name": "dm", "steps": 30, "batch_per_class": 16, "networks": {"spec": {"width": 8}}})
SETTINGS = SearchSettings(
    proxies=(*proxies_for(["random", "early-stopping"]), DM),
    data="digits",
    space=SPACE,
    ipc=2,
    trainings=1,  # the more, the less chance there is in an accuracy
    recipe=Recipe(epochs=40),
    whole_epochs=2,
    top=0.5,
)
FOLDER = "nas/example"
EXECUTOR = None  # "processes:4": four processes of this machine; clusters of Dask, Ray and Slurm: docs/studies-on-clusters.md


def main() -> None:
    failures = NAS.run(SETTINGS, FOLDER, executor=EXECUTOR)
    search = search_in(FOLDER)
    print(f"{NAS.read(FOLDER).title}, {len(failures)} failed")
    for verdict in search.verdicts:
        correlation = verdict.over_all.spearman
        print(f"{verdict.label:>14}: rank correlation {correlation}, finds {verdict.found} with {verdict.accuracy:.1f} %")
    search_figure(search, "Digits").savefig(f"{FOLDER}/picture.pdf")
    print(f"Table and picture: {FOLDER}")


if __name__ == "__main__":  # processes that are started import this file
    main()
