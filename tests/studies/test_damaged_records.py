"""Records with wrong content: each is refused in one line that names the file, or read as far as it is right."""

import copy
import json
import logging
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "golden"
# Records that a command reads again, and the command that reads them.
STUDY_RECORDS = {
    "table": ("settings.json", "table.json"),
    "continual": ("settings.json", "continual.json"),
    "nas": ("settings.json", "nas.json", "space.json"),
    "pools": ("settings.json", "pools.json"),
    "theory": ("settings.json", "theory.json"),
    "transfer": ("settings.json", "transfer.json"),
}
DEEP = "@deep@"
VALUES = (None, -1, "x", [], {}, "@huge@", "@long@", DEEP)
TEXTS = {'"@huge@"': "1e400", '"@long@"': "9" * 10_000, f'"{DEEP}"': "[" * 100_000 + "]" * 100_000}
MISSING = object()


def fields_of(content, path=()):
    """Yield the path of every field, the first of each list only."""
    pairs = list(content.items()) if isinstance(content, dict) else list(enumerate(content[:1])) if isinstance(content, list) else []
    for key, value in pairs:
        yield (*path, key)
        yield from fields_of(value, (*path, key))


def changed(content, path, value):
    """Return ``content`` as text with another value at ``path``."""
    content = copy.deepcopy(content)
    place = content
    for key in path[:-1]:
        place = place[key]
    if value is MISSING:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    text = json.dumps(content)
    for mark, put in TEXTS.items():
        text = text.replace(mark, put)
    return text


def problems(condense, name, folder, record, every):
    """Return the changes after which the command neither succeeded nor refused in a short text that names the file."""
    path = folder / record
    before = path.read_text()
    content, wrong = json.loads(before), []
    changes = [(place, value) for place in fields_of(content) for value in (MISSING, *VALUES)]
    for place, value in changes[::every]:
        path.write_text(changed(content, place, value))
        try:
            code, _, errors = condense(name, folder)
        except BaseException as error:
            wrong.append((record, place, str(value), repr(error)[:200]))
            continue
        named = record in errors or ".".join(map(str, place[1:2])) in errors
        if code not in (0, 2) or (code == 2 and (not named or len(errors) > 1500 or len(errors.splitlines()) > 3)):
            wrong.append((record, place, str(value), errors[:300]))
    path.write_text(before)
    return wrong


@pytest.mark.parametrize(
    "every", [pytest.param(167, id="some"), pytest.param(17, id="many", marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)
@pytest.mark.parametrize(("name", "record"), [(name, record) for name, records in STUDY_RECORDS.items() for record in records])
def test_each_field_of_the_records_of_a_study(name, record, every, tmp_path, condense):
    logging.disable(logging.WARNING)
    folder = Path(shutil.copytree(ROOT / "studies" / name, tmp_path / name))
    if record == f"{name}.json":  # only read where the runs are gone
        for part in ("runs", "sets", "cells", "memories", "steps", "networks", "pool", "space.json"):
            shutil.rmtree(folder / part, ignore_errors=True)
            (folder / part).unlink(missing_ok=True)
    try:
        assert problems(condense, name, folder, record, every) == []
    finally:
        logging.disable(logging.NOTSET)
