"""Settings of a comparison of federated learning."""

from dataclasses import dataclass, replace
from typing import ClassVar

from condensation.core.errors import CondensationError, unknown
from condensation.evaluation.compare import EvaluationSettings
from condensation.runs.settings import RunSettings
from condensation.studies.settings import StudySettings, method_content, require_at_least
from condensation.training.train import Recipe

SETS, LOCAL, ARMS = "sets", "local", "arms"  # folders of the sets and networks of clients, and of the results
NAMES = ("condensed", "random", "near", "averaging-once", "averaging", "ensemble", "alone", "pooled")  # of `arms.ARMS`
LOCAL_RECIPE = Recipe(epochs=10, lr=0.01, lr_drop_epoch=10, batch=64, augmentation=None)


@dataclass(frozen=True)
class FederatedSettings(StudySettings):
    """Settings of a comparison of federated learning."""

    noun: ClassVar[str] = "study of federated learning"
    mark: ClassVar[str] = "clients"

    method: str | dict[str, object] = "dm"
    """Method by which clients condense: its name, or settings on top of those of the preset. By default, DM starts from noise."""
    clients: int = 10
    """Owners of images."""
    alpha: float = 0.1
    """Concentration of the Dirichlet distribution that divides each class, above 0; clients differ more the lower it is."""
    splits: int = 3
    """Divisions, each with its seed."""
    least: int = 10
    """Images that each client has at least."""
    ipc: int = 20
    """Images per class of the union; a client contributes in proportion to its images of the class, but at least one."""
    arms: tuple[str, ...] = NAMES
    """Arms to compare, names of `ARMS`."""
    local: Recipe = LOCAL_RECIPE
    """Training of the networks of clients, and of the network on all images."""
    rounds: int = 10
    """Rounds of federated averaging to the end."""
    round_epochs: int = 1
    """Epochs of each client in a round of federated averaging."""
    near_rounds: int = 3
    """Rounds of condensing near the server's network."""
    near_radius: float = 5.0
    """Distance from the server's network up to which clients match, above 0."""
    evaluation: EvaluationSettings = EvaluationSettings(networks=1)
    """Networks that the server trains on a union of sets."""

    def __post_init__(self) -> None:
        counts = ("splits", "least", "ipc", "rounds", "round_epochs", "near_rounds", "evaluation.networks")
        require_at_least(self, {"clients": 2, **dict.fromkeys(counts, 1)})
        for name in ("alpha", "near_radius"):
            if not getattr(self, name) > 0:
                raise CondensationError(f"{name} is {getattr(self, name):g}; it must be above 0.", setting=name)
        for arm in self.arms:
            if arm not in NAMES:
                raise unknown("arm", arm, NAMES, setting="arms")
        if "near" in self.arms and method_content(self.method).get("privacy"):
            problem = "The arm near condenses anew in each round, which one private release does not cover."
            raise CondensationError(problem, hint=without_near(self.arms), setting="arms")
        if not self.arms or len(set(self.arms)) < len(self.arms):
            raise CondensationError("arms names nothing, or one arm twice.", hint=f"Choose from: {', '.join(NAMES)}.", setting="arms")

    @property
    def method_settings(self) -> dict[str, object]:
        """Settings of the method; those of DM start from noise, because a set that starts from real images shows them."""
        content = method_content(self.method)
        return {"start": "noise", **content} if content["name"] == "dm" and "privacy" not in content else content

    def client_run(self, ipc: dict[int, int], names: tuple[str, ...], seed: int) -> RunSettings:
        """Return the run of one client with ``ipc`` images by label."""
        run = self.run_of(self.method_settings, self.ipc, seed)
        return replace(run, ipc={names[label]: count for label, count in ipc.items()}, show_real=False)


def without_near(arms: tuple[str, ...]) -> str:
    """Return the hint to leave out the arm near."""
    return f"Leave it out: arms {','.join(arm for arm in arms if arm != 'near')}."
