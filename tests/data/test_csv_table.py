"""CSV tables of paths and labels."""

import pytest

from condensation.data.formats.csv_table import read_rows
from condensation.data.load import load

from .pictures import picture
from .refusals import refusal


def write(folder, text, count=12, encoding="utf-8"):
    """A table, and ``count`` pictures in a folder beside it."""
    (folder / "in").mkdir(exist_ok=True)
    for index in range(count):
        picture(index).save(folder / "in" / f"{index}.png")
    (folder / "table.csv").write_text(text, encoding=encoding)
    return folder / "table.csv"


def rows(labels, delimiter=",", header="path,label"):
    lines = [header.replace(",", delimiter)]
    return "\n".join([*lines, *(f"in/{index}.png{delimiter}{label}" for index, label in enumerate(labels))])


CATS = ["cat", "dog"] * 6


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_any_delimiter(tmp_path, delimiter):
    data = load(write(tmp_path, rows(CATS, delimiter)))
    assert data.name == "table"
    assert data.train.class_names == ("cat", "dog")
    assert len(data.train) + len(data.test) == 12
    assert data.train.shape == (3, 8, 10)


@pytest.mark.parametrize(
    "header",
    ["path,label", "PATH, Label", "file,class", "filename,target", "image,label", "file_name,label", '"path","label"'],
)
def test_usual_names_of_columns(tmp_path, header):
    assert load(write(tmp_path, rows(CATS, header=header))).train.class_names == ("cat", "dog")


def test_further_columns_and_their_order_do_not_matter(tmp_path):
    text = "weight,label,note,path\n" + "\n".join(f'1,{label},"a, b",in/{index}.png' for index, label in enumerate(CATS))
    assert load(write(tmp_path, text)).train.class_names == ("cat", "dog")


def test_columns_may_be_named(tmp_path):
    table = write(tmp_path, rows(CATS, header="where,what"))
    error = refusal(load, table)
    assert error.setting == "data.columns"
    assert "where, what" in error.message
    assert load(table, columns=("where", "what")).train.class_names == ("cat", "dog")
    assert "'nothing'" in refusal(load, table, columns=("where", "nothing")).message


def test_whole_numbers_are_classes_in_their_order(tmp_path):
    data = load(write(tmp_path, rows(["10", "9", "100"] * 4)))
    assert data.train.class_names == ("9", "10", "100")


def test_names_are_kept_in_natural_order(tmp_path):
    assert load(write(tmp_path, rows(["b2", "b10", "été"] * 4))).train.class_names == ("b2", "b10", "été")


def test_the_right_image_has_the_right_label(tmp_path):
    table = write(tmp_path, rows(["z", "a"] * 6) + "\n")
    read = read_rows(table).rows
    assert [(row.line, row.path, row.label) for row in read[:2]] == [(2, "in/0.png", "z"), (3, "in/1.png", "a")]
    text = "path,label,split\n" + "\n".join(f"in/{i}.png,{'za'[i % 2]},{'test' if i > 7 else 'train'}" for i in range(12))
    data = load(write(tmp_path, text))
    assert data.train.class_names == ("a", "z")
    assert [int(image[0, 0, 0]) for image in data.test.images] == [picture(i).getpixel((0, 0))[0] for i in (9, 11, 8, 10)]


@pytest.mark.parametrize("names", [("test",), ("val",), ("val", "test")])
def test_a_split_is_followed(tmp_path, names):
    splits = ["Train"] * (12 - 2 * len(names)) + [name for name in names for _ in range(2)]
    text = "path,label,split\n" + "\n".join(f"in/{i}.png,{CATS[i]},{split}" for i, split in enumerate(splits))
    data = load(write(tmp_path, text))
    assert (len(data.train), len(data.test)) == (splits.count("Train"), 2)
    assert data.note == ("Found the splits test and val; test is the test split." if len(names) > 1 else "")


def test_paths_may_be_absolute(tmp_path):
    text = "path,label\n" + "\n".join(f"{tmp_path / 'in' / f'{i}.png'},{CATS[i]}" for i in range(12))
    (tmp_path / "elsewhere").mkdir()
    write(tmp_path, "")
    (tmp_path / "elsewhere" / "t.csv").write_text(text)
    assert len(load(tmp_path / "elsewhere" / "t.csv").train) == 10


