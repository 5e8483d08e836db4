"""What every test shares: one thread, since small tensors on many threads run about eight times slower; no data or cache of the person."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def no_data_of_the_person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Whoever runs the tests may have got data sets, which `load` would find, and has a cache of images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("user")))
        patch.setenv("CONDENSATION_CACHE", "none")
        yield
