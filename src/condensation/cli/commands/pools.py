"""``condense pools``."""

from functools import partial
from typing import Annotated

import typer

from condensation.cli.commands.study_command import StudyCommand, StudyOption, preset_option
from condensation.cli.options import last_name, names, numbers

POOL_ONLY = typer.Option("--pool-only", help="Make the pool and stop.")


StudyCommand(
    name="pools",
    summary="Train a pool of networks, sort it by validation accuracy, and learn a set on each bucket. The same command resumes it.",
    arguments="A comparison to print again; or settings: method.steps=500, pool.recipe.lr=0.02, evaluation.recipe=paper.",
    options=(
        StudyOption("--method -m", "method", "Method that draws networks in its steps.", "dm"),
        StudyOption("--network", "network", "Architecture of the pool: a name that `condense networks` lists.", "the method's"),
        StudyOption("--pool", "pool.networks", "Networks of the pool.", "20", int),
        StudyOption("--pool-epochs", "pool.recipe.epochs", "Epochs of training each of them.", "10", int),
        StudyOption("--bounds", "pool.bounds", "Percentages between buckets.", "10,20,30,40,50,60,70", partial(numbers, option="--bounds")),
        StudyOption("--buckets", "buckets", "Buckets to compare: random, 20-30, 70+, all.", "every one", names),
        StudyOption("--ipc -i", "ipc", "Images per class.", "10", numbers),
        StudyOption("--seeds", "seeds", "Sets learned on each bucket at each ipc.", "1", int),
        StudyOption("--networks", "evaluation.networks", "Evaluation networks of each set.", "3", int),
        StudyOption("--epochs", "evaluation.recipe.epochs", "Epochs of each of them.", "1000", int),
        preset_option("The method's"),
    ),
    folder=lambda settings, request: f"pools/{last_name(settings.source)}",
    folder_text="pools/DATA",
    home=("studies.pools.study", "PoolsSettings"),
    jobs_text="List the sets to learn with time, memory and disk space, and stop.",
    run_options={"pool_only": (Annotated[bool, POOL_ONLY], False)},
).add()
