"""Fields of a set's card that the page of an export shows; other fields are ignored."""

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class DataEntry:
    """Entry of a card about the training data."""

    name: str = ""
    images: int | None = None


@dataclass(frozen=True)
class DataSettingsEntry:
    """Data settings on a card, as far as the page needs them."""

    size: int | str | None = None
    fit: Literal["crop", "pad"] = "crop"


@dataclass(frozen=True)
class SettingsEntry:
    """Settings on a card, as far as the page needs them."""

    data: DataSettingsEntry = DataSettingsEntry()
    method: dict[str, Any] = field(default_factory=dict)
    evaluation: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class EvaluationEntry:
    """Evaluation settings on a card, as far as the page needs them."""

    networks: int = 0
    network: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RecipeEntry:
    """Training recipe on a card; the page shows it as code."""

    epochs: int
    batch: int
    lr: float
    momentum: float
    weight_decay: float
    lr_drop_epoch: int | None
    augmentation: dict[str, Any] | str | None


@dataclass(frozen=True, kw_only=True)
class PrivacyEntry:
    """Guarantee of differential privacy on a card."""

    epsilon: float
    delta: float
    relation: str
    labels: str
    clip: float
    networks: int
    sigma: float
    accountant: str
    not_covered: tuple[str, ...]

    @property
    def guarantee(self) -> str:
        """The guarantee in one sentence."""
        return f"({self.epsilon:g}, {self.delta:g})-differential privacy of the training images ({self.relation}; {self.labels})"

    @property
    def mechanism(self) -> str:
        """The mechanism in one sentence."""
        noise = f"Gaussian noise of standard deviation {self.sigma:.4g} on class sums of embeddings clipped to {self.clip:g}"
        return f"{noise}, for {self.networks} random networks, added once; accounted by {self.accountant}"


@dataclass(frozen=True)
class OfficialEntry:
    """File of another project from which a set was imported."""

    file: str
    which: int


@dataclass(frozen=True)
class Card:
    """Fields of a card that the page shows."""

    data: DataEntry = DataEntry()
    settings: SettingsEntry = SettingsEntry()
    official: OfficialEntry | None = None
    note: str = ""
    scores: dict[str, Any] = field(default_factory=dict)
    views: dict[str, Any] | None = None
    privacy: PrivacyEntry | None = None
