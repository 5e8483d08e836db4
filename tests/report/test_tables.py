import io

from rich.console import Console

from condensation.report.tables import print_scores


def printed(scores):
    out = io.StringIO()
    print_scores(Console(file=out, width=120), scores)
    return out.getvalue()


def scored(**more):
    return {"images": 6, "mean": 50.0, "deviation": 1.0, **more}


HOW = {"networks": 2, "network": {"name": "convnet"}, "recipe": {"epochs": 3}}


def test_common_test_images_are_told_below():
    said = printed({"sets": {"a": scored()}, "test": {"name": "digits", "images": 1234}, "evaluation": HOW})
    assert "on 1,234 test images." in said
    assert "tested on" not in said


def test_test_images_that_differ_are_named_beside_each_set():
    sets = {name: scored(test={"name": name[-3:], "images": count}) for name, count in (("of one", 1234), ("of two", 77))}
    said = printed({"sets": sets, "test": None, "evaluation": HOW})
    rows = [[cell.strip() for cell in line.split("│")[1:5]] for line in said.splitlines() if line.startswith("│")]
    assert rows == [["of one", "6", "one", "1,234"], ["of two", "6", "two", "77"]]
    assert "tested on" in said
    assert "on the test images named." in said
