"""What every test shares: one thread, since small tensors on many threads run about eight times slower; no cache but its own."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDENSATION_CACHE", "none")
