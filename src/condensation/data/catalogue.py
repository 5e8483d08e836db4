"""Catalogue of the data sets known by name: facts, licences and published constants."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DatasetInfo:
    """Facts about a data set, known before it is read."""

    title: str
    classes: int
    shape: tuple[int, int, int]  # channels, height, width
    train: int  # images
    test: int  # images
    licence: str
    origin: str
    class_names: tuple[str, ...] | None = None
    published: tuple[tuple[float, ...], tuple[float, ...]] | None = None  # mean and standard deviation per channel, from the papers
    bundled: bool = False  # included in the package

    @property
    def flip_invariant(self) -> bool:
        """True if mirroring does not change the label of an image."""
        return self.class_names != DIGITS


DIGITS = tuple("0123456789")
CLOTHES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

TINY_TITLE = "Tiny ImageNet; its validation split is the test split"
SVHN_LICENCE, SVHN_ORIGIN = "non-commercial use only", "ufldl.stanford.edu/housenumbers"
CIFAR_LICENCE = "none stated; its authors ask to be cited (Krizhevsky, 2009)"
MNIST_LICENCE = "none stated by its authors (LeCun, Cortes and Burges)"
IMAGENET_LICENCE = "the terms of ImageNet: non-commercial research and teaching"
CIFAR_ORIGIN = "www.cs.toronto.edu/~kriz/cifar.html"
DIGITS_ORIGIN = "the test split of Optical Recognition of Handwritten Digits (Alpaydin and Kaynak, UCI), as in scikit-learn"
FASHION_ORIGIN = "github.com/zalandoresearch/fashion-mnist; Debian and Ubuntu: apt install dataset-fashion-mnist"
MINI_ORIGIN = "github.com/zalandoresearch/fashion-mnist: 500 training and 200 test images per class, chosen at random"

MNIST_CONSTANTS = ((0.1307,), (0.3081,))
FASHION_CONSTANTS = ((0.2861,), (0.3530,))
SVHN_CONSTANTS = ((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970))
CIFAR10_CONSTANTS = ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
CIFAR100_CONSTANTS = ((0.5071, 0.4866, 0.4409), (0.2673, 0.2564, 0.2762))
IMAGENET_CONSTANTS = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

DATASETS: dict[str, DatasetInfo] = {
    "digits": DatasetInfo("Handwritten digits", 10, (1, 8, 8), 1438, 359, "CC BY 4.0", DIGITS_ORIGIN, DIGITS, bundled=True),
    "fashion-mini": DatasetInfo(
        "A stratified subset of Fashion-MNIST", 10, (1, 28, 28), 5000, 2000, "MIT", MINI_ORIGIN, CLOTHES, FASHION_CONSTANTS, bundled=True
    ),
    "fashion-mnist": DatasetInfo("Fashion-MNIST", 10, (1, 28, 28), 60_000, 10_000, "MIT", FASHION_ORIGIN, CLOTHES, FASHION_CONSTANTS),
    "mnist": DatasetInfo("MNIST", 10, (1, 28, 28), 60_000, 10_000, MNIST_LICENCE, "yann.lecun.org/exdb/mnist", DIGITS, MNIST_CONSTANTS),
    "svhn": DatasetInfo(
        "Street View House Numbers, cropped", 10, (3, 32, 32), 73_257, 26_032, SVHN_LICENCE, SVHN_ORIGIN, DIGITS, SVHN_CONSTANTS
    ),
    "cifar10": DatasetInfo("CIFAR-10", 10, (3, 32, 32), 50_000, 10_000, CIFAR_LICENCE, CIFAR_ORIGIN, CIFAR10, CIFAR10_CONSTANTS),
    "cifar100": DatasetInfo("CIFAR-100", 100, (3, 32, 32), 50_000, 10_000, CIFAR_LICENCE, CIFAR_ORIGIN, None, CIFAR100_CONSTANTS),
    "tiny-imagenet": DatasetInfo(
        TINY_TITLE, 200, (3, 64, 64), 100_000, 10_000, IMAGENET_LICENCE, "cs231n.stanford.edu (tiny-imagenet-200)", None, IMAGENET_CONSTANTS
    ),
}
"""Named data sets, by name: title, number of classes, image shape (c, h, w), sizes of the splits, licence and origin.

>>> from condensation import DATASETS
>>> DATASETS["digits"].shape
(1, 8, 8)
"""


def normalized_name(name: str) -> str:
    """Return ``name`` for comparison: ``FashionMNIST``, ``fashion_mnist`` and ``fashion-mnist`` are equal."""
    return name.lower().replace("-", "").replace("_", "").replace(" ", "")


def known_name(name: str) -> str | None:
    """Return the key in `DATASETS` that equals ``name`` after normalization, or None."""
    return next((key for key in DATASETS if normalized_name(key) == normalized_name(name)), None)
