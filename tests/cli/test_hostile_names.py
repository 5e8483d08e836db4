"""Names with terminal codes, invisible characters, Markdown and HTML are printed and written as text."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from condensation import CondensedSet
from condensation.cli.options import print_settings
from condensation.core.text import as_code, in_line, in_markdown, markdown_line, markdown_table, shown
from tests.cli.runs import FAST
from tests.data.pictures import write_classes

pytestmark = pytest.mark.usefixtures("elsewhere")

ESCAPE, TURNED, HIDDEN, DELETE = "a\x1b[31mred", "b\u202egnp.exe", "c\u200bzero", "d\x7f\x9b2J"
ACTIVE = "e|`x`<script>alert(1)<!-- [x](javascript:1) *y* &lt;"
NAMES = (ESCAPE, TURNED, HIDDEN, DELETE, ACTIVE)
RAW = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202e]")
CODES = re.compile(r"\x1b\[[\d;]*m")


def active(text: str) -> list[str]:
    """Return what acts as HTML, a link or emphasis in Markdown ``text`` of ours, outside of code."""
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL), flags=re.DOTALL)
    return re.findall(r"(?<!\\)<\w+|(?<![\\!])\[[^\]]*\]\(|(?<!\\)\*\w+\*", prose)


def test_characters_without_a_look_are_escaped() -> None:
    assert shown(ESCAPE) == "a\\u001b[31mred"
    assert shown("".join(NAMES[1:4])) == "b\\u202egnp.exec\\u200bzerod\\u007f\\u009b2J"
    assert shown("é 猫\t🐈\n\udc80") == "é 猫\t🐈\n\\udc80"
    assert in_line("a\nb") == "a\\nb"
    content = {"name": "".join(NAMES) + "\U000e0041"}
    assert json.loads(shown(json.dumps(content, ensure_ascii=False))) == content


def test_markdown_and_html_are_escaped() -> None:
    assert in_markdown("a|b <i> [x](y) `c` *d* snake_case _e_") == r"a\|b &lt;i> \[x](y) \`c\` \*d\* snake_case \_e\_"
    assert [markdown_line(text) for text in ("# a", "> a", "1. a", "- a", "2 a")] == [r"\# a", r"\> a", r"1\. a", r"\- a", "2 a"]
    assert as_code("a`b\nc") == r"`a'b\nc`"
    assert markdown_table(("x",), [("a|b\nc",), (3,)]) == "| x |\n| --- |\n| a\\|b\\\\nc |\n| 3 |"


def test_settings_are_printed_as_toml_that_can_be_read(capsys) -> None:
    from condensation.config.toml import tomllib

    print_settings({"data": {"source": ESCAPE + TURNED + DELETE}})
    printed = capsys.readouterr().out
    assert not RAW.search(printed)
    assert tomllib.loads(printed)["data"]["source"] == ESCAPE + TURNED + DELETE


def test_hostile_class_and_data_names_are_text_in_every_output(condense) -> None:
    source = f"pictures {ESCAPE}{TURNED}"
    write_classes(Path(source), tuple(name.replace("/", "_") for name in NAMES))
    Path(source, NAMES[0], "broken\x1b]0;title\x07.png").write_bytes(b"no picture")
    said = [condense("data", "show", source), condense("data", "show", source, "--json")]
    small = [word for word in FAST if "width" not in word and "batch" not in word]
    said.append(condense("run", "-d", source, "-i", 1, "--skip-bad", "-m", "random", *small[2:], "evaluation.networks=1", "-o", "out"))
    said += [condense("show", "out"), condense("show", "out", "--json"), condense("run", "-c", "out/settings.json", "--print-config")]
    card = dict(CondensedSet.load("out").card)
    card |= {"note": f"# note\n{ACTIVE}{ESCAPE}", "scores": {ACTIVE: ESCAPE}}
    card["settings"] = {**card["settings"], "method": {"name": f"m`{ACTIVE}\n# h{ESCAPE}"}}
    card["data"] = {**card["data"], "name": f"{ACTIVE}\n## data{TURNED}"}
    CondensedSet(CondensedSet.load("out").images, card).save("other.safetensors")
    said += [condense("show", "other.safetensors"), condense("export", "other.safetensors", "--to", "png", "-o", "png")]
    said += [condense("export", "other.safetensors", "--to", "hub", "-o", "hub"), condense("evaluate", "other.safetensors", *FAST)]
    said += [condense("data", "show", f"no{ESCAPE}\n{TURNED}"), condense("show", f"no{ESCAPE}"), condense("run", "-m", f"{ESCAPE}")]
    said.append(condense("run", "-d", source, f"method.{ESCAPE}=1"))
    codes = [code for code, *_ in said]
    assert codes == [0, 0, 0, 0, 0, 0, 0, 0, 0, *codes[9:10], 2, 2, 2, 2], said
    for _, *texts in said:
        for text in texts:
            assert not RAW.search(CODES.sub("", text) if "\x1b[1m" in text else text), repr(text)
    assert "a\\u001b[31mred" in said[0][1]
    assert set(json.loads(said[1][1])["classes"]) >= {ESCAPE, TURNED} or ESCAPE in said[1][1].encode().decode("unicode_escape")
    for page in (Path("png/README.md"), Path("hub/README.md")):
        text = page.read_text(encoding="utf-8")
        assert not RAW.search(text)
        assert active(text) == []
        assert not re.search(r"^(# note|## data|# h)", text, re.MULTILINE)
        assert "&lt;script>" in text


def test_a_recipe_on_a_card_is_no_code_of_an_export(condense) -> None:
    assert condense("run", "-d", "digits", "-i", 1, "-m", "random", "evaluation.networks=0", "-o", "out", "-q")[0] == 0
    saved = CondensedSet.load("out")
    recipe = {"lr": "0.1)\n```\n<script>", "epochs": "__import__('os').system('touch canary')"}
    for key in recipe:
        evaluation = {"network": {"name": "convnet"}, "recipe": {key: recipe[key]}}
        CondensedSet(saved.images, {**saved.card, "settings": {"evaluation": evaluation}}).save("bad.safetensors")
        code, _, error = condense("export", "bad.safetensors", "--to", "png", "-o", "png")
        assert code == 2
        assert key in error


def test_the_report_of_a_study_has_no_markup_of_others(condense) -> None:
    label = f"<script> [x](y) {ESCAPE}{TURNED} $\\frac$"
    rows = [{"label": label, "method": {"name": "random"}, "evaluation": {}, "published": "none"}]
    Path("rows.json").write_text(json.dumps({"data": "digits", "rows": rows}))
    words = ("--ipc", 1, "--seeds", 1, "--networks", 1, "--epochs", 1, "network.width=4", "-o", "table")
    code, *texts = condense("table", "-c", "rows.json", *[word for word in words if word != "network.width=4"])
    assert code == 0, texts
    code, *more = condense("table", "table")
    assert code == 0
    assert not any(RAW.search(text) for text in (*texts, *more))
    page = Path("table/table.md").read_text(encoding="utf-8")
    assert not RAW.search(page)
    assert active(page) == []
    assert "&lt;script>" in page
