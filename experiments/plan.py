"""All experiments, in the order in which they are run.

Each is a settings file ``experiments/COMMAND/NAME.toml`` for ``condense COMMAND --config``; its result is ``results/COMMAND/NAME.json``.
"""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Those that answer an open question soonest come first.
CPU = (
    "table/fashion-mnist-50",
    "table/mnist-50",
    "table/cifar10-50",
    "table/cifar100",
    "run/cifar10-10-dsa",
    "run/cifar10-10-dc",
    "run/cifar100-50-dsa",
    "transfer/cifar10-bn",
    "run/cifar10-50-dsa-bn",
    "continual/cifar100-5-orders",
    "continual/cifar100-10-orders",
    "pools/cifar10-1-10",
    "nas/cifar10-36",
    "table/cifar10-generators",
    "run/kip-cifar10-10-conv",
    "run/gtn-mnist-500",
    "table/tiny20-50",
    "table/private-mnist",
    "table/private-fashion-mnist",
    "table/private-cifar10",
    "privacy/fashion-mnist",
    "federated/fashion-mnist-0.1",
    "federated/fashion-mnist-1",
    "federated/cifar10-0.1",
    "federated/cifar10-1",
    "table/cifar10",
    "table/cifar10-supplement",
    "table/fashion-mnist",
    "table/fashion-mnist-supplement",
    "continual/cifar100-5-steps",
    "continual/cifar100-10-steps",
    "continual/digits",
    "continual/fashion-mnist",
    "continual/mnist",
    "nas/digits-16px-720",
    "nas/digits-600",
    "nas/fashion-mnist-36",
    "pools/cifar10",
    "theory/fashion-mini",
)
# The settings of the papers, which need a GPU.
GPU = (
    "table/gpu-cifar10",
    "table/gpu-fashion-mnist",
    "table/gpu-mnist",
    "table/gpu-cifar100",
    "transfer/gpu-cifar10-bn",
    "continual/gpu-cifar100-5",
    "continual/gpu-cifar100-10",
    "pools/gpu-cifar10",
    "nas/gpu-cifar10",
    "run/gpu-gtn-mnist",
)


@dataclass(frozen=True)
class Experiment:
    """A settings file, its folder and its result."""

    name: str  # COMMAND/NAME

    @property
    def command(self) -> str:
        """Command that runs it: ``run``, or the name of a study."""
        return self.name.partition("/")[0]

    @property
    def settings(self) -> Path:
        """Settings file."""
        return ROOT / "experiments" / f"{self.name}.toml"

    @property
    def folder(self) -> Path:
        """Folder of the run or study, which is not kept with the source code."""
        return ROOT / "runs" / "experiments" / self.name

    @property
    def result(self) -> Path:
        """File with the result."""
        return ROOT / "results" / f"{self.name}.json"

    @property
    def arguments(self) -> list[str]:
        """Arguments of `condense`, from the root of the repository."""
        paths = (path.relative_to(ROOT).as_posix() for path in (self.settings, self.folder))
        return [self.command, "--config", next(paths), "--out", next(paths)]
