import hashlib
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.ipc import images_per_class, small_classes_note
from condensation.core.preprocessing import Identity, Standardize
from condensation.core.rng import Rng
from condensation.data.dataset import Data
from condensation.data.load import from_arrays


def numbered(labels, **settings):
    """Images whose one pixel is their place in the input."""
    return ImageSet.of(torch.arange(len(labels), dtype=torch.uint8).view(-1, 1, 1, 1), torch.tensor(labels), **settings)


def places(images):
    return images.images.flatten().tolist()


UNEVEN = numbered([2, 0, 2, 1, 0, 2, 2])


def test_sorted_by_class_and_stable():
    assert places(UNEVEN) == [1, 4, 3, 0, 2, 5, 6]
    assert UNEVEN.labels.tolist() == [0, 0, 1, 2, 2, 2, 2]


def test_what_it_knows_of_itself():
    assert UNEVEN.counts == {0: 2, 1: 1, 2: 4}
    assert UNEVEN.starts == {0: 0, 1: 2, 2: 3}
    assert UNEVEN.class_index.tolist() == UNEVEN.labels.tolist()
    assert (len(UNEVEN), UNEVEN.shape, UNEVEN.num_classes) == (7, (1, 1, 1), 3)
    assert UNEVEN.class_names == ("0", "1", "2")


def test_selected_classes_keep_their_labels():
    part = UNEVEN.select([2, 0])
    assert part.classes == (0, 2)
    assert part.num_classes == 3
    assert part.class_index.tolist() == [0, 0, 1, 1, 1, 1]
    assert places(part) == [1, 4, 0, 2, 5, 6]
    assert places(UNEVEN.select(torch.tensor([1]))) == [3]
    assert places(UNEVEN.select({1})) == [3]


@pytest.mark.parametrize("classes", [[1], [0, 9], 0, "0", None, ["0"]])
def test_select_refuses_what_are_no_labels_of_the_set(classes):
    with pytest.raises(CondensationError) as caught:
        UNEVEN.select([0, 2]).select(classes)
    assert "\n" not in str(caught.value)


def test_draw_takes_different_images_of_each_class():
    draw = UNEVEN.draw(3, Rng(0))
    assert draw.class_index.tolist() == [0, 0, 1, 2, 2, 2]  # fewer where there are fewer
    assert torch.equal(UNEVEN.labels[draw.indices], draw.class_index)
    assert len(set(draw.indices.tolist())) == 6
    assert draw.classes == (0, 1, 2)


def test_draw_may_ask_each_class_for_its_own_number():
    assert UNEVEN.draw({0: 1, 1: 1, 2: 2}, Rng(0)).class_index.tolist() == [0, 1, 2, 2]


@pytest.mark.parametrize("label", [0, 1, 2])
def test_draw_depends_on_the_label_alone(label):
    labels = [place % 3 for place in range(60)]
    whole = numbered(labels)
    alone = whole.select([label])
    for rng in (Rng(0), Rng(1).child("step", 5)):
        of_whole = whole.draw(4, rng)
        chosen = whole.images[of_whole.indices[of_whole.class_index == label]]
        assert torch.equal(chosen, alone.images[alone.draw(4, rng).indices])


def test_concat_joins_and_sorts():
    joined = numbered([1, 0]).concat(numbered([0, 1]))
    assert joined.counts == {0: 2, 1: 2}
    assert places(joined) == [1, 0, 0, 1]


@pytest.mark.parametrize(
    ("other", "part"),
    [
        (ImageSet.of(torch.zeros(2, 1, 2, 2, dtype=torch.uint8), torch.tensor([0, 1])), "(1, 2, 2)"),
        (ImageSet.of(torch.zeros(2, 1, 1, 1), torch.tensor([0, 1])), "torch.float32"),
        (numbered([0, 1], class_names=("a", "b")), "classes"),
        (numbered([0, 1], preprocessing=Standardize(torch.zeros(1), torch.ones(1))), "preprocessing"),
        (torch.zeros(2, 1, 1, 1), "ImageSet"),
    ],
)
def test_sets_that_differ_are_not_joined(other, part):
    with pytest.raises(CondensationError, match=re.escape(part)):
        numbered([0, 1]).concat(other)


