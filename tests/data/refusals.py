"""Errors that calls raise."""

import pytest

from condensation.core.errors import CondensationError


def refusal(call, *arguments, **settings) -> CondensationError:
    """Return the error that the call raises."""
    with pytest.raises(CondensationError) as refused:
        call(*arguments, **settings)
    return refused.value
