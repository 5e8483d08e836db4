"""Choice of the training part and the test part of a data set by their names."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from condensation.core.errors import CondensationError, unknown
from condensation.core.text import joined
from condensation.data.dataset import ReadOptions

TRAIN_NAMES = ("train", "training")
# In the order in which the test split is chosen.
TEST_NAMES = ("test", "testing", "val", "valid", "validation", "dev", "eval", "evaluation")
NAME_IT = "Name it: data.train=NAME."
_CONTENT = "set|data|dataset|images?|imgs?|split|part"
_PART = re.compile(rf"(?:(?:{_CONTENT})[ _-])?({'|'.join(TRAIN_NAMES + TEST_NAMES)})[ _-]?(?:{_CONTENT})?[ _-]?(?:(?:19|20)\d\d)?")


@dataclass(frozen=True)
class Parts:
    """Names of the parts of a data set."""

    origin: str  # for messages
    train: str
    tests: tuple[str, ...] = ()  # possible test parts, the preferred one first
    others: tuple[str, ...] = ()
    test_is_named: bool = False  # by the user

    def choose_test(self, unlabelled: Sequence[str] = ()) -> tuple[str | None, str]:
        """Return the first labelled test part, and sentences for the user. Raise CondensationError if the user named an unlabelled one."""
        labelled = [name for name in self.tests if name not in unlabelled]
        test = next(iter(labelled), None)
        if self.test_is_named and test is None:
            message, hint = f"The part {self.tests[0]} of {self.origin} has no labels.", "Name another part, or leave out data.test."
            raise CondensationError(message, hint=hint, setting="data.test")
        several = f"Found the splits {' and '.join(labelled)}; {test} is the test split." if len(labelled) > 1 else ""
        without = f"There are no labelled images in {' and '.join(unlabelled)}." if unlabelled else ""
        taken = f"The test split is {test}." if unlabelled and len(labelled) == 1 else ""
        unread = f"Parts that were not read: {', '.join(self.others)}." if self.others else ""
        return test, joined(without, several, taken, unread)


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
            raise _no_training_part(present, origin)
        train = others[0]
    if train is None:
        return None
    if train == test:
        message = f"{train!r} of {origin} cannot be both the training part and the test part."
        raise CondensationError(message, hint="Leave out data.test to hold out a fifth of the images.", setting="data.test")
    tests = (test,) if test else tuple(name for kind in TEST_NAMES for name in present if kinds[name] == kind and name != train)
    return Parts(origin, train, tests, tuple(name for name in present if name not in (train, *tests)), test is not None)


def require_parts(names: Iterable[str], options: ReadOptions, origin: str, *, alone: bool = False, hint: str = NAME_IT) -> Parts:
    """Return `choose_parts`, or a single part if ``alone``. Raise CondensationError with ``hint`` if no training part is known."""
    present = tuple(dict.fromkeys(names))
    if parts := choose_parts(present, options, origin):
        return parts
    if alone and len(present) == 1:
        return Parts(origin, present[0])
    raise _no_training_part(present, origin, hint)


def _no_training_part(present: Sequence[str], origin: str, hint: str = NAME_IT) -> CondensationError:
    message = f"No part of {origin} is known as the training part; it has {', '.join(present)}."
    return CondensationError(message, hint=hint, setting="data.train")


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
