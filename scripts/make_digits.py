"""Make the bundled digits from scikit-learn's copy: ``python scripts/make_digits.py``.

Values 0 to 16 become 0 to 255; a fifth of each class, chosen at random with a fixed seed, becomes the test split.
"""

import argparse

import numpy as np
from sklearn.datasets import load_digits

from condensation.core.rng import Rng
from condensation.data.catalogue import DIGITS
from condensation.data.formats.bundled import BUNDLED_FOLDER

LARGEST = 16


def main() -> None:
    """Write both files."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    digits = load_digits()
    images = np.round(digits.images * 255 / LARGEST).astype(np.uint8)
    labels = digits.target.astype(np.int64)
    test = np.zeros(len(labels), dtype=bool)
    for label in range(10):
        indices = np.flatnonzero(labels == label)
        order = Rng(0).child("digits", "test", label).permutation(len(indices)).numpy()
        test[indices[order[: round(len(indices) / 5)]]] = True
    folder = BUNDLED_FOLDER / "digits"
    folder.mkdir(parents=True, exist_ok=True)
    for name, chosen in (("train", ~test), ("test", test)):
        np.savez_compressed(folder / f"{name}.npz", images=images[chosen], labels=labels[chosen], class_names=np.array(DIGITS))
        print(name, int(chosen.sum()))


if __name__ == "__main__":
    main()