def test_a_byte_order_mark_and_empty_lines_are_ignored(tmp_path):
    assert load(write(tmp_path, rows(CATS) + "\n\n,\n", encoding="utf-8-sig")).train.class_names == ("cat", "dog")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", "empty"),
        ("path,label\n", "no images"),
        ("path,nothing\nin/0.png,cat", "path, nothing"),
        ("in/0.png,cat\nin/1.png,dog", "in/0.png, cat"),
        ("path,label\nin/0.png,cat\nin/1.png", "line 3"),
        ("path,label\nin/0.png,cat\nin/1.png,", "line 3: the label"),
        ("path,label\nin/0.png,cat\n,dog", "line 3: the path"),
        ("path,label\nin/0.png,cat\nin/none.png,dog", "line 3: in/none.png"),
        ("path,label,split\nin/0.png,cat,train\nin/1.png,cat,mine", "line 3: the split is 'mine'"),
        ("path,label,split\nin/0.png,cat,test", "training part"),
        ("path,label,split\nin/0.png,a,train\nin/1.png,b,train\nin/2.png,c,test", "class 'c'"),
    ],
)
def test_errors_name_line_and_value(tmp_path, text, value):
    assert value in refusal(load, write(tmp_path, text)).message


def test_a_table_that_is_not_text(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"path,label\n\xff\xfe,a\n")
    assert "byte 11" in refusal(load, tmp_path / "t.csv").message


def test_skip_bad_skips_missing_and_bad_files(tmp_path):
    table = write(tmp_path, rows([*CATS, "dog"]))
    (tmp_path / "in" / "3.png").write_bytes(b"no image")
    assert f"{table}, line 14: in/12.png" in refusal(load, table).message
    data = load(table, skip_bad=True)
    assert data.details["skipped"]["count"] == 2
    assert [image["name"] for image in data.details["skipped"]["images"]] == [f"{table}, line 5: in/3.png", f"{table}, line 14: in/12.png"]


def test_a_table_is_cached_until_it_or_an_image_changes(tmp_path, monkeypatch):
    from condensation.data.decode import parallel as decoding

    monkeypatch.setenv("CONDENSATION_CACHE", str(tmp_path / "cache"))
    counts = []
    decode_file = decoding.decode_file
    monkeypatch.setattr(decoding, "decode_file", lambda path, options: counts.append(path) or decode_file(path, options))
    table = write(tmp_path, rows(CATS))
    load(table)
    load(table)
    assert len(counts) == 12
    picture(99).save(tmp_path / "in" / "0.png")
    load(table)
    assert len(counts) == 24
    table.write_text(rows(["cat"] * 6 + ["dog"] * 6))
    assert load(table).train.counts == {0: 5, 1: 5}
    assert len(counts) == 36


def test_a_table_here_needs_no_slash(tmp_path, monkeypatch):
    write(tmp_path, rows(CATS))
    monkeypatch.chdir(tmp_path)
    assert load("table.csv").name == "table"


def folded(column="fold", values=range(5)):
    return f"path,label,{column}\n" + "\n".join(f"in/{i}.png,{CATS[i]},{values[i % len(values)]}" for i in range(12))


def first_pixels(images):
    return [int(image[0, 0, 0]) for image in images.images]


def pixels_of(*indices):
    return [picture(index).getpixel((0, 0))[0] for index in indices]


def test_a_fold_is_ignored_or_chosen(tmp_path):
    table = write(tmp_path, folded())
    data = load(table)
    assert (len(data.train), len(data.test)) == (10, 2)
    assert "'fold' was ignored" in data.note
    data = load(table, fold=1)
    assert first_pixels(data.test) == pixels_of(6, 1, 11)
    assert len(data.train) == 9
    assert "fold 1" in data.note
    assert load(table, fold="1").test.fingerprint() == data.test.fingerprint()
    assert refusal(load, table, fold=7).setting == "data.fold"
    assert refusal(load, write(tmp_path, rows(CATS)), fold=0).setting == "data.fold"


