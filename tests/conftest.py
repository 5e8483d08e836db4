"""What every test shares: one thread, since small tensors on many threads run about eight times slower."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)
