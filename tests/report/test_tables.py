import io

from rich.console import Console

from condensation.report.tables import print_scores


def printed(scores):
    out = io.StringIO()
    print_scores(Console(file=out, width=120), scores)
    return out.getvalue()


def score(**more):
    return {"images": 6, "mean": 50.0, "deviation": 1.0, "count": 2, "per_class": {}, **more}


def scores(sets, test):
    evaluation = {"networks": 2, "network": {"name": "convnet"}, "recipe": {"epochs": 3}}
    return {"sets": sets, "test": test, "seed": 0, "evaluation": evaluation, "compute": {}, "machine": {}}


def test_common_test_images_are_below_the_table():
    said = printed(scores({"a": score()}, {"name": "digits", "images": 1234}))
    assert "on 1,234 test images." in said
    assert "tested on" not in said


def test_different_test_images_are_in_the_row_of_each_set():
    sets = {name: score(test={"name": name[-3:], "images": count}) for name, count in (("of one", 1234), ("of two", 77))}
    said = printed(scores(sets, None))
    rows = [[cell.strip() for cell in line.split("│")[1:5]] for line in said.splitlines() if line.startswith("│")]
    assert rows == [["of one", "6", "one", "1,234"], ["of two", "6", "two", "77"]]
    assert "tested on" in said
    assert "on the test images of each row." in said


def test_scores_of_the_user_are_printed_as_json():
    assert printed({"top-1": 64.5}) == 'Scores: {"top-1": 64.5}\n'