@pytest.mark.parametrize(
    ("images", "labels", "names", "message"),
    [
        (torch.zeros(2, 3, 3), torch.zeros(2, dtype=torch.int64), None, "(2, 3, 3)"),
        (torch.zeros(2, 1, 3, 3), torch.zeros(3, dtype=torch.int64), None, "2 images, got labels of shape (3,)"),
        (torch.zeros(2, 1, 3, 3), torch.zeros(2, 1, dtype=torch.int64), None, "2 images, got labels of shape (2, 1)"),
        (torch.zeros(0, 1, 3, 3), torch.zeros(0, dtype=torch.int64), None, "none"),
        (torch.zeros(2, 1, 3, 3), torch.zeros(2), None, "torch.float32"),
        (torch.zeros(2, 1, 3, 3), torch.tensor([0, -1]), None, "0..0, got -1"),
        (torch.zeros(2, 1, 3, 3), torch.tensor([0, 2]), ("a", "b"), "0..1, got 2"),
        (torch.zeros(2, 1, 3, 3), torch.tensor([0, 1]), "ab", "list of class names"),
        (np.zeros((2, 1, 3, 3)), torch.tensor([0, 1]), None, "numpy.ndarray"),
        (torch.zeros(2, 1, 3, 3), [0, 1], None, "tensor of labels"),
        (torch.zeros(2, 1, 3, 3), np.zeros(2, dtype=int), None, "torch.from_numpy"),
    ],
)
def test_bad_sets(images, labels, names, message):
    with pytest.raises(CondensationError, match=re.escape(message)):
        ImageSet.of(images, labels, names)


def test_bytes_are_preprocessed_and_floats_are_not():
    standardize = Standardize(torch.tensor([0.5]), torch.tensor([0.25]))
    stored = ImageSet.of(torch.full((2, 1, 2, 2), 255, dtype=torch.uint8), torch.tensor([0, 1]), preprocessing=standardize)
    torch.testing.assert_close(stored.inputs(torch.tensor([1])), torch.full((1, 1, 2, 2), 2.0))
    torch.testing.assert_close(stored.pictures(), torch.ones(2, 1, 2, 2))
    learned = ImageSet.of(torch.full((2, 1, 2, 2), 1.0), torch.tensor([0, 1]), preprocessing=standardize)
    torch.testing.assert_close(learned.inputs(), learned.images)
    torch.testing.assert_close(learned.pictures(), torch.full((2, 1, 2, 2), 0.75))


def test_fingerprints_see_every_pixel_and_label():
    changed = numbered([2, 0, 2, 1, 0, 2, 2])
    assert changed.fingerprint() == UNEVEN.fingerprint()
    changed.images[3] += 1
    assert changed.fingerprint() != UNEVEN.fingerprint()
    assert numbered([0, 1], class_names=("a", "b")).fingerprint() != numbered([0, 1]).fingerprint()


def test_images_per_class():
    assert images_per_class(UNEVEN, 1) == {0: 1, 1: 1, 2: 1}
    assert images_per_class(UNEVEN, {0: 2, 1: 1, 2: 4}) == {0: 2, 1: 1, 2: 4}
    assert images_per_class(UNEVEN.select([0, 2]), 2) == {0: 2, 2: 2}


@pytest.mark.parametrize(
    ("real", "ipc", "part"),
    [
        (UNEVEN, 2, "class '1'"),
        (UNEVEN, 0, "at least 1"),
        (UNEVEN, -3, "-3"),
        (UNEVEN, {0: 1, 1: 1}, "class '2'"),
        (UNEVEN, {0: 1, 1: 1, 2: 1, "cat": 1}, "'cat'"),
        (UNEVEN, {0: 1, 1: 1, 2: 1.5}, "for class '2', got 1.5"),
        (UNEVEN, "ten", "got 'ten'"),
        (UNEVEN, 2.5, "2.5"),
        (UNEVEN, 1.0, "1.0"),
        (UNEVEN, True, "True"),
        (UNEVEN, None, "None"),
        (UNEVEN, [1, 1, 1], "[1, 1, 1]"),
    ],
)
def test_impossible_ipc_is_refused(real, ipc, part):
    with pytest.raises(CondensationError, match=re.escape(part)) as caught:
        images_per_class(real, ipc)
    assert caught.value.setting == "ipc"


