"""Disks that are full or read-only, and limits on the sizes of files."""

import resource
import shutil

from tests.campaigns import recipes
from tests.campaigns.corpus import image_files, made, write
from tests.campaigns.disk import NoMounts, small_disk
from tests.campaigns.trial import Fault, Trial, check, listing


def full_disk(trial: Trial) -> None:
    """Write an output on a full disk: nothing is left, and the message names the cause."""
    name = trial.rng.choice(sorted(recipes.OUTPUTS))
    _source, arguments = recipes.OUTPUTS[name]
    kibibytes = trial.rng.choice((0, 4, 8, 16, 40, 100, 200, 400))
    trial.doing = f"{name} with {kibibytes} KiB left"
    shutil.copytree(made(trial.corpus, f"output-{name}"), trial.folder / "all")
    inputs = [path for path in (trial.folder / "all").iterdir() if not path.name.startswith("made")]
    for path in inputs:
        path.rename(trial.folder / path.name)
    shutil.rmtree(trial.folder / "all")
    disk = trial.folder / "disk"
    disk.mkdir()
    try:
        with small_disk(disk) as small:
            small.resize(max(4, kibibytes))
            if not kibibytes:
                (disk / "filler").write_bytes(bytes(4096))
            before = listing(disk)
            arguments = [f"disk/{one}" if one.startswith("made") else one for one in arguments]
            result = trial.run(arguments)
            if result.code and not any(word in result.err.lower() for word in ("space", "full", "room")):
                raise Fault(f"the message does not name the full disk: {result.err}")
            if result.code and listing(disk) != before:
                raise Fault(f"left on the disk: {sorted(listing(disk))[:3]}")
    except NoMounts:
        trial.doing += " (no mounts allowed: left out)"


def read_only(trial: Trial) -> None:
    """Read from and write to a read-only disk."""
    write(trial.folder, image_files())
    disk = trial.folder / "disk"
    disk.mkdir()
    cases = {
        "run there": (recipes.run("dm", "disk/new"), 2),
        "resume there": ([*recipes.run("dm", "disk/begun"), "--resume"], 2),
        "finished": ([*recipes.run("dm", "disk/done"), "--resume"], 0),
        "show there": (["show", "disk/done", "-o", "disk/x.png"], 2),
        "show": (["show", "disk/done", "-o", "x.png"], 0),
        "report there": (["report", "disk/done"], 2),
        "report": (["report", "disk/done", "-o", "x.html"], 0),
        "export there": (["export", "disk/done", "--to", "png"], 2),
        "export": (["export", "disk/done", "--to", "png", "-o", "x"], 0),
        "evaluate": (["evaluate", "disk/done", *recipes.EVALUATION, *recipes.CPU], 0),
        "study there": ([*recipes.STUDIES["table"], "-o", "disk/table"], 2),
        "printing": (["table", "disk/study"], 0),
        "read data": (recipes.read("disk/pets"), 0),
        "cache": (recipes.read("pets"), 0),
        "current folder": (["data", "show", "pets"], 0),
    }
    trial.doing = trial.rng.choice(sorted(cases))
    arguments, code = cases[trial.doing]
    try:
        with small_disk(disk) as small:
            write(disk, image_files())
            for name, source in (("done", "run-dm"), ("begun", "begun"), ("study", "study-table")):
                shutil.copytree(made(trial.corpus, source) / "out", disk / name)
            small.forbid_writing()
            folder = disk if trial.doing == "current folder" else trial.folder
            environment = {"TMPDIR": "/tmp", "CONDENSATION_CACHE": str(disk / "cache") if trial.doing == "cache" else "none"}
            result = trial.run(arguments, folder=folder, environment=environment)
            if result.code != code:
                raise Fault(f"exit code {result.code}, expected {code}: {result.err}")
    except NoMounts:
        trial.doing += " (no mounts allowed: left out)"


def file_sizes(trial: Trial) -> None:
    """Limit the size of files: as on a full disk, but with another error of the system."""
    name = trial.rng.choice(sorted(recipes.OUTPUTS))
    size = trial.rng.choice((1000, 3000, 8000, 30000))
    trial.doing = f"{name}, files of at most {size} bytes"
    for path in made(trial.corpus, f"output-{name}").iterdir():
        if not path.name.startswith("made"):
            (shutil.copytree if path.is_dir() else shutil.copy2)(path, trial.folder / path.name)
    before = listing(trial.folder)
    limit = (size, resource.RLIM_INFINITY)
    command = trial.command(recipes.OUTPUTS[name][1], before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
    result = command.start().result()
    check(result, name)
    if result.code and listing(trial.folder) != before:
        raise Fault(f"left: {sorted(set(listing(trial.folder)) - set(before))[:3]}")
