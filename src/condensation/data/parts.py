"""Choice of the training part and the test part of a data set by their names."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from condensation.core.errors import CondensationError, unknown
from condensation.data.dataset import ReadOptions

TRAIN_NAMES = ("train", "training")
# In the order in which the test split is chosen.
TEST_NAMES = ("test", "testing", "val", "valid", "validation", "dev", "eval", "evaluation")
_CONTENT = "set|data|dataset|images?|imgs?|split|part"
_PART = re.compile(rf"(?:(?:{_CONTENT})[ _-])?({'|'.join(TRAIN_NAMES + TEST_NAMES)})[ _-]?(?:{_CONTENT})?[ _-]?(?:(?:19|20)\d\d)?")


@dataclass(frozen=True)
class Parts:
    """Names of the training part, of the possible test parts, the preferred one first, and of all others."""

    train: str
    tests: tuple[str, ...]
    others: tuple[str, ...]

    def note(self, test: str | None, unlabelled: Sequence[str] = ()) -> str:
        """Return the sentences for the user on a choice among several parts, on parts without labels and on those not read."""
        labelled = [name for name in self.tests if name not in unlabelled]
        several = f"Found the splits {' and '.join(labelled)}; {test} is the test split." if len(labelled) > 1 else ""
        without = f"There are no labelled images in {' and '.join(unlabelled)}." if unlabelled else ""
        taken = f"The test split is {test}." if unlabelled and len(labelled) == 1 else ""
        unread = f"Parts that were not read: {', '.join(self.others)}." if self.others else ""
        return " ".join(filter(None, (without, several, taken, unread)))


def part_kind(name: str) -> str | None:
    """Return the entry of `TRAIN_NAMES` or `TEST_NAMES` that ``name`` is a form of: ``train`` for ``Train_Set``; None for other names."""
    match = _PART.fullmatch(name.strip().casefold())
    return match[1] if match else None


def choose_parts(names: Iterable[str], options: ReadOptions, origin: str) -> Parts | None:
    """Return the parts among ``names`` that ``options`` name, else those with a known name; None if no training part is known.

    Raise CondensationError if a named part does not exist, or only the test part is named and the training part is not known.
    """
    present = tuple(dict.fromkeys(names))
    # In seg_train and seg_test, the common beginning says nothing.
    beginnings = {name[: len(name) - len(re.split("[ _-]", name)[-1])] for name in present}
    shared = beginnings.pop() if len(present) > 1 and len(beginnings) == 1 else ""
    kinds = {name: part_kind(name.removeprefix(shared)) for name in present}
    train, test = _named(present, options.train, "train", origin), _named(present, options.test, "test", origin)
    others = [name for name in present if name != test]
    if train is None:
        train = next((name for kind in TRAIN_NAMES for name in others if kinds[name] == kind), None)
    if train is None and test is not None:
        if len(others) != 1 or kinds[others[0]] in TEST_NAMES:
            message = f"No part of {origin} is known as the training part; it has {', '.join(present)}."
            raise CondensationError(message, hint="Name it: data.train=NAME.", setting="data.train")
        train = others[0]
    if train is None:
        return None
    if train == test:
        message = f"{train!r} of {origin} cannot be both the training part and the test part."
        raise CondensationError(message, hint="Leave out data.test to hold out a fifth of the images.", setting="data.test")
    tests = (test,) if test else tuple(name for kind in TEST_NAMES for name in present if kinds[name] == kind and name != train)
    return Parts(train, tests, tuple(name for name in present if name not in (train, *tests)))


def _named(present: Sequence[str], wanted: str | None, role: str, origin: str) -> str | None:
    """Return the name in ``present`` that ``wanted`` is: exactly, else in another case, form of Unicode or with other separators."""
    if wanted is None or wanted in present:
        return wanted
    same = [name for name in present if _plain(name) == _plain(wanted)]
    if len(same) == 1:
        return same[0]
    raise unknown(f"part of {origin} called", wanted, present, setting=f"data.{role}")


def _plain(name: str) -> str:
    return re.sub("[ _-]", "", unicodedata.normalize("NFC", name).casefold())
