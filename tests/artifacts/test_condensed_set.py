import pickle
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from condensation.artifacts.condensed_set import CondensedSet
from condensation.core.errors import NEWER, CondensationError
from condensation.core.form import Tiles
from condensation.core.images import ImageSet
from condensation.core.preprocessing import Identity, Preprocessing, Standardize, Zca
from condensation.core.tensor_files import write_tensors

PICTURES = torch.rand((40, 3, 4, 4), generator=torch.Generator().manual_seed(0))
PREPROCESSINGS = {"identity": Identity(), "standardize": Standardize.fit([PICTURES]), "zca": Zca.fit([PICTURES])}
NAMES = ("Äpfel", "Brötchen/süß", "猫")


def make(preprocessing="standardize", scale=1.0):
    chosen = PREPROCESSINGS[preprocessing]
    images = ImageSet.of(chosen(PICTURES[:6] * scale), torch.arange(6) // 2, NAMES, preprocessing=chosen, flip_invariant=False)
    return CondensedSet(images, {"data": {"name": "mine"}, "seed": 3})


@pytest.mark.parametrize("preprocessing", PREPROCESSINGS)
def test_load_returns_the_saved_set_exactly(tmp_path, preprocessing):
    made = make(preprocessing)
    made.save(tmp_path / "a.safetensors")
    back = CondensedSet.load(tmp_path / "a.safetensors")
    assert torch.equal(back.images.images, made.images.images)
    assert torch.equal(back.images.labels, made.images.labels)
    assert back.preprocessing == made.preprocessing
    assert (back.images.class_names, back.images.flip_invariant) == (NAMES, False)


def test_saving_a_loaded_set_gives_the_same_bytes(tmp_path):
    make().with_scores({"b": 1, "a": 2}).save(tmp_path / "a")
    CondensedSet.load(tmp_path / "a").save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_scores_added_later_give_the_same_bytes(tmp_path):
    make().with_scores({"x": 1}).save(tmp_path / "a")
    make().save(tmp_path / "b")
    CondensedSet.load(tmp_path / "b").with_scores({"x": 1}).save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_load_returns_the_card(tmp_path):
    make().with_scores({"x": 1}).save(tmp_path / "a")
    card = CondensedSet.load(tmp_path / "a").card
    assert (card["data"], card["seed"], card["scores"]) == ({"name": "mine"}, 3, {"x": 1})


def test_a_set_with_a_form_is_read_with_it_and_trained_on_as_seen(tmp_path):
    made = make()
    tiled = CondensedSet(replace(made.images, form=Tiles(2)), {"data": {"name": "mine"}})
    tiled.save(tmp_path / "a")
    back = CondensedSet.load(tmp_path / "a")
    assert back.images.form == Tiles(2)
    assert back.card["form"] == {"name": "tiles", "factor": 2, "seen": 24}
    assert torch.equal(back.images.images, made.images.images)
    images, labels = back.dataset().tensors
    assert torch.equal(images, Tiles(2).decode(made.images.images))
    assert labels.tolist() == made.images.labels.repeat_interleave(4).tolist()
    back.save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_versions_that_know_no_forms_refuse_a_set_with_one(tmp_path):
    tiled = CondensedSet(replace(make().images, form=Tiles(2)))
    tiled.save(tmp_path / "a")
    with safe_open(tmp_path / "a", "pt") as file:
        assert file.metadata()["format"] == "3"  # they read formats up to 2


def test_a_decoded_set_is_an_ordinary_one(tmp_path):
    tiled = CondensedSet(replace(make().images, form=Tiles(2)), {"data": {"name": "mine"}})
    tiled.decoded().save(tmp_path / "a")
    back = CondensedSet.load(tmp_path / "a")
    assert (back.images.form, len(back.images)) == (None, 24)
    assert "form" not in back.card
    assert torch.equal(back.dataset().tensors[0], tiled.dataset().tensors[0])


def test_with_scores_leaves_the_original_unchanged():
    made = make()
    made.with_scores({"x": 1})
    assert "scores" not in made.card


def test_load_accepts_a_run_folder(tmp_path):
    make().save(tmp_path / "set.safetensors")
    assert len(CondensedSet.load(tmp_path).images) == 6


@pytest.mark.parametrize("values", [torch.ones(()), torch.ones(0), torch.ones(2), torch.ones(3, 1), torch.zeros(3)])
@pytest.mark.parametrize("name", ["standardize", "zca"])
def test_a_preprocessing_of_other_sizes_is_refused(tmp_path, name, values):
    preprocessing = replace(PREPROCESSINGS[name], std=values)
    CondensedSet(ImageSet.of(PICTURES[:3], torch.arange(3), NAMES, preprocessing=preprocessing)).save(tmp_path / "a")
    with pytest.raises(CondensationError, match=f"preprocessing '{name}' does not fit"):
        CondensedSet.load(tmp_path / "a")


def test_a_set_of_a_few_classes_keeps_all_names(tmp_path):
    made = make()
    CondensedSet(made.images.select([2])).save(tmp_path / "a")
    back = CondensedSet.load(tmp_path / "a").images
    assert (back.classes, back.class_names) == ((2,), NAMES)


def test_8_bit_images_are_saved_exactly(tmp_path):
    pixels = (PICTURES[:3] * 255).to(torch.uint8)
    CondensedSet(ImageSet.of(pixels, torch.arange(3), NAMES, preprocessing=PREPROCESSINGS["standardize"])).save(tmp_path / "a")
    back = CondensedSet.load(tmp_path / "a")
    assert torch.equal(back.images.images, pixels)
    assert torch.equal(back.dataset()[0][0], PREPROCESSINGS["standardize"](pixels[:1].float() / 255)[0])


@pytest.mark.parametrize("preprocessing", PREPROCESSINGS)
def test_pictures_lie_between_0_and_1(preprocessing):
    pictures = make(preprocessing, scale=5).pictures()
    assert pictures.shape == (6, 3, 4, 4)
    assert 0 <= float(pictures.min()) <= float(pictures.max()) <= 1


def test_pictures_undo_the_preprocessing():
    torch.testing.assert_close(make().pictures(), PICTURES[:6])


def test_plain_torch_trains_on_the_dataset(tmp_path):
    make().save(tmp_path / "a")
    loader = torch.utils.data.DataLoader(CondensedSet.load(tmp_path / "a").dataset(), batch_size=3, shuffle=True)
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 3))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    losses = []
    for _ in range(30):
        for images, labels in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(network(images), labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


def test_a_loaded_preprocessing_equals_the_saved_one(tmp_path):
    make().save(tmp_path / "a")
    back = CondensedSet.load(tmp_path / "a")
    assert torch.equal(back.preprocessing(PICTURES), PREPROCESSINGS["standardize"](PICTURES))


def test_the_file_is_not_a_pickle(tmp_path):
    make().save(tmp_path / "a")
    with (tmp_path / "a").open("rb") as file, pytest.raises(pickle.UnpicklingError):
        pickle.load(file)
    assert load_file(tmp_path / "a")["images"].shape == (6, 3, 4, 4)


def test_a_preprocessing_of_the_user_cannot_be_saved(tmp_path):
    class UserModule(Preprocessing):
        def __call__(self, pictures):
            return pictures

        def inverse(self, inputs):
            return inputs

    images = ImageSet.of(PICTURES[:2], torch.arange(2), preprocessing=UserModule())
    with pytest.raises(CondensationError, match="UserModule"):
        CondensedSet(images).save(tmp_path / "a")


def test_a_checkpoint_is_refused(tmp_path):
    write_tensors(tmp_path / "a", "checkpoint", {"0": torch.zeros(1)}, {})
    with pytest.raises(CondensationError, match="checkpoint"):
        CondensedSet.load(tmp_path / "a")


def test_a_later_format_is_refused(tmp_path):
    save_file({}, tmp_path / "a", {"kind": "condensed set", "format": "4"})
    with pytest.raises(CondensationError) as error:
        CondensedSet.load(tmp_path / "a")
    assert error.value.hint == NEWER


def test_an_unknown_preprocessing_is_named(tmp_path):
    card = {"preprocessing": "zcaa", "class_names": ["a", "b"], "mirrored": True}
    write_tensors(tmp_path / "a", "condensed set", {"images": PICTURES[:2], "labels": torch.arange(2)}, card)
    with pytest.raises(CondensationError) as error:
        CondensedSet.load(tmp_path / "a")
    assert "zcaa" in error.value.message


@pytest.mark.parametrize("missing", ["images", "labels"])
def test_a_missing_tensor_is_named(tmp_path, missing):
    tensors = {"images": PICTURES[:2], "labels": torch.arange(2)}
    del tensors[missing]
    write_tensors(tmp_path / "a", "condensed set", tensors, {"preprocessing": "identity", "class_names": ["a", "b"], "mirrored": True})
    with pytest.raises(CondensationError) as error:
        CondensedSet.load(tmp_path / "a")
    assert repr(missing) in error.value.message


def test_labels_without_images_are_refused(tmp_path):
    card = {"preprocessing": "identity", "class_names": ["a", "b"], "mirrored": True}
    write_tensors(tmp_path / "a", "condensed set", {"images": PICTURES[:2], "labels": torch.arange(3)}, card)
    with pytest.raises(CondensationError, match=r"labels of shape \(3,\)"):
        CondensedSet.load(tmp_path / "a")


@pytest.mark.parametrize(
    ("field", "value"),
    [("class_names", None), ("class_names", [1, 2]), ("mirrored", "yes"), ("preprocessing", None), ("soft_labels", {"loss": 3})],
)
def test_a_damaged_card_is_named_in_one_line(tmp_path, field, value):
    card = {"preprocessing": "identity", "class_names": ["a", "b"], "mirrored": True, field: value}
    card = {name: content for name, content in card.items() if content is not None}
    write_tensors(tmp_path / "a", "condensed set", {"images": PICTURES[:2], "labels": torch.arange(2)}, card)
    with pytest.raises(CondensationError) as error:
        CondensedSet.load(tmp_path / "a")
    assert error.value.message.startswith(f"{tmp_path / 'a'}: {field}")
    assert "\n" not in error.value.message


def test_missing_soft_labels_are_named(tmp_path):
    card = {"preprocessing": "identity", "class_names": ["a", "b"], "mirrored": True, "soft_labels": {"loss": "squared"}}
    write_tensors(tmp_path / "a", "condensed set", {"images": PICTURES[:2], "labels": torch.arange(2)}, card, 2)
    with pytest.raises(CondensationError) as error:
        CondensedSet.load(tmp_path / "a")
    assert "'soft_labels'" in error.value.message


def test_missing_tensors_of_a_preprocessing_are_named(tmp_path):
    card = {"preprocessing": "standardize", "class_names": ["a", "b"], "mirrored": True}
    write_tensors(tmp_path / "a", "condensed set", {"images": PICTURES[:2], "labels": torch.arange(2)}, card)
    with pytest.raises(CondensationError) as error:
        CondensedSet.load(tmp_path / "a")
    assert "'standardize'" in error.value.message


@pytest.mark.parametrize(("mean", "std"), [([0.5], []), ([0.5] * 5, [1.0] * 5), ([0.5], [0.0]), ([float("nan")], [1.0])])
def test_a_preprocessing_that_does_not_fit_is_refused(tmp_path, mean, std):
    card = {"preprocessing": "standardize", "class_names": ["a", "b"], "mirrored": True}
    tensors = {"images": PICTURES[:2], "labels": torch.arange(2)}
    tensors |= {"preprocessing.mean": torch.tensor(mean), "preprocessing.std": torch.tensor(std)}
    write_tensors(tmp_path / "a", "condensed set", tensors, card)
    with pytest.raises(CondensationError) as error:
        CondensedSet.load(tmp_path / "a")
    assert "'standardize'" in error.value.message


@pytest.mark.parametrize(("field", "value"), [("form", 3), ("soft_labels", "squared")])
def test_an_entry_of_the_card_of_a_wrong_kind_is_named(tmp_path, field, value):
    made = make().images
    tensors = {
        "images": made.images,
        "labels": made.labels,
        "preprocessing.mean": made.preprocessing.mean,
        "preprocessing.std": made.preprocessing.std,
    }
    card = {"class_names": list(NAMES), "mirrored": False, "preprocessing": "standardize", field: value}
    write_tensors(tmp_path / "a", "condensed set", tensors, card)
    with pytest.raises(CondensationError) as raised:
        CondensedSet.load(tmp_path / "a")
    assert f"{field}: expected" in raised.value.message
