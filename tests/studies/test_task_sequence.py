import numpy as np
import pytest
import torch

from condensation.core.errors import CondensationError
from condensation.core.images import ImageSet
from condensation.core.preprocessing import Identity
from condensation.data.load import from_arrays, load
from condensation.studies.continual.task_sequence import ClassIncremental, TaskIncremental, class_order


def pixels(count, shape, value=None):
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (count, *shape), dtype=np.uint8) if value is None else np.full((count, *shape), value, np.uint8)


def data(names, shape=(8, 8), name="some", flip_invariant=True):
    labels = np.repeat(np.arange(len(names)), 3)
    images = pixels(len(labels), shape)
    return from_arrays(images, labels, images, labels, class_names=names, name=name, flip_invariant=flip_invariant)


def by_class(steps, names="abcdef"):
    return ClassIncremental(data(list(names)), {"source": "some"}, steps)


def by_task(*parts):
    return TaskIncremental(parts, [{"source": entry.name} for entry in parts])


@pytest.mark.parametrize(
    ("seed", "first"),
    [(0, [26, 86, 2, 55, 75]), (1, [80, 84, 33, 81]), (2, [83, 30, 56, 24]), (3, [93, 67, 6, 64]), (4, [20, 10, 96, 16])],
)
def test_the_orders_of_100_classes_are_the_published_ones(seed, first):
    order = class_order(100, seed)
    assert order[: len(first)] == first
    assert sorted(order) == list(range(100))


def test_order_leaves_the_global_numpy_stream_unchanged():
    before = np.random.get_state()[1].copy()
    class_order(100, 3)
    assert np.array_equal(before, np.random.get_state()[1])


@pytest.mark.parametrize(("steps", "sizes"), [(1, [6]), (2, [3, 3]), (3, [2, 2, 2])])
def test_each_class_comes_once(steps, sizes):
    course = by_class(steps)
    groups = [course.learned(1, step) for step in range(steps)]
    assert [len(group) for group in groups] == sizes
    assert sorted(name for group in groups for name in group) == list("abcdef")


def test_first_steps_take_the_remaining_classes():
    course = by_class(3, "abcdefgh")
    assert [len(course.learned(0, step)) for step in range(3)] == [3, 3, 2]


def test_step_with_a_single_class_raises():
    with pytest.raises(CondensationError) as error:
        by_class(4)
    assert error.value.setting == "steps"


def test_new_data_hold_only_new_classes_with_the_same_labels_and_preprocessing():
    course = by_class(3)
    new = course.new(2, 1)
    assert new.train.classes == new.test.classes == tuple(sorted(course.labels(2, 1)))
    assert new.train.class_names == course.dataset.train.class_names
    assert new.train.preprocessing == course.dataset.train.preprocessing
    assert course.settings(2, 1) == {"source": "some", "classes": course.learned(2, 1)}


def test_tests_cover_exactly_the_classes_seen():
    course = by_class(3)
    for step in range(3):
        ((name, test),) = course.tests(0, step)
        assert name == "some"
        assert set(test.classes) == {label for earlier in range(step + 1) for label in course.labels(0, earlier)}


def test_the_memory_grows_by_the_classes_of_each_step():
    course = by_class(3)
    whole = course.dataset.train
    for step in range(3):
        memory = course.joined(0, [whole] * (step + 1))  # what is not of a step is left out
        assert memory.counts == dict.fromkeys(course.tests(0, step)[0][1].classes, 3)
    assert torch.equal(memory.images, whole.images)


def test_classes_of_one_name_share_a_label():
    course = by_task(data(list("abc"), name="one"), data(list("cd"), name="two"))
    assert course.class_names == ("a", "b", "c", "d")
    (_, first), (_, second) = course.tests(0, 1)
    assert first.labels.tolist() == [0] * 3 + [1] * 3 + [2] * 3
    assert second.labels.tolist() == [2] * 3 + [3] * 3
    assert course.joined(0, [entry.train for entry in course.data]).counts == {0: 3, 1: 3, 2: 6, 3: 3}


def test_each_data_set_is_normalised_by_its_own_training_images():
    entry, two = data(list("ab"), name="one"), data(list("ab"), name="two")
    two = from_arrays(pixels(6, (8, 8)) // 2, np.repeat([0, 1], 3), pixels(6, (8, 8)) // 2, np.repeat([0, 1], 3), class_names=list("ab"))
    memory = by_task(entry, two).joined(0, [entry.train])
    assert memory.preprocessing == Identity()
    assert torch.equal(memory.images, entry.train.inputs())
    ((_, _), (_, test)) = by_task(entry, two).tests(0, 1)
    torch.testing.assert_close(test.images, two.test.inputs())


def test_grey_images_get_three_channels_where_others_have_colours():
    grey, colour = data(list("ab"), name="grey"), data(list("ab"), (8, 8, 3), name="colour")
    course = by_task(grey, colour)
    (_, first), (_, second) = course.tests(0, 1)
    assert first.shape == second.shape == course.common().train.shape == (3, 8, 8)
    assert torch.equal(first.images, grey.test.inputs().expand(-1, 3, -1, -1))
    assert course.new(0, 0) is grey  # condensed as it is


def test_one_data_set_of_digits_rules_out_flips_for_all():
    course = by_task(data(list("ab"), name="one"), data(list("ab"), name="digits", flip_invariant=False))
    assert not course.joined(0, [course.data[0].train]).flip_invariant


def test_data_sets_of_several_sizes_raise():
    with pytest.raises(CondensationError) as error:
        by_task(data(list("ab"), name="one"), data(list("ab"), (9, 9), name="two"))
    assert error.value.setting == "data.size"


def test_some_classes_of_a_data_set():
    some = load("digits").only(["3", "1"])
    assert isinstance(some.train, ImageSet)
    assert some.train.classes == some.test.classes == (1, 3)
    assert some.train.num_classes == 10
    with pytest.raises(CondensationError) as error:
        load("digits").only(["three"])
    assert "'three'" in error.value.message
