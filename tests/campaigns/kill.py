"""Kills of runs, studies and outputs, at file operations and at random moments; then the same command again, as a user would.

The result must equal that of an unbroken command, byte for byte, without leftovers.
"""

import resource
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from tests.campaigns import download, recipes
from tests.campaigns.command import Command, Result
from tests.campaigns.corpus import effort, image_files, made, write
from tests.campaigns.disk import ROOM, NoMounts, small_disk
from tests.campaigns.trial import Fault, Trial, check, listing, results, same

CYCLE = ("runs", "studies", "runs", "outputs", "runs", "runs", "studies", "runs")  # 5 : 2 : 1
FIRST = 12  # file operations that create the folder of a study
STUDIES = [*(name for name in recipes.STUDIES if name != "nas-workers")] * 3 + ["nas-workers"]  # starting workers takes long
OUTPUTS = (*recipes.OUTPUTS, "download", "download", "cache", "cache")
AFTER_KILL = 5.0  # seconds until the processes of a killed command must have ended


def trial(trial: Trial) -> None:
    """Interrupt a command one to three times, then let it finish."""
    trial.part = CYCLE[trial.number % len(CYCLE)]
    turn = trial.number // len(CYCLE) * CYCLE.count(trial.part) + CYCLE[: trial.number % len(CYCLE)].count(trial.part)
    if trial.part == "runs":
        name = list(recipes.METHODS)[turn % len(recipes.METHODS)]
        target = Target(trial, f"run-{name}", recipes.run(name, "out"))
    elif trial.part == "studies":
        name = STUDIES[turn % len(STUDIES)]
        target = Target(trial, f"study-{name}", [*recipes.STUDIES[name], "-o", "out"])
    else:
        name = OUTPUTS[turn % len(OUTPUTS)]
        kinds = {"download": DownloadTarget, "cache": CacheTarget}
        target = kinds[name](trial) if name in kinds else Target(trial, f"output-{name}", recipes.OUTPUTS[name][1])
    trial.doing = name
    first = turn // (len(recipes.STUDIES) - 1) + 1 if trial.part == "studies" else FIRST + 1
    if first > FIRST and trial.rng.random() < 0.15:
        return on_a_full_disk(trial, target)
    with target.ready():
        if first <= FIRST:  # each of the first file operations of each study
            interrupt(trial, target, first)
        else:
            for _ in range(trial.rng.choice((1, 1, 2, 3))):
                interrupt(trial, target)
        target.finish()


class Target:
    """A command with its unbroken result."""

    environment: dict[str, str] = {}  # noqa: RUF012

    def __init__(self, trial: Trial, reference: str, arguments: list[str]) -> None:
        self.trial, self.arguments = trial, arguments
        self.reference = made(trial.corpus, reference)
        self.operations, self.seconds = effort(self.reference)

    def ready(self) -> "nullcontext[None]":
        """Copy what the command reads into the folder of the trial."""
        for path in self.reference.iterdir():
            if path.name not in ("out", "made", "made.png", "made.safetensors"):
                (shutil.copytree if path.is_dir() else shutil.copy2)(path, self.trial.folder / path.name)
        return nullcontext()

    def start(self, before: Callable[[], object] = lambda: None, kill_at: int = 0) -> Command:
        """Start the command; with --resume where the last one asked for it."""
        return self.trial.command(self.arguments, before=before, kill_at=kill_at, environment=self.environment).start()

    def adapt(self, result: Result) -> bool:
        """Change the command as its error message asks; return whether it did."""
        asks = result.code == 2 and "--resume" in result.err
        if asks and "--resume" not in self.arguments:
            self.arguments = [*self.arguments, "--resume"]
            return True
        if asks or (result.code == 2 and "--resume" in self.arguments and "no run" in result.err.lower()):
            self.arguments.remove("--resume")
            return True
        return False

    def finish(self) -> None:
        """Let the command end, and compare the result with the unbroken one."""
        for _ in range(3):
            result = self.start().result()
            check(result, "the last command")
            if not self.adapt(result):
                break
        if result.code == 2 and not ("empty" in result.err or "exists" in result.err):  # an output that is complete is refused
            raise Fault(f"the same command again: {result.err}")
        self.compare()

    def compare(self) -> None:
        same(results(self.trial.folder), results(self.reference), "compared with an unbroken command")


