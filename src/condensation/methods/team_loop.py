"""The condensation loop of several processes, each with some of the classes; see `condensation.methods.loop`."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from condensation.core.checkpoint import Checkpoint
from condensation.core.class_plan import ClassPlan
from condensation.core.compute import Compute
from condensation.core.images import ImageSet
from condensation.core.progress import OnProgress
from condensation.core.rng import Rng
from condensation.core.team import Team
from condensation.methods.base import Method, State
from condensation.methods.generative import GeneratedImages, GenerativeMethod
from condensation.methods.shares import Shares
from condensation.methods.step_info import Diverged, Observer, StepInfo, Stopped, identity_of, require_divisible, require_sensible
from condensation.methods.synthetic import SyntheticImages

logger = logging.getLogger(__name__)

FLAGS = 4  # at the begin of what processes add up after each step: errors, requests to stop, numbers that are not finite, a due checkpoint


def condense_in_team(
    team: Team,
    method: Method,
    real: ImageSet,
    counts: dict[int, int],
    seed: int,
    compute: Compute,
    observers: Sequence[Observer],
    checkpoint: Checkpoint | None,
    on_training: OnProgress | None,
) -> ImageSet:
    """Condense the classes of this process, and return the images of all; see `condensation.methods.loop.condense`."""
    compute = replace(compute, device=team.device if compute.device in ("auto", "cuda") else compute.device).resolve()
    device, rng = real.device, Rng(seed)
    plan = _plan(team, method, real, counts, compute)
    prepared = _prepared(team, method, real, compute, on_training)
    identity = identity_of(method, prepared, real, counts, seed)
    settings = {"precision": compute.precision, "chunk": compute.chunk, "compilation": plan.compute.compile, "real": real.fingerprint()}
    digest = hashlib.blake2b(json.dumps(identity, sort_keys=True).encode(), digest_size=8).hexdigest()
    team.require_equal({**{f"{name} setting": value for name, value in settings.items()}, "digest of the settings": digest})
    shares = Shares(team, plan, counts)
    own = shares.labels(team.rank)
    some = real.select(own).to(compute.device) if own else None
    state: State | None = None
    with team.failing_together():
        if some is not None:
            of_own = {label: counts[label] for label in own}
            state = prepared.init_classes(some, of_own, rng.child("init"), plan.only(own))
    like = replace(real, form=method.set_form)
    run = _TeamRun(shares, method, prepared, state, some, like, identity, checkpoint, observers, rng)
    return run.run(real).to(device)


def _plan(team: Team, method: Method, real: ImageSet, counts: dict[int, int], compute: Compute) -> ClassPlan:
    """Return the plan of all classes. Raise CondensationError if the method, or its network, needs one process."""
    with team.failing_together():
        require_divisible(method)
        method.validate(real)
        plan = method.class_plan(real, counts, compute)
        assert plan is not None
        require_divisible(method, plan)
        plan = plan.synchronized_between(team.size)
        idle = team.size - len(plan.groups)
        if idle > 0 and team.leads:
            groups = f"the classes form {len(plan.groups)} groups that are computed together"
            logger.warning(
                f"{idle} of {team.size} processes have nothing to condense: {groups}. A smaller compute.chunk makes more groups."
            )
    return plan


def _prepared(team: Team, method: Method, real: ImageSet, compute: Compute, on_training: OnProgress | None) -> Method:
    """Return the method with its trained networks, which the first process makes and the others read from the cache."""
    if not (method.sampler and method.sampler.trains):
        with team.failing_together():
            return method.prepared(real, compute)
    prepared = method
    for first in (True, False):
        with team.failing_together():
            if team.leads is first:
                prepared = method.prepared(real.to(compute.device), compute, on_training if first else None)
    return prepared


@dataclass
class _TeamRun:
    """The steps of a run in one of its processes."""

    shares: Shares
    method: Method
    prepared: Method
    state: State | None  # None in a process without classes
    real: ImageSet | None  # images of the classes of this process
    like: ImageSet
    identity: dict[str, object]
    checkpoint: Checkpoint | None
    observers: Sequence[Observer]
    rng: Rng
    exchanges: int = 0  # of the current step until now
    failed: bool = False  # whether all processes raise the error of one, during a step

    def __post_init__(self) -> None:
        if self.state and self.shares.plan.exchanges:
            self.state.gathered = self._exchange

    def run(self, real: ImageSet) -> ImageSet:
        """Take all steps, from the checkpoint on, and return the images of all processes."""
        team, method, checkpoint = self.shares.team, self.method, self.checkpoint
        growing = f"method.{method.growing_setting}" if method.growing_setting else ""
        done = 0
        with team.failing_together():
            if checkpoint:
                done = checkpoint.restore(self.state, self.identity, growing, self.shares.rows_of_all(team.rank))
        team.require_equal({"step of the checkpoint": done})
        error: Exception | None = None
        stopped: Stopped | None = None
        stepped = False
        while True:
            # The only communication of most steps. What an observer asks for takes effect one step later, in all processes at once.
            stop, due, total = self._agree(done, error, stopped, stepped)
            loss = total if stepped else None
            stopped, error = self._observed(done, loss, stopped)
            if stop or done == method.steps:
                break
            if due:
                self._save(done)
            error = error or self._step(self.rng.child("step", done))
            done, stepped = done + 1, True
        stop, _, _ = self._agree(done, error, stopped, stepped=False)
        made = self.shares.gathered(self.state.source.snapshot() if self.state else None, self.like)
        with team.failing_together():
            require_sensible(made, real, done, checkpoint.saved_step if checkpoint else None, method)
        if checkpoint and method.steps:
            self._save(done)
        if stop:
            stopped = stopped or Stopped("stopped on request")
            stopped.step = done
            raise stopped
        return made

    def _agree(self, done: int, error: Exception | None, stopped: Stopped | None, stepped: bool) -> tuple[bool, bool, float]:
        """Return whether a process asks to stop, whether a checkpoint is due, and the loss of the last step, the same in all processes.

        Raise an error of any process in all of them, and Diverged if the numbers of one are not finite.
        """
        team, checkpoint = self.shares.team, self.checkpoint
        plan = self.shares.plan
        all_losses = torch.zeros(len(plan.groups), plan.exchanges + 1, dtype=torch.float64)
        losses = self.state.group_losses if self.state and stepped and error is None else None
        if losses is not None:
            all_losses[self.shares.groups[team.rank][: len(losses)]] = losses.view(len(losses), -1)
        finite = error is not None or self.state is None or (bool(all_losses.isfinite().all()) and self.state.source.is_finite())
        due = team.leads and checkpoint is not None and checkpoint.due()
        flags = torch.tensor([error is not None, stopped is not None, not finite, due], dtype=torch.float64)
        told = team.sum(torch.cat([flags, all_losses.flatten()]))
        errors, stops, broken, due_anywhere = (bool(flag) for flag in told[:FLAGS].tolist())
        if errors:
            team.raise_any(error)
        if broken:  # keep the last good state
            diverged = Diverged(done, checkpoint.saved_step if checkpoint else None, self.method)
            diverged.__dict__["reported"] = not team.leads
            raise diverged
        return stops, due_anywhere, float(plan.total(told[FLAGS:].view_as(all_losses)))

    def _observed(self, done: int, loss: float | None, stopped: Stopped | None) -> tuple[Stopped | None, Exception | None]:
        """Call the observers; return the request to stop and the error of the first that raises one."""
        state = self.state or State(
            SyntheticImages(replace(self.like, images=torch.zeros(0, *self.like.shape), labels=self.like.labels[:0]))
        )

        def gathered() -> ImageSet:
            return self.shares.gathered(self.state.source.snapshot() if self.state else None, self.like)

        try:
            for observer in self.observers:
                observer(StepInfo(done, self.method, loss, state, gathered, self._whole, self.shares.team.leads))
        except Stopped as stop:
            return stopped or stop, None
        except Exception as error:
            return stopped, error
        return stopped, None

    def _whole(self) -> SyntheticImages:
        """Return the images of all processes and, for a method that trains one per class, the generator."""
        method, like = self.method, self.like
        if not isinstance(method, GenerativeMethod):
            made = self.shares.gathered(self.state.source.snapshot() if self.state else None, like)
            return SyntheticImages(made)
        with torch.random.fork_rng(devices=[]):
            generator = method.build(like.shape, len(like.classes)).to(self.shares.plan.compute.dtype)
        own = self.state.source.generator.state_dict() if self.state and isinstance(self.state.source, GeneratedImages) else None
        generator.load_state_dict(self.shares.gathered_by_class(own, generator.state_dict()))
        return method.drawn(like.to("cpu"), self.shares.counts, generator, self.rng.child("init"), self.shares.plan.compute)

    def _step(self, rng: Rng) -> Exception | None:
        """Take a step; return its error, which all processes raise later, unless they wait for each other in the step."""
        self.exchanges = 0
        try:
            if self.state is None or self.real is None:
                for _ in range(self.shares.plan.exchanges):
                    self._exchange()
            else:
                self.prepared.step(self.state, self.real, rng)
        except Exception as error:
            if self.failed or self.shares.plan.synchronized:
                raise
            if self.exchanges < self.shares.plan.exchanges:  # the others wait in the next one
                self.shares.team.raise_any(error)
            return error
        return None

    def _exchange(self) -> ImageSet:
        """Return the current images of all processes, on the device; raise an error that one of them had since the last exchange."""
        self.exchanges += 1
        self.failed = True
        self.shares.team.raise_any(None)
        source = self.state.source if self.state else None
        images = self.shares.gathered(replace(source.template, images=source.images.detach()) if source else None, self.like)
        self.failed = False
        return images.to(source.images.device) if source else images

    def _save(self, done: int) -> None:
        """Save the state of all processes."""
        team, checkpoint, file = self.shares.team, self.checkpoint, ""
        assert checkpoint is not None
        with team.failing_together():
            file = checkpoint.save_part(self.state, done, self.identity, self.shares.rows(team.rank), team.rank)
        files = team.texts(file)
        with team.failing_together():
            if team.leads:
                checkpoint.save_manifest(done, files)
        checkpoint.saved(done)
