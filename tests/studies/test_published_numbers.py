import pytest

from condensation.data.catalogue import DATASETS
from condensation.methods.registry import METHODS
from condensation.studies.published_numbers import (
    _content,
    columns,
    continual_protocol,
    note,
    published,
    published_continual,
    published_whole,
    sources,
)

NUMBERS = [(data, ipc) for data, of_data in _content()["numbers"].items() for ipc in of_data]


@pytest.mark.parametrize(("data", "ipc"), NUMBERS)
def test_every_number_has_a_source_a_column_and_a_data_set(data, ipc):
    assert data in DATASETS
    result = published(data, int(ipc))
    assert result
    assert result.keys() <= columns().keys()
    for number in result.values():
        assert number.source in sources()
        assert 0 < number.mean < 100
        assert number.deviation is None or 0 <= number.deviation < 10


def test_well_known_numbers():
    assert str(published("cifar10", 10)["dm"]) == "48.9 ± 0.6"
    assert str(published("cifar10", 50)["random"]) == "43.4 ± 1.0"
    assert str(published_whole("cifar10")) == "84.8 ± 0.1"


def test_unverified_numbers_have_a_question_mark():
    assert str(published("mnist", 1)["random"]) == "64.9 ± 3.5?"


def test_continual_learning_is_published_after_5_and_10_steps():
    for steps, expected in ((5, {"random": 24.8, "herding": 28.1, "dsa": 31.7, "dm": 34.4}), (10, {"random": 24.8, "herding": 27.4})):
        result = published_continual("cifar100", 20, steps)
        assert expected.items() <= {method: number.mean for method, number in result.items()}.items()
        assert result.keys() <= METHODS.keys()
        assert all(number.source in sources() for number in result.values())
    assert published_continual("cifar100", 10, 5) == published_continual("digits", 20, 5) == {}
    assert (continual_protocol().orders, continual_protocol().networks) == (5, 3)


def test_other_data_sets_have_no_published_numbers():
    assert published("fashion-mini", 1) == {}
    assert published("path/to/mine", 1) == {}
    assert published_whole("digits") is None
    assert note("digits") == ""


def test_random_is_published_with_and_without_augmentation():
    assert [column.augmented for column in columns().values() if column.method["name"] == "random"] == [False, True]


def test_methods_that_are_here_have_their_column():
    assert {"random", "dm"} <= {column.method["name"] for column in columns().values()} & METHODS.keys()