class DownloadTarget(Target):
    """The download of a small data set from a server on this machine."""

    def __init__(self, trial: Trial) -> None:
        self.trial, self.operations, self.seconds = trial, 16, 0.4

    def ready(self) -> "download.Serving":  # type: ignore[override]
        server = download.Serving(self.trial.rng.choice(("whole", "without ranges", "flaky")))
        self.arguments = ["data", "get", "mnist", "--folder", "data", "--mirror", server.url, "-q"]
        return server

    def start(self, before: Callable[[], object] = lambda: None, kill_at: int = 0) -> Command:
        def both() -> None:
            download.small_mnist()
            before()

        return super().start(both, kill_at)

    def compare(self) -> None:
        found = {name: (self.trial.folder / name).read_bytes() for name in listing(self.trial.folder)}
        same(found, {f"data/mnist/{name}": content for name, content in download.FILES.items()}, "the downloaded files")


class CacheTarget(Target):
    """A run that fills the cache of decoded images."""

    environment = {"CONDENSATION_CACHE": "cache"}  # noqa: RUF012

    def __init__(self, trial: Trial) -> None:
        super().__init__(trial, "cached", recipes.read("pets"))

    def ready(self) -> "nullcontext[None]":
        write(self.trial.folder, image_files())
        return nullcontext()

    def compare(self) -> None:
        same(results(self.trial.folder / "out"), results(self.reference / "out"), "with a cache")
        files = [len([path for path in (folder / "cache").rglob("*") if path.is_file()]) for folder in (self.trial.folder, self.reference)]
        if files[0] != files[1]:
            raise Fault(f"{files[0]} files in the cache, expected {files[1]}")


def interrupt(trial: Trial, target: Target, kill_at: int = 0) -> None:
    """Interrupt the command at this file operation, or in a random way."""
    way = "operation" if kill_at else trial.rng.choice(("operation", "operation", "moment", "signal", "half a file"))
    kill_at = kill_at or trial.rng.randint(1, max(FIRST, target.operations))
    after = trial.rng.uniform(0, target.seconds)
    if way == "operation":
        doing, command, allowed = f"SIGKILL at file operation {kill_at}", target.start(kill_at=kill_at), (-signal.SIGKILL, 0, 2)
    elif way == "half a file":
        size = trial.rng.choice((0, 1, 100, 1000, 5000, 20000))
        doing, command = f"killed when a file exceeds {size} bytes", target.start(lambda: kill_above(size))
        allowed = (-signal.SIGXFSZ, 0, 2)
    else:
        number = signal.SIGKILL if way == "moment" else trial.rng.choice((signal.SIGINT, signal.SIGTERM))
        doing, command = f"{number.name} after {after:.2f} s", target.start()
        time.sleep(after)
        command.signal(number)
        allowed = (-number, 0, 2, 130)
    trial.doing += f", {doing}"
    result = command.result()
    check(result, "the interrupted command", allowed)
    wait_for_end(command)
    if result.code == 2 and not target.adapt(result) and not ("empty" in result.err or "exists" in result.err):
        raise Fault(f"the command after an interruption: {result.err}")


def kill_above(size: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def wait_for_end(command: Command) -> None:
    """Raise Fault if processes of an ended command live on."""
    until = time.monotonic() + AFTER_KILL
    while alive := command.alive():
        if time.monotonic() > until:
            raise Fault(f"{len(alive)} processes live on after their parent")
        time.sleep(0.02)


def on_a_full_disk(trial: Trial, target: Target) -> None:
    """Run the command on a disk that fills up, then on one with room."""
    needed = size_of(target.reference) if hasattr(target, "reference") else 1000
    kibibytes = trial.rng.randint(8, max(12, needed))
    trial.doing += f", on a disk of {kibibytes} KiB"
    try:
        with small_disk(trial.folder) as disk:
            with target.ready():
                disk.resize(kibibytes + size_of(trial.folder))
                result = target.start().result()
                check(result, "the command on a full disk")
                if result.code == 2 and not any(
                    word in result.err.lower() for word in ("space", "free", "room", "full", "could not be written")
                ):
                    raise Fault(f"the message does not name the full disk: {result.err}")
                disk.resize(ROOM)
                target.adapt(result)
                target.finish()
    except NoMounts:
        trial.doing += " (no mounts allowed: left out)"


def size_of(folder: Path) -> int:
    """Return the size of all files in KiB, in whole pages."""
    return sum(-(-path.stat().st_size // 4096) * 4 for path in folder.rglob("*") if path.is_file())