def test_ipc_may_be_an_integer_of_numpy():
    assert images_per_class(UNEVEN, np.int64(1)) == {0: 1, 1: 1, 2: 1}


@pytest.mark.parametrize(
    ("real", "hint"),
    [
        (Data("mine", numbered([0, 1]), numbered([0, 1])), "data.train"),
        (np.zeros((2, 1, 3, 3)), "ImageSet.of"),
        (torch.zeros(2, 1, 3, 3), "ImageSet.of"),
        ("cifar10", "ImageSet.of"),
    ],
)
def test_only_image_sets_are_condensed(real, hint):
    with pytest.raises(CondensationError) as caught:
        images_per_class(real, 1)
    assert hint in caught.value.hint


def test_a_single_class_is_refused():
    with pytest.raises(CondensationError, match="class, '2'"):
        images_per_class(UNEVEN.select([2]), 1)


def test_moving_keeps_everything():
    moved = numbered([1, 0], flip_invariant=False, class_names=("a", "b")).to("cpu")
    assert (moved.flip_invariant, moved.class_names, moved.preprocessing) == (False, ("a", "b"), Identity())
    assert moved.device == torch.device("cpu")


def test_small_classes_give_all_they_have_and_it_is_said():
    real = numbered([0] * 3 + [1] * 12 + [2] * 7)
    with pytest.raises(CondensationError) as caught:
        images_per_class(real, 5)
    assert caught.value.setting == "ipc"
    assert 'small_classes="all"' in caught.value.hint
    assert images_per_class(real, 5, "all") == {0: 3, 1: 5, 2: 5}
    assert images_per_class(real, {0: 9, 1: 1, 2: 7}, "all") == {0: 3, 1: 1, 2: 7}
    assert small_classes_note(real, {0: 3, 1: 5, 2: 5}) == "Classes with fewer than 5 training images use all of them: 0 3."
    assert small_classes_note(real, {0: 3, 1: 10, 2: 7}) == "Classes with fewer than 10 training images use all of them: 0 3, 2 7."
    assert small_classes_note(real, {0: 2, 1: 2, 2: 2}) == ""
    with pytest.raises(CondensationError) as caught:
        images_per_class(real, 5, "repeat")
    assert caught.value.setting == "small_classes"


def test_sorted_images_are_not_copied():
    pixels, labels = torch.zeros(4, 1, 2, 2, dtype=torch.uint8), torch.tensor([0, 0, 1, 2])
    assert ImageSet.of(pixels, labels).images.data_ptr() == pixels.data_ptr()
    assert ImageSet.of(pixels, labels.flip(0)).images.data_ptr() != pixels.data_ptr()


def test_a_fingerprint_is_computed_once_and_moves_with_the_images(monkeypatch):
    images = ImageSet.of(torch.zeros(4, 1, 2, 2, dtype=torch.uint8), torch.tensor([0, 0, 1, 1]))
    made = []
    original = hashlib.blake2b
    monkeypatch.setattr(hashlib, "blake2b", lambda **options: made.append(1) or original(**options))
    assert images.fingerprint() == images.to("cpu").fingerprint() == images.to("cpu").to("cpu").fingerprint()
    assert len(made) == 1
    assert images.select([0]).fingerprint() != images.fingerprint()


def test_select_takes_classes_in_the_order_of_their_labels():
    images = ImageSet.of(torch.arange(6.0).view(6, 1, 1, 1), torch.tensor([0, 0, 1, 1, 1, 3]), list("abcd"))
    assert images.select([3, 1, 3]).images.flatten().tolist() == [2, 3, 4, 5]
    assert images.select([]).images.shape == (0, 1, 1, 1)


def test_sets_that_cannot_be_joined_tell_what_differs():
    first, second = (from_arrays(np.full((10, 4, 4), 9 * value, np.uint8), np.repeat([0, 1], 5)).train for value in (1, 2))
    with pytest.raises(CondensationError) as raised:
        first.concat(second)
    assert "preprocessing=first.train.preprocessing" in raised.value.hint
    with pytest.raises(CondensationError) as raised:
        first.concat(replace(first, class_names=("a", "b")))
    assert "class_names" in raised.value.hint