def test_a_value_of_the_split_column_is_chosen(tmp_path):
    table = write(tmp_path, folded("part", ["mine", "mine", "yours"]))
    data = load(table, train="mine", test="yours")
    assert first_pixels(data.test) == pixels_of(2, 8, 5, 11)
    assert len(data.train) == 8


def test_paths_without_ending_and_with_backslashes(tmp_path):
    expected = load(write(tmp_path, rows(CATS))).train.fingerprint()
    for text in (rows(CATS).replace(".png", ""), rows(CATS).replace("/", "\\")):
        assert load(write(tmp_path, text)).train.fingerprint() == expected
    text = rows(CATS).replace(".png", "")
    picture(50).save(tmp_path / "in" / "3.jpg")
    assert "3.jpg or 3.png" in refusal(load, write(tmp_path, text)).message


def one_hot(rows_of_bits, header="image,MEL,AKIEC"):
    return f"{header}\n" + "\n".join(f"in/{index},{bits}" for index, bits in enumerate(rows_of_bits))


def test_a_column_per_class(tmp_path):
    text = one_hot(["1.0,0.0", "0.0,1.0"] * 6)
    data = load(write(tmp_path, text), skip_bad=True)
    assert data.train.class_names == ("MEL", "AKIEC")
    assert set(first_pixels(data.train) + first_pixels(data.test)) == set(pixels_of(*range(12)))
    assert set(first_pixels(data.train)[:5]) <= set(pixels_of(0, 2, 4, 6, 8, 10))
    more = one_hot(["1,0,7,1", "0,1,8,0"] * 6, "image,MEL,AKIEC,age,left")
    assert "line 2 has the classes MEL and left" in refusal(load, write(tmp_path, more)).message
    named = load(write(tmp_path, more), columns=("image", "AKIEC", "MEL"))
    assert named.train.class_names == ("AKIEC", "MEL")


@pytest.mark.parametrize(("bits", "value"), [("1,1", "MEL and AKIEC"), ("0,0", "no class")])
def test_rows_of_no_or_several_classes_are_refused(tmp_path, bits, value):
    error = refusal(load, write(tmp_path, one_hot(["1,0", "0,1", bits, "1,0"])))
    assert "line 4" in error.message
    assert value in error.message


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be-bom"])
def test_encodings_of_spreadsheets(tmp_path, encoding):
    text = "sep=;\r\n" + rows(["été", "海"] * 6, ";").replace("\n", "\r\n")
    table = write(tmp_path, text)
    table.write_bytes(b"\xfe\xff" + text.encode("utf-16-be") if encoding == "utf-16-be-bom" else text.encode(encoding))
    assert load(table).train.class_names == ("été", "海")
    table.write_bytes(rows(["été", "thé"] * 6).encode("cp1252"))
    error = refusal(load, table)
    assert "UTF-8" in error.message
    assert "UTF-8" in error.hint


def test_quoted_line_breaks_and_line_numbers(tmp_path):
    text = 'path,note,label\nin/0.png,"a\nb",cat\nin/1.png,x,dog\nin/2.png,"y\nz",cat\nin/3.png,,dog\nin/none.png,,dog\n'
    assert "line 8" in refusal(load, write(tmp_path, text)).message
    assert load(write(tmp_path, text), skip_bad=True).train.class_names == ("cat", "dog")


def test_one_image_with_two_labels_is_refused(tmp_path):
    message = refusal(load, write(tmp_path, rows(CATS) + "\n./in/0.png,dog")).message
    assert "line 14" in message
    assert "line 2" in message
    assert len(load(write(tmp_path, rows(CATS) + "\nin/0.png,cat")).train) == 11


def test_names_that_differ_in_case_are_told_and_spaces_are_not_part_of_them(tmp_path):
    assert "'Cat' and 'cat'" in load(write(tmp_path, rows(["cat", "Cat", " dog "] * 4))).note
    assert load(write(tmp_path, rows([" cat", "cat ", "dog"] * 4))).train.class_names == ("cat", "dog")


def test_null_bytes_are_no_text(tmp_path):
    (tmp_path / "t.csv").write_bytes("path,label\na,b\n".encode("utf-16-le"))
    assert "null bytes" in refusal(load, tmp_path / "t.csv").message
