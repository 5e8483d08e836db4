"""Noise of the Gaussian mechanism for a privacy budget, by the accountants of dp-accounting."""

from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

from condensation.core.errors import CondensationError, MissingExtra

STEP, TRIES = 1.0002, 500  # factor by which the noise grows until the accountant agrees, and how often


@dataclass(frozen=True)
class Accounting:
    """Noise of some Gaussian releases together, and what they cost."""

    noise_multiplier: float
    """Standard deviation of the noise of each release, as a multiple of its sensitivity."""
    epsilon_pld: float
    """Epsilon by the privacy loss distribution, an upper bound."""
    epsilon_rdp: float
    """Epsilon by Renyi differential privacy, a looser upper bound."""
    accountant: str
    """Name and version of the accountant."""


@cache
def account(epsilon: float, delta: float, releases: int) -> Accounting:
    """Return the noise with which ``releases`` Gaussian releases together are (``epsilon``, ``delta``) differentially private.

    One image, added or removed, moves each release by at most its sensitivity, so together they are one Gaussian mechanism whose
    noise is smaller by sqrt(releases). The noise is that of the analytic Gaussian mechanism (Balle & Wang, ICML 2018), raised where
    the privacy loss distribution (PLD) asks for more. Raise MissingExtra without dp-accounting, and CondensationError if no
    noise was found.
    """
    accounting = _dp_accounting()
    multiplier = float(accounting.get_sigma_gaussian(epsilon, delta)) * releases**0.5
    for _ in range(TRIES):
        reached = spent(multiplier, delta, releases)
        if reached <= epsilon:
            name = f"PLD (dp-accounting {version('dp-accounting')})"
            return Accounting(multiplier, reached, spent(multiplier, delta, releases, "rdp"), name)
        multiplier *= STEP
    message = f"dp-accounting finds no noise for epsilon {epsilon:g} and delta {delta:g}."
    raise CondensationError(message, hint="Use a larger epsilon or a larger delta.", setting="method.privacy.epsilon")


def spent(noise_multiplier: float, delta: float, releases: int, accountant: str = "pld") -> float:
    """Return the epsilon of ``releases`` Gaussian releases by the accountant ``pld`` or ``rdp``, for adding or removing one image."""
    accounting = _dp_accounting()
    kind = accounting.pld.PLDAccountant if accountant == "pld" else accounting.rdp.RdpAccountant
    used = kind(neighboring_relation=accounting.NeighboringRelation.ADD_OR_REMOVE_ONE)
    used.compose(accounting.GaussianDpEvent(noise_multiplier), releases)
    return float(used.get_epsilon(delta))


def _dp_accounting() -> Any:
    try:
        import dp_accounting
        import dp_accounting.pld
        import dp_accounting.rdp
    except ImportError as error:
        raise MissingExtra("Differential privacy", "privacy") from error
    return dp_accounting
