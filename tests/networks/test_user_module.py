"""User modules of every kind, by name or as an object, with the embedding at any layer."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from condensation import (
    DM,
    Checkpoint,
    Compute,
    CondensationError,
    ConvNet,
    Fresh,
    ImageSet,
    Recipe,
    Rng,
    Stopped,
    UserModule,
    condense,
    evaluate,
)
from condensation.core.modules import draws_numbers, mixes_images
from condensation.training.stacked import can_be_stacked, model_cache
from tests.networks import user_nets
from tests.small import CPU, dm, images

SHAPE = (3, 12, 16)
HERE = "tests.networks.user_nets"
KINDS = {
    "plain": UserModule(f"{HERE}:plain"),
    "layer": UserModule(f"{HERE}:plain", layer="1"),
    "batch norm": UserModule(f"{HERE}:BatchNorm"),
    "dropout": UserModule(f"{HERE}:dropout"),
    "functional": UserModule(f"{HERE}:Functional"),
    "raw parameters": UserModule(f"{HERE}:Raw"),
    "transformer": UserModule(f"{HERE}:Patches"),
    "numpy": UserModule(f"{HERE}:by_numpy"),
    "float64": UserModule(f"{HERE}:double"),
    "lazy": UserModule(f"{HERE}:lazy"),
    "object": UserModule(user_nets.plain, options={"width": 4}),
    "made": UserModule(user_nets.made),
}
QUICK = ("plain", "batch norm", "dropout", "functional", "lazy")
COMPUTE = Compute(**CPU)  # type: ignore[arg-type]
RECIPE = Recipe(epochs=2)


@pytest.fixture(params=[pytest.param(spec, id=name, marks=[] if name in QUICK else pytest.mark.slow) for name, spec in KINDS.items()])
def spec(request: pytest.FixtureRequest) -> UserModule:
    chosen: UserModule = request.param
    return chosen


def state(module: nn.Module) -> list[Tensor]:
    return [value.clone() for value in (*module.parameters(), *module.buffers())]


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(map(torch.equal, one, other)) and len(one) == len(other)


def real(shape: tuple[int, int, int] = SHAPE) -> ImageSet:
    return images(shape=shape)


def method(spec: UserModule, **settings: object) -> DM:
    return dm(networks=Fresh(spec), **settings)


def error_message(spec: UserModule, shape: tuple[int, int, int] = SHAPE, classes: int = 3) -> str:
    with pytest.raises(CondensationError) as caught:
        spec.build(shape, classes, Rng(0))
    assert 1 <= len(str(caught.value).splitlines()) <= 3
    return str(caught.value)


# -- drawing


def test_redrawing_depends_on_the_stream_only(spec: UserModule) -> None:
    network = spec.build(SHAPE, 3, Rng(1))
    first = state(network)
    network(torch.randn(4, *SHAPE))  # statistics change
    torch.manual_seed(5), np.random.seed(5), random.seed(5)
    network.redraw(Rng(2))
    assert not same(state(network), first)
    network.redraw(Rng(1))
    assert same(state(network), first)
    assert same(state(spec.build(SHAPE, 3, Rng(1))), first)


def test_the_global_generators_do_not_change(spec: UserModule) -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # type: ignore[index]
    spec.build(SHAPE, 3, Rng(1)).redraw(Rng(2))
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # type: ignore[index]
    assert before[2] == random.getstate()


def test_redrawing_is_in_place(spec: UserModule) -> None:
    network = spec.build(SHAPE, 3, Rng(1))
    places = [value.data_ptr() for value in network.state_dict().values()]
    network.redraw(Rng(2))
    assert places == [value.data_ptr() for value in network.state_dict().values()]


def test_redrawing_gives_the_weights_of_the_function_under_the_seed() -> None:
    network = KINDS["plain"].build(SHAPE, 3, Rng(7))
    with Rng(7).globally():
        assert same(state(network), state(user_nets.plain(3, 3)))


def test_a_module_instance_is_not_changed() -> None:
    before = state(user_nets.made)
    condense(method(UserModule(user_nets.made)), real(), 1, compute=COMPUTE)
    assert same(before, state(user_nets.made))


def test_equal_weights_at_each_call_give_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        UserModule(user_nets.plain).build(SHAPE, 3, Rng(0))
        assert not caplog.records
        UserModule(user_nets.seeding).build(SHAPE, 3, Rng(0))
    assert [record.args for record in caplog.records] == [("tests.networks.user_nets:seeding",)]


# -- embedding


def test_embeddings_have_one_row_per_image_and_gradients(spec: UserModule) -> None:
    torch.manual_seed(0)  # dropout draws from the global generator, and may leave an image without a gradient
    network = spec.build(SHAPE, 3, Rng(1)).train()
    x = torch.randn(5, *SHAPE, requires_grad=True)
    embedding = network.embed(x)
    assert embedding.ndim == 2
    assert len(embedding) == 5
    embedding.square().sum().backward()
    assert x.grad is not None
    assert x.grad.flatten(1).any(1).all()
    assert network(x).shape == (5, 3)


def stack(image_shape: tuple[int, int, int], num_classes: int) -> nn.Module:
    return ConvNet(width=4, depth=2).layers(image_shape, num_classes)


class Bare(nn.Module):
    """A ConvNet without a method ``embed``."""

    def __init__(self, image_shape: tuple[int, int, int], num_classes: int) -> None:
        super().__init__()
        inner = ConvNet(width=4, depth=2).layers(image_shape, num_classes)
        self.features, self.classifier = inner.features, inner.classifier

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.features(images).flatten(1))


@pytest.mark.parametrize(
    "spec", [UserModule(Bare), UserModule(stack), UserModule(Bare, layer="features"), UserModule(Bare, layer="features.7")]
)
def test_the_embedding_equals_that_of_the_same_convnet(spec: UserModule) -> None:
    network = spec.build(SHAPE, 3, Rng(1)).train()
    ours = ConvNet(width=4, depth=2).build(SHAPE, 3, Rng(0))
    ours.load_state_dict({key.removeprefix("module."): value for key, value in network.state_dict().items()})
    one, other = torch.randn(4, *SHAPE).requires_grad_(), None
    other = one.detach().clone().requires_grad_()
    assert torch.equal(network.embed(one), ours.embed(other))
    assert torch.equal(network(one), ours(other))
    network.embed(one).square().sum().backward()
    ours.embed(other).square().sum().backward()
    assert one.grad is not None
    assert other.grad is not None
    assert torch.equal(one.grad, other.grad)


@pytest.mark.parametrize("layer", ["features.0", "features.3", "features.4", "classifier"])
def test_any_layer_can_give_the_embedding(layer: str) -> None:
    network = UserModule(Bare, layer).build(SHAPE, 3, Rng(1))
    x = torch.randn(2, *SHAPE)
    outputs: list[Tensor] = []
    network.get_submodule(f"module.{layer}").register_forward_hook(lambda *passed: outputs.append(passed[2].clone()))
    network(x)
    assert torch.equal(network.embed(x), outputs[0].flatten(1))


class Twice(nn.Module):
    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.activation = nn.Tanh()
        self.first, self.second, self.unused = nn.Linear(math.prod(SHAPE), 5), nn.Linear(5, num_classes), nn.Linear(2, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.second(self.activation(self.first(self.activation(images.flatten(1)))))


def test_a_layer_that_runs_twice_gives_its_last_output() -> None:
    assert UserModule(Twice, "activation").build(SHAPE, 3, Rng(0)).embed(torch.randn(2, *SHAPE)).shape == (2, 5)


def test_the_last_linear_layer_is_the_one_that_runs_last() -> None:
    assert UserModule(Twice).build(SHAPE, 3, Rng(0)).embed(torch.randn(2, *SHAPE)).shape == (2, 5)


def test_layers_behind_the_embedding_are_not_computed() -> None:
    network = UserModule(Bare, "features.0").build(SHAPE, 3, Rng(0))
    network.get_submodule("module.features.3").register_forward_hook(lambda *_: pytest.fail("computed behind the layer"))
    network.embed(torch.randn(2, *SHAPE))


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["features.0", "features.1", "features.2"])
def test_compiled_embeddings_are_not_changed_in_place(layer: str) -> None:
    network = UserModule(Bare, layer).build(SHAPE, 3, Rng(0))
    images = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(0))
    torch.compiler.reset()
    compiled = torch.compile(network.embed, backend="aot_eager", dynamic=False)
    torch.testing.assert_close(compiled(images), network.embed(images))


def test_mixing_images_and_drawing_numbers_is_detected() -> None:
    networks = {name: spec.build(SHAPE, 3, Rng(0)) for name, spec in KINDS.items()}
    assert [name for name, network in networks.items() if mixes_images(network)] == ["batch norm", "functional"]
    assert [name for name, network in networks.items() if draws_numbers(network)] == ["dropout", "functional", "transformer"]


# -- condensing and evaluating


def test_the_seed_decides_everything(spec: UserModule) -> None:
    first = condense(method(spec), real(), 2, seed=1, compute=COMPUTE)
    torch.manual_seed(123)
    before = torch.get_rng_state()
    assert torch.equal(first.images, condense(method(spec), real(), 2, seed=1, compute=COMPUTE).images)
    assert torch.equal(before, torch.get_rng_state())
    assert not torch.equal(first.images, condense(method(spec), real(), 2, seed=2, compute=COMPUTE).images)
    assert first.images.isfinite().all()


def test_resume_is_exact(spec: UserModule, tmp_path: Path) -> None:
    def stop(moment: object) -> None:
        if moment.step == 2:  # type: ignore[attr-defined]
            raise Stopped("enough")

    unbroken = condense(method(spec), real(), 2, compute=COMPUTE)
    with pytest.raises(Stopped):
        condense(method(spec), real(), 2, compute=COMPUTE, observers=[stop], checkpoint=Checkpoint(tmp_path / "kept"))
    resumed = condense(method(spec), real(), 2, compute=COMPUTE, checkpoint=Checkpoint(tmp_path / "kept"))
    assert torch.equal(unbroken.images, resumed.images)


def test_evaluation_depends_on_the_seed_only(spec: UserModule) -> None:
    small, test = condense(method(spec), real(), 2, compute=COMPUTE), images(20, shape=SHAPE, seed=7)
    torch.manual_seed(9)
    values = [evaluate(small, test, network=spec, recipe=RECIPE, networks=2, compute=COMPUTE).values for _ in range(2)]
    assert np.array_equal(*values)


def test_stacked_evaluation_gives_the_same_accuracies(spec: UserModule) -> None:
    small, test = images(3, shape=SHAPE), images(20, shape=SHAPE, seed=7)
    exact = Compute(device="cpu", precision="float64", compile="never")
    settings = {"network": spec, "recipe": RECIPE, "networks": 3}
    alone = evaluate(small, test, **settings, compute=exact)  # type: ignore[arg-type]
    together = evaluate(small, test, **settings, compute=replace(exact, together=3))  # type: ignore[arg-type]
    assert np.array_equal(alone.per_class, together.per_class)


def test_networks_without_state_and_randomness_can_be_stacked() -> None:
    assert can_be_stacked(KINDS["plain"].build(SHAPE, 3, Rng(0)), SHAPE)
    assert can_be_stacked(KINDS["raw parameters"].build(SHAPE, 3, Rng(0)), SHAPE)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 8, 8), (3, 12, 20)])
@pytest.mark.parametrize("name", ["plain", "batch norm", "functional", "raw parameters", "transformer", "lazy"])
def test_any_image_shape(name: str, shape: tuple[int, int, int]) -> None:
    small = condense(method(KINDS[name], steps=2), real(shape), 1, compute=COMPUTE)
    assert small.shape == shape
    evaluate(small, real(shape), network=KINDS[name], recipe=Recipe(epochs=1), networks=1, compute=COMPUTE)


@pytest.mark.parametrize("name", ["plain", "raw parameters"])
def test_class_groups_give_the_same_images(name: str) -> None:
    whole = condense(method(KINDS[name]), real(), 2, compute=COMPUTE)
    groups = condense(method(KINDS[name], classes_at_a_time=1), real(), 2, compute=COMPUTE)
    torch.testing.assert_close(whole.images, groups.images, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["batch norm", "functional"])
def test_networks_that_mix_images_must_see_all_classes_at_once(name: str) -> None:
    with pytest.raises(CondensationError) as caught:
        condense(method(KINDS[name], classes_at_a_time=1), real(), 1, compute=COMPUTE)
    assert caught.value.setting == "method.classes_at_a_time"


def test_a_float64_module_is_computed_in_the_requested_precision() -> None:
    network = KINDS["float64"].build(SHAPE, 3, Rng(0))
    assert {value.dtype for value in network.parameters()} == {torch.float32}
    exact = Compute(device="cpu", precision="float64", compile="never")
    assert condense(method(KINDS["float64"]), real(), 1, compute=exact).images.isfinite().all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["layer", "batch norm", "raw parameters", "transformer"])
def test_compiled_results_equal_uncompiled_ones_up_to_rounding(name: str) -> None:
    compiled = replace(COMPUTE, compile="always")
    network = KINDS[name].build(SHAPE, 3, Rng(4)).requires_grad_(False)
    fast, x, y = compiled.wrap(network.embed), torch.randn(6, *SHAPE, requires_grad=True), None
    y = x.detach().clone().requires_grad_()
    for seed in (1, 2):  # with new weights too
        network.redraw(Rng(seed))
        if not draws_numbers(network):
            torch.testing.assert_close(fast(x), network.embed(y), rtol=1e-3, atol=1e-4)
    fast(x).square().sum().backward()
    network.embed(y).square().sum().backward()
    if not draws_numbers(network):
        torch.testing.assert_close(x.grad, y.grad, rtol=1e-3, atol=1e-4)
    small = [condense(method(KINDS[name]), real(), 2, compute=compiled).images for _ in range(2)]
    assert torch.equal(*small)
    if not draws_numbers(network):
        torch.testing.assert_close(small[0], condense(method(KINDS[name]), real(), 2, compute=COMPUTE).images, rtol=1e-3, atol=1e-3)
    evaluate(real(), real(), network=KINDS[name], recipe=Recipe(epochs=1), networks=1, compute=compiled)


# -- arguments of the callable


@pytest.mark.parametrize(
    ("target", "options", "size"),
    [
        (user_nets.Timm, {}, (12, 16)),
        (user_nets.Timm, {"img_size": 7}, 7),
        (user_nets.Timm, {"width": 3}, (12, 16)),
        (user_nets.timm_like, {"in_chans": "{channels}"}, 224),
        (user_nets.timm_like, {"img_size": "{image_size}"}, (12, 16)),
    ],
)
def test_arguments_are_matched_by_parameter_name(target: Callable[..., nn.Module], options: dict[str, object], size: object) -> None:
    network = UserModule(target, options=options).build(SHAPE, 3, Rng(0))
    assert network.get_submodule("module").img_size == size
    assert network.get_submodule("module.stem").out_channels == options.get("width", 6)


def test_the_size_of_a_square_image_is_one_number() -> None:
    assert UserModule(user_nets.Timm).build((1, 9, 9), 3, Rng(0)).get_submodule("module").img_size == 9


def test_a_function_of_any_keywords_gets_the_number_of_classes() -> None:
    assert UserModule(user_nets.torchvision_like).build(SHAPE, 7, Rng(0))(torch.randn(2, *SHAPE)).shape == (2, 7)


# -- values


def test_specs_are_equal_by_name() -> None:
    assert UserModule("a:b") == UserModule("a:b")
    assert UserModule("a:b") != UserModule("a:b", "layer")
    assert UserModule("a:b", options={"width": 3}) != UserModule("a:b")
    assert hash(UserModule("a:b", options={"widths": [3]})) == hash(UserModule("a:b", options={"widths": [3]}))


def test_the_model_cache_tells_equal_names_of_other_code_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modules = []
    for width in (3, 4):
        folder = tmp_path / str(width)
        folder.mkdir()
        layers = f"nn.Flatten(), nn.Linear(576, {width}), nn.Linear({width}, num_classes)"
        (folder / "nets.py").write_text(f"from torch import nn\n\ndef small(num_classes):\n    return nn.Sequential({layers})\n")
        monkeypatch.chdir(folder)
        with model_cache(UserModule("nets.py:small"), SHAPE, 3, COMPUTE) as crew:
            modules.append(crew.module)
        with model_cache(UserModule("nets.py:small"), SHAPE, 3, COMPUTE) as again:
            assert again.module is crew.module
    assert [len(module.get_submodule("module.1").weight) for module in modules] == [3, 4]


# -- mistakes


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            UserModule(user_nets.BatchNorm, "feature"),
            "has no layer 'feature'. Did you mean 'features'?\nIt has features, features.0, features.1, ",
        ),
        (UserModule(user_nets.Patches, "x"), "has no layer 'x'.\nIt has patches, blocks, blocks.layers, blocks.layers.0, "),
        (
            UserModule(Twice, "unused"),
            "The layer 'unused' of tests.networks.test_user_module:Twice does not run.",
        ),
        (UserModule(user_nets.headless), "It has 0, 1, 2."),
        (UserModule(user_nets.unpooled), "returns shape (2, 420) for 2 images; expected logits of shape (2, 3)"),
        (UserModule(user_nets.two_things), "returns a tuple for 2 images; expected logits of shape (2, 3)"),
        (UserModule(user_nets.nothing), "returns NoneType"),
        (UserModule(user_nets.no_parameters), "returns a module without parameters"),
        (
            UserModule(user_nets.for_digits),
            "for_digits does not accept images of 3x12x16: RuntimeError: mat1 and mat2 shapes cannot be multiplied",
        ),
        (UserModule(user_nets.wavering), "returns a different architecture at each call"),
        (UserModule(user_nets.raising), "raising failed for images of 3x12x16 and 3 classes: RuntimeError: the weights are not here"),
        (UserModule(f"{HERE}:raising"), "are not here\n{file}, line {line}, in raising: raise RuntimeError("),
        (
            UserModule(user_nets.unsaid),
            "needs a value for 'depth'.\nSet options.depth=VALUE",
        ),
        (
            UserModule(user_nets.plain, options={"widht": 3}),
            "has no option 'widht'. Did you mean 'width'?\nIt accepts channels, num_classes, width.",
        ),
        (
            UserModule(user_nets.timm_like, options={"in_chans": "{chanels}"}),
            "no placeholder 'chanels'. Did you mean 'channels'?",
        ),
        (
            UserModule(user_nets.timm_like, options={"depth": 3}),
            "failed for images of 3x12x16 and 3 classes: TypeError: Timm.__init__() got an unexp",
        ),
        (UserModule(f"{HERE}:not_callable"), "not_callable of type int"),
        (UserModule(f"{HERE}:plane"), "has no 'plane'. Did you mean 'plain'?\nIt has: plain, BatchNorm, dropout, "),
        (UserModule("condensation:ConvNet"), "condensation:ConvNet is already a NetworkSpec."),
        (UserModule(user_nets.made), "returns shape (2, 3) for 2 images; expected logits of shape (2, 5)"),
    ],
)
def test_mistakes_raise_with_their_cause(spec: UserModule, expected: str) -> None:
    line = next(n for n, text in enumerate(Path(user_nets.__file__).read_text().splitlines(), 1) if "raise RuntimeError" in text)
    shown = Path(user_nets.__file__)
    shown = shown.relative_to(Path.cwd()) if shown.is_relative_to(Path.cwd()) else shown
    message = error_message(spec, classes=5 if spec.target is user_nets.made else 3)
    assert expected.replace("{file}", str(shown)).replace("{line}", str(line)) in message


def test_an_error_inside_the_function_is_the_cause() -> None:
    with pytest.raises(CondensationError) as caught:
        UserModule(user_nets.raising).build(SHAPE, 3, Rng(0))
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert caught.value.__cause__.args == ("the weights\nare not here",)


def test_networks_without_gradient_can_evaluate_but_not_condense() -> None:
    spec = UserModule(user_nets.without_gradient)
    with pytest.raises(CondensationError) as caught:
        condense(method(spec), real(), 1, compute=COMPUTE)
    assert caught.value.setting == "network.layer"
    evaluate(real(), real(), network=spec, recipe=Recipe(epochs=1), networks=1, compute=COMPUTE)
