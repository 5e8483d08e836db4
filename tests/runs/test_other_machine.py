"""A run that is resumed on another processor says so."""

import json

from condensation.core.environment import machine
from condensation.runs.files import SETTINGS
from condensation.runs.folder import warn_of_other_machine


def test_another_processor_is_named(tmp_path, caplog):
    (tmp_path / SETTINGS).write_text(json.dumps({"settings": {}, "machine": machine()}))
    warn_of_other_machine(tmp_path)
    assert not caplog.records
    (tmp_path / SETTINGS).write_text(json.dumps({"settings": {}, "machine": {**machine(), "cpu": "NONE", "bfloat16": "amx"}}))
    warn_of_other_machine(tmp_path)
    (record,) = caplog.records
    assert "machine.cpu is 'NONE' there" in record.getMessage()
