"""Settings of a run."""

from collections.abc import Collection
from dataclasses import dataclass

from condensation.core.compute import Compute
from condensation.core.errors import CondensationError, require
from condensation.core.images import ImageSet
from condensation.core.ipc import SmallClasses, images_per_class
from condensation.data.dataset import parse_size
from condensation.data.settings import DataSettings
from condensation.evaluation.compare import EvaluationSettings
from condensation.evaluation.evaluate import check_type
from condensation.methods.base import Method
from condensation.methods.dm import DM
from condensation.methods.privacy import FIXED, fitted_error
from condensation.methods.registry import METHODS, method_title


@dataclass(frozen=True)
class RunSettings:
    """Settings that determine a run.

    >>> from condensation import DM, DataSettings, RunSettings
    >>> RunSettings(DataSettings("digits"), DM(steps=100), ipc=1).method.steps
    100
    """

    data: DataSettings = DataSettings()
    """Data set to condense."""
    method: Method = DM()
    """Condensation method: a name that `condense methods` lists, or its settings."""
    ipc: int | dict[str, int] = 10
    """Images per class, at least 1: one number, or a number for each class name."""
    small_classes: SmallClasses = "error"
    """If a class has fewer than ipc training images: ``error`` raises, ``all`` uses all of them."""
    seed: int = 0
    """Seed of all random numbers."""
    baseline: bool = True
    """Also evaluate as many random real images, for comparison; not with privacy."""
    curve: int = 0
    """Intermediate sets, at equal distances of steps, that are kept and evaluated too, for a learning curve; 0: none."""
    evaluation: EvaluationSettings = EvaluationSettings()
    """Evaluation of the set."""
    show_real: bool = True
    """Show real images in the picture and the report of the run; not with privacy."""
    compute: Compute = Compute()
    """Device, precision and memory use; may change when the run is resumed."""

    def __post_init__(self) -> None:
        for name, kind in (("data", DataSettings), ("method", Method), ("evaluation", EvaluationSettings), ("compute", Compute)):
            check_type(getattr(self, name), kind, name)
        require(self, "", ("curve",), lambda value: 0 <= value <= 100, "from 0 to 100")
        require(self, "", ("ipc",), lambda value: not isinstance(value, int) or value >= 1, "at least 1")
        if self.method.set_form and (size := parse_size(self.data.size)):
            self.method.set_form.check_size(*size)  # before any image is read
        if self.method.is_private:
            if self.data.preprocessing not in FIXED:
                raise fitted_error()
            for name in ("baseline", "show_real"):  # they would show real images, or tell how accurate networks are that saw some
                object.__setattr__(self, name, False)
        for class_name, count in self.ipc.items() if isinstance(self.ipc, dict) else ():
            if count < 1:
                raise CondensationError(f"Expected ipc.{class_name} of at least 1, got {count}.", setting=f"ipc.{class_name}")

    def ipc_of(self, real: ImageSet) -> dict[int, int]:
        """Return the ipc of each label of ``real``. Raise CondensationError if a class is unknown or has too few images."""
        if isinstance(self.ipc, int):
            return images_per_class(real, self.ipc, self.small_classes, bounded=not self.method.is_private)
        for name in self.ipc:
            if name not in real.class_names:
                known = ", ".join(real.class_names)
                raise CondensationError(f"Expected ipc to name classes of {known}; got {name!r}.", setting=f"ipc.{name}")
        ipc = {real.class_names.index(name): count for name, count in self.ipc.items()}
        return images_per_class(real, ipc, self.small_classes, bounded=not self.method.is_private)


def describe(settings: RunSettings) -> str:
    """Return a short description of the set that ``settings`` ask for."""
    return describe_set(title_of_method(settings.method), [settings.ipc] if isinstance(settings.ipc, int) else [], settings.method.steps)


def title_of_method(method: Method) -> str:
    """Return the proper name of a method, or the name of the user's class."""
    return method_title(next((name for name, kind in METHODS.items() if kind is type(method)), type(method).__name__))


def describe_set(method: str, counts: Collection[int], steps: int) -> str:
    """Return ``DM, 10 images per class, 1,000 steps``, or ``5 to 10 images per class`` if the ``counts`` of the classes differ."""
    numbers = " to ".join(f"{count:,}" for count in sorted({min(counts), max(counts)})) if counts else "different numbers of"
    images = "1 image" if numbers == "1" else f"{numbers} images"
    return f"{method}, {images} per class" + (f", {steps:,} steps" if steps else "")
