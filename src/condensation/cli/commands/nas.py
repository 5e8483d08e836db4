"""``condense nas``."""

from pathlib import Path
from typing import Any

from condensation.cli.commands.study_command import StudyCommand, StudyOption, StudyRequest, preset_option
from condensation.cli.options import last_name, names


def search_settings(request: StudyRequest) -> Any:
    """Return the settings of the search."""
    from condensation.config.build import from_dict
    from condensation.config.toml import read_settings
    from condensation.studies.nas.proxies import PROXIES, SearchSettings, proxies_for
    from condensation.studies.table.study import NamedMethod, with_overrides

    given, space, file = request.take("proxies"), request.take("space"), request.file()
    saved = file.pop("proxies", ())
    saved = names(saved) or () if isinstance(saved, str) else saved
    proxies = tuple(proxies_for([proxy])[0] if isinstance(proxy, str) else from_dict(NamedMethod, proxy) for proxy in saved)
    chosen = proxies if proxies and given is None else proxies_for(given or PROXIES)
    chosen, overrides = with_overrides(chosen, request.overrides, SearchSettings)
    content = request.content({**file, "space": read_settings(space)} if space else file, overrides)
    return from_dict(SearchSettings, content, SearchSettings(chosen))


StudyCommand(
    name="nas",
    summary="Train a space of networks on small sets and on all images: do the sets find the best ones? The same command resumes it.",
    arguments="A search to print again; or settings: dm.steps=500 of a method, recipe.lr=0.02 of training.",
    options=(
        StudyOption("--proxies", "proxies", "Methods or file.py:Class, and early-stopping.", "random,herding,dsa,dm,early-stopping", names),
        StudyOption("--space", "space", "TOML file of the networks: width, depth, norm, activation, pooling.", "720 networks", Path),
        StudyOption("--subset", "subset", "Number of networks, a stratified sample.", "all", int),
        StudyOption("--ipc -i", "ipc", "Images per class of each set.", "50", int),
        StudyOption("--trainings", "trainings", "Trainings of each network on each set.", "5", int),
        StudyOption("--epochs", "recipe.epochs", "Epochs of a training on a set.", "200", int),
        StudyOption("--whole-epochs", "whole_epochs", "Epochs on all images.", "100", int),
        StudyOption("--top", "top", "Fraction of networks reported as the top.", "0.05", float),
        preset_option("The methods'"),
        StudyOption("--seed", "seed", "Seed of all random numbers.", "0", int, least=None),
    ),
    settings=search_settings,
    folder=lambda settings, request: f"nas/{last_name(settings.source)}-ipc{settings.ipc}",
    folder_text="nas/DATA-ipcN",
    home=("studies.nas.proxies", "SearchSettings"),
    jobs_text="List the sets to make with time, memory and disk space, and stop.",
    executor="auto",
).add()
