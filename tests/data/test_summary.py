"""The lines and the entry of cards on what was read."""

import numpy as np
from PIL import Image

from condensation.data.load import from_arrays, load
from condensation.data.summary import UNREADABLE, read_facts, read_lines
from tests.data.pictures import write_classes


def level(value, side=(6, 4)):
    return Image.fromarray(np.full((side[1], side[0]), value, dtype=np.uint8))


def test_facts_of_a_folder(tmp_path):
    write_classes(tmp_path / "mine" / "train", ("a", "b", "c"), mode="L")
    write_classes(tmp_path / "mine" / "val", ("a", "b"), count=2, mode="L")
    for path in (tmp_path / "mine").rglob("*.png"):
        level(30).save(path)
    for number, value in enumerate((7, 201)):
        level(value).save(tmp_path / "mine" / "train" / "b" / f"{number}.png")
    (tmp_path / "mine" / "train" / "b" / "bad.png").touch()
    (tmp_path / "mine" / "train" / "stray.png").touch()
    (tmp_path / "mine" / "val" / "a" / ".hidden").touch()
    facts = read_facts(load(tmp_path / "mine", skip_bad=True))
    assert facts["parts"] == {"train": {"images": 15, "classes": 3, "from": "train"}, "test": {"images": 4, "classes": 2, "from": "val"}}
    assert (facts["shape"], facts["range"]) == ([1, 4, 6], [7, 201])
    assert facts["passed_over"] == {"hidden": 1, "outside the class folders": 1, UNREADABLE: 1}
    assert read_lines(facts) == [
        "Read: 15 training and 4 test images of 3 classes (2 in the test images) from train and val",
        "Passed over: 1 outside the class folders, 1 hidden, 1 unreadable, skipped",
        "Read as: 4 x 6 (height x width), greyscale, values 7 to 201",
    ]


def test_facts_of_arrays_and_bundled_data():
    images = np.arange(20 * 4 * 4 * 3, dtype=np.uint8).reshape(20, 4, 4, 3) % 100
    data = from_arrays(images, np.arange(20) % 2)
    assert read_facts(data)["passed_over"] is None
    assert read_facts(data)["range"] == [0, 99]
    assert read_facts(data)["parts"]["test"] == {"images": 4, "classes": 2, "from": "train"}
    assert read_facts(data.only(["0"]))["parts"]["train"] == {"images": 8, "classes": 1, "from": "train"}
    assert [line.split()[0] for line in read_lines(read_facts(load("digits")))] == ["Read:", "Read"]
    assert "from" not in read_lines(read_facts(load("digits")))[0]
