import pytest
import torch

from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.ipc import images_per_class, small_classes_note
from condensation.core.preprocessing import Identity, Standardize
from condensation.core.rng import Rng


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
    with pytest.raises(CondensationError, match="no image of class 1"):
        part.select([1])


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
    ("other", "message"),
    [
        (ImageSet.of(torch.zeros(2, 1, 2, 2, dtype=torch.uint8), torch.tensor([0, 1])), "like images"),
        (ImageSet.of(torch.zeros(2, 1, 1, 1), torch.tensor([0, 1])), "like images"),
        (numbered([0, 1], class_names=("a", "b")), "same classes"),
        (numbered([0, 1], preprocessing=Standardize(torch.zeros(1), torch.ones(1))), "same preprocessing"),
    ],
)
def test_unlike_sets_are_not_joined(other, message):
    with pytest.raises(CondensationError, match=message):
        numbered([0, 1]).concat(other)


@pytest.mark.parametrize(
    ("images", "labels", "names", "message"),
    [
        (torch.zeros(2, 3, 3), torch.zeros(2, dtype=torch.int64), None, "must be"),
        (torch.zeros(2, 1, 3, 3), torch.zeros(3, dtype=torch.int64), None, "don't match"),
        (torch.zeros(2, 1, 3, 3), torch.zeros(2, 1, dtype=torch.int64), None, "don't match"),
        (torch.zeros(0, 1, 3, 3), torch.zeros(0, dtype=torch.int64), None, "no images"),
        (torch.zeros(2, 1, 3, 3), torch.zeros(2), None, "whole numbers"),
        (torch.zeros(2, 1, 3, 3), torch.tensor([0, -1]), None, "from -1"),
        (torch.zeros(2, 1, 3, 3), torch.tensor([0, 2]), ("a", "b"), "must lie in 0 to 1"),
    ],
)
def test_bad_sets(images, labels, names, message):
    with pytest.raises(CondensationError, match=message):
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
    ("real", "ipc", "message"),
    [
        (UNEVEN, 2, "class '1' has 1"),
        (UNEVEN, 0, "at least 1"),
        (UNEVEN, {0: 1, 1: 1}, "Asked for 0 images of class '2'"),
        (UNEVEN.select([2]), 1, "only one class, '2'"),
    ],
)
def test_what_cannot_be_given(real, ipc, message):
    with pytest.raises(CondensationError, match=message):
        images_per_class(real, ipc)


def test_moving_keeps_everything():
    moved = numbered([1, 0], flip_invariant=False, class_names=("a", "b")).to("cpu")
    assert (moved.flip_invariant, moved.class_names, moved.preprocessing) == (False, ("a", "b"), Identity())
    assert moved.device == torch.device("cpu")


def test_small_classes_give_all_they_have_and_it_is_said():
    real = numbered([0] * 3 + [1] * 12 + [2] * 7)
    with pytest.raises(CondensationError, match="leave that class out, or take all images of such classes: --smaller all"):
        images_per_class(real, 5)
    assert images_per_class(real, 5, "all") == {0: 3, 1: 5, 2: 5}
    assert images_per_class(real, {0: 9, 1: 1, 2: 7}, "all") == {0: 3, 1: 1, 2: 7}
    assert small_classes_note(real, {0: 3, 1: 5, 2: 5}) == "Of classes with fewer than 5 training images, all are taken: 0 3."
    assert small_classes_note(real, {0: 3, 1: 10, 2: 7}) == "Of classes with fewer than 10 training images, all are taken: 0 3, 2 7."
    assert small_classes_note(real, {0: 2, 1: 2, 2: 2}) == ""
    with pytest.raises(CondensationError, match="smaller is 'repeat'; it can be error or all"):
        images_per_class(real, 5, "repeat")
