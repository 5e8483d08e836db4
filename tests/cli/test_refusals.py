"""Commands that refuse answer before torch is imported, which takes seconds; modules are counted, since seconds vary."""

import subprocess
import sys
from dataclasses import fields

import pytest

from condensation.cli.refuse import require_sets, require_usable
from condensation.config.build import from_dict
from condensation.config.outline import RUN, Home, _fields, method_names, require_known
from condensation.core.errors import CondensationError, NoSuchData
from condensation.methods.registry import METHODS
from condensation.runs.settings import RunSettings
from condensation.studies.registry import STUDIES
from tests.cli.runs import ENVIRONMENT

REFUSED = (
    "run --ipc 0",
    "run --method nonsense",
    "run --preset nonsense",
    "run --data no/such/folder",
    "run --data nothing.csv",
    "run --config nothing.toml",
    "run method.nonsense=1",
    "run method.lr=fast",
    "run -m kip method.stepz=5",
    "run evaluation.recipe.epohcs=5",
    "run ipc=0",
    "run method.lr=-1",
    "run -m kip method.steps=-1",
    "run evaluation.networks=-1",
    "run evaluation.recipe.epochs=0",
    "run compute.chunk=0",
    "run nonsense",
    "run --out file",
    "run --out full",
    "run --resume --out new",
    "run --evaluate nonsense",
    "networks nonsense",
    "methods nonsense",
    "evaluate no/such/run",
    "evaluate evaluation.netwoks=3",
    "ridge no/such/run",
    "teach no/such/run",
    "show no/such/run",
    "report no/such/run",
    "report full",
    "report full --out file",
    "export no/such/run --to png",
    "runs no/such/folder",
    "compare no/such/run",
    "table --data no/such/folder",
    "table dm.stepz=3",
    "transfer method.stepz=3",
    "continual --ipc none",
    "nas recipe.epohcs=3",
    "pools pool.nonsense=3",
    "theory pears=3",
    "theory --on processes:none",
)
PROGRAM = """
import sys
from condensation.cli.main import main
for line in sys.argv[1:]:
    sys.argv = ["condense", *line.split()]
    try:
        main()
    except SystemExit as end:
        print(line, end.code, sorted({"torch", "numpy", "matplotlib"} & sys.modules.keys()), sep="|")
"""


def test_refusals_import_no_torch(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("")
    command = [sys.executable, "-c", PROGRAM, *REFUSED]
    done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"{line}|2|[]" for line in REFUSED], done.stderr


def test_the_outline_is_that_of_the_settings():
    """What is read from the source equals what Python makes of it."""
    homes = [RUN, *(Home(kind.__module__.partition(".")[2], kind.__name__) for kind in METHODS.values())]
    homes += [Home(study.settings_type.__module__.partition(".")[2], study.settings_type.__name__) for study in STUDIES.values()]
    kinds = [RunSettings, *METHODS.values(), *(study.settings_type for study in STUDIES.values())]
    for home, kind in zip(homes, kinds, strict=True):
        assert set(_fields(home)) == {field.name for field in fields(kind) if field.init}
    assert set(method_names()) == set(METHODS)


@pytest.mark.parametrize(
    "content",
    [
        {"method": {"name": "own.py:Mine", "anything": 1}},
        {"method": {"networks": {"spec": {"width": 8}}}},
        {"evaluation": {"recipe": {"name": "paper", "epochs": 3}, "network": {"name": "own.py:net", "options": {"depth": 2}}}},
        {"lr": 3},  # a setting of other groups, which the complete check names
        {"ipc": {"rose": 3}},
        {"data": {"columns": "path,label"}},
    ],
)
def test_what_may_be_right_is_left_to_the_complete_check(content):
    require_known(content)


def test_labels_of_a_study_are_left_to_the_complete_check():
    require_known({"my label": {"steps": 3}}, Home("studies.table.study", "TableSettings"))


@pytest.mark.parametrize(
    "content",
    [
        {"ipc": 0},
        {"curve": 101},
        {"method": {"name": "dm", "averaging": 1.0}},
        {"method": {"name": "dc", "steps": -1}},
        {"evaluation": {"networks": -1}},
        {"evaluation": {"recipe": {"momentum": 2}}},
        {"compute": {"chunk": 0}},
    ],
)
def test_a_range_is_refused_as_by_the_complete_check(content):
    errors = []
    for check in (require_known, lambda content: from_dict(RunSettings, content)):
        with pytest.raises(CondensationError) as caught:
            check(content)
        errors.append((caught.value.message, caught.value.setting))
    assert errors[0][0] == errors[1][0]
    assert errors[0][1].endswith(errors[1][1])


def test_a_path_in_the_settings_must_exist(tmp_path):
    with pytest.raises(NoSuchData):
        require_usable({}, [f"data.source={tmp_path}/none"])
    require_usable({"data.source": str(tmp_path)}, [])
    require_usable({"data.source": "hf:someone/something"}, [])
    with pytest.raises(CondensationError):
        require_sets([tmp_path])
