"""The tests assert values and behaviour, and the wording of messages in few places."""

import ast
from pathlib import Path

MOST = 100


def test_wording_is_asserted_in_few_places():
    calls = [
        node for file in Path(__file__).parent.rglob("*.py") for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)
    ]
    assert sum(keyword.arg == "match" for call in calls for keyword in call.keywords) <= MOST
