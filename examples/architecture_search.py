"""Which ConvNet suits an image set? A few are trained on random and on condensed images, and fully: does the short way find the best?

It writes into nas/example, so run again it does nothing again. On all 720 networks of the papers: condense nas --data fashion-mini
"""

from condensation import Recipe
from condensation.studies.executors import Processes
from condensation.studies.nas.proxies import SearchSettings, proxies_for
from condensation.studies.nas.report import write_search
from condensation.studies.nas.search_space import Space
from condensation.studies.nas.study import run_search
from condensation.studies.table.study import Labelled

SPACE = Space(width=(4, 8), depth=(1, 2), norm=("none", "instance"), activation=("relu",), pooling=("none", "avg"))
DM = Labelled("dm", {"name": "dm", "steps": 30, "batch_per_class": 16, "networks": {"spec": {"width": 8}}})
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
WORKERS = 1  # processes, each with a thread of its own; as many as the machine has cores make it faster


def main() -> None:
    if WORKERS > 1:
        with Processes(WORKERS) as executor:
            failed = run_search(SETTINGS, "nas/example", executor=executor, at_a_time=WORKERS)
    else:
        failed = run_search(SETTINGS, "nas/example")
    found = write_search("nas/example")
    print(f"{found.title}, {len(failed)} failed")
    for verdict in found.verdicts:
        correlation = verdict.over_all.spearman
        print(f"{verdict.label:>14}: rank correlation {correlation}, finds {verdict.found} with {verdict.accuracy:.1f} %")
    found.plot().savefig("nas/example/picture.pdf")
    print("Table and picture: nas/example")


if __name__ == "__main__":  # processes that are started import this file
    main()
