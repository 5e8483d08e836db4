"""Pickle files: arrays and simple values are read, everything else is refused."""

import os
import pickle
import pickletools
import re
import subprocess
import tracemalloc

import numpy as np
import pytest

from condensation.core.errors import CondensationError
from condensation.data.formats.safe_pickle import OPERATIONS, read_pickle
from tests.data.official import images, python2
from tests.data.refusals import refusal

ARRAY = images(6, (5,))
PLAIN = {"data": ARRAY, "labels": [0, 1, 300, -1], "names": ["a", "é"], "more": {"x": (1, 2.5, None, True)}}


def assert_same(content):
    assert np.array_equal(content.pop("data"), ARRAY)
    assert content == {key: value for key, value in PLAIN.items() if key != "data"}


@pytest.mark.parametrize("protocol", range(6))
def test_python_3_pickles_are_read(protocol):
    # Protocols 0 and 1 have no operation for bytes: the content of the array is encoded text.
    assert_same(read_pickle(pickle.dumps(PLAIN, protocol), "file"))


def test_python_2_pickles_are_read():
    content = read_pickle(python2({"data": ARRAY, "labels": [0, 255, 70_000], "names": ["a", "b"]}), "file")
    assert np.array_equal(content["data"], ARRAY)
    assert (content["labels"], content["names"]) == ([0, 255, 70_000], ["a", "b"])


def test_the_python_2_of_the_tests_is_what_python_reads():
    content = pickle.loads(python2({"data": ARRAY, "labels": [3, 300]}), encoding="bytes")
    assert np.array_equal(content[b"data"], ARRAY)
    assert content[b"labels"] == [3, 300]


@pytest.mark.parametrize("kind", ["<i4", ">u2", "i8"])
def test_other_whole_numbers_are_read(kind):
    array = np.arange(6, dtype=kind).reshape(2, 3)
    assert np.array_equal(read_pickle(pickle.dumps({"x": array}, 2), "file")["x"], array)
    assert np.array_equal(read_pickle(pickle.dumps({"x": np.asfortranarray(array)}, 4), "file")["x"], array)


class Calls:
    """Object whose pickle calls ``what``."""

    def __init__(self, what, *arguments):
        self.made = what, arguments

    def __reduce__(self):
        return self.made


def asks(line, arguments=b")"):
    """Return a pickle that calls the global in ``line``."""
    return b"\x80\x02}U\x01xc" + line + b"\n" + arguments + b"Rs."


POISONED = {
    "system": asks(b"os\nsystem", b"(U\x04true\x85t"),
    "posix": asks(b"posix\nsystem"),
    "nt": asks(b"nt\nsystem"),
    "eval": asks(b"builtins\neval", b"U\x011\x85"),
    "old eval": asks(b"__builtin__\neval"),
    "exec": asks(b"builtins\nexec"),
    "getattr": asks(b"builtins\ngetattr"),
    "open": asks(b"builtins\nopen"),
    "import": asks(b"builtins\n__import__"),
    "import_module": asks(b"importlib\nimport_module"),
    "attrgetter": asks(b"operator\nattrgetter"),
    "partial": asks(b"functools\npartial"),
    "Popen": asks(b"subprocess\nPopen"),
    "copyreg": asks(b"copy_reg\n_reconstructor"),
    "numpy.load": asks(b"numpy\nload"),
    "numpy.memmap": asks(b"numpy\nmemmap"),
    "a function of NumPy that runs code": asks(b"numpy.testing._private.utils\nrunstring"),
    "frombuffer of a global": asks(b"numpy.core.multiarray\nfrombuffer"),
    "scalar": asks(b"numpy.core.multiarray\nscalar"),
    "a chain of names": pickle.dumps({"x": Calls(os.path.join)}, 4).replace(b"join", b"os.a"),
    "this package": asks(b"condensation.data.formats.safe_pickle\nread_pickle"),
}


@pytest.mark.parametrize("name", POISONED)
def test_a_global_is_refused_by_its_name(name):
    assert re.search(r"the file requests '[\w.]+'", refusal(read_pickle, POISONED[name], "the file").message)


def test_a_global_need_not_be_called_to_be_refused():
    assert "'os.system'" in refusal(read_pickle, b"\x80\x02}U\x01xcos\nsystem\ns.", "the file").message


def test_nothing_is_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for call in (Calls(os.system, "touch ran"), Calls(subprocess.Popen, ["touch", "ran"]), Calls(open, "ran", "w"), Calls(os.mkdir, "ran")):
        for protocol in range(6):
            assert "could run code" in refusal(read_pickle, pickle.dumps({"data": call}, protocol), "the file").message
    assert list(tmp_path.iterdir()) == []


def test_no_module_is_imported(tmp_path, monkeypatch):
    (tmp_path / "trap.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert "'trap.x'" in refusal(read_pickle, asks(b"trap\nx"), "the file").message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (asks(b"numpy.core.multiarray\n_reconstruct", b"(cnumpy\ndtype\nK\x00\x85U\x01bt"), "of non-"),
        (asks(b"numpy.core.multiarray\n_reconstruct", b"(U\x01xK\x00\x85U\x01bt"), "of non-"),
        (asks(b"numpy\nndarray", b"K\x05\x85"), "of non-"),
        (asks(b"numpy\ndtype", b"U\x01O\x85"), "of non-"),
        (asks(b"numpy\ndtype", b"U\x02f8\x85"), "of non-"),
        (asks(b"numpy\ndtype", b"U\x04O8,O\x85"), "of non-"),
        (asks(b"_codecs\nencode", b"X\x01\x00\x00\x00xX\x03\x00\x00\x00zip\x86"), "of non-"),
        (pickle.dumps({"x": np.array([os.getcwd, None], dtype=object)}, 2), "could run code"),
        (pickle.dumps({"x": np.array([None], dtype=object)}, 2), "of non-"),
        (b"\x80\x02}U\x01x\x82\x01s.", "operation EXT1"),
        (b"\x80\x02}U\x01xU\x01yQs.", "operation BINPERSID"),
        (b"\x80\x02}U\x01x(ios\nsystem\ns.", "operation INST"),
        (b"\x80\x02}U\x01x)cnumpy\nndarray\n)\x81s.", "operation NEWOBJ"),
        (b"\x80\x02}cnumpy\nndarray\n}b.", "state of an object"),
    ],
)
def test_other_ways_to_make_objects_are_refused(content, words):
    message = refusal(read_pickle, content, "the file").message
    assert words in message
    assert "could run code" in message


def array_of(shape, raw):
    kind = b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    return (
        b"\x80\x02}U\x01xcnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR(K\x01"
        + shape
        + kind
        + b"\x89"
        + raw
        + b"tbs."
    )


HUGE = b"\x8a\x06\x00\x00\x00\x00\x00\x40"  # 2**46
BOMBS = {
    "an array without its content": array_of(HUGE + b"\x85", b"U\x01a"),
    "many sides": array_of(b"(" + 40 * HUGE + b"t", b"U\x01a"),
    "a list as a side": array_of(b"](K\x01K\x02eM\xff\xff\x86", b"U\x01a"),
    "a negative side": array_of(b"J\xff\xff\xff\xff\x85", b"U\x01a"),
    "a missing long text": b"\x80\x02}U\x01xT\xff\xff\xff\x7fabcs.",
    "missing bytes": b"\x80\x04}U\x01x\x8e\x00\x00\x00\x00\x00\x10\x00\x00abcs.",
    "a missing bytearray": b"\x80\x05}U\x01x\x96\x00\x00\x00\x00\x00\x10\x00\x00abcs.",
    "a missing long number": b"\x80\x02}U\x01x\x8b\xff\xff\xff\x7fabcs.",
    "the state of a dictionary": b"\x80\x02}}U\x01xK\x01sb.",
    # Each tuple contains the one before twice, so that hashing the last takes 2^40 steps.
    "doubled tuples as a name": b"\x80\x02}K\x01\x85q\x00" + 40 * b"h\x00h\x00\x86q\x00" + b"K\x01s.",
    "a place far up in the memo": b"\x80\x02}r\xff\xff\xff\x7fj\xfe\xff\xff\x7f.",
}


@pytest.mark.parametrize("name", BOMBS)
def test_memory_bombs_are_refused(name):
    tracemalloc.start()
    try:
        assert "damaged" in refusal(read_pickle, BOMBS[name], "the file").message
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_deep_nesting_does_not_end_the_program():
    deep = b"(" * 100_000 + b"t" * 100_000
    # As a name in a dictionary, where it would be hashed, and as the shape of an array, which the message would show.
    for content in (b"\x80\x02}" + deep + b"K\x01s.", array_of(deep, b"U\x01a")):
        assert "damaged" in refusal(read_pickle, content, "the file").message


def test_damage_is_noticed_or_harmless():
    whole = python2({"data": ARRAY, "labels": [1, 2], "names": ["a"]})
    for keep in range(len(whole)):
        refusal(read_pickle, whole[:keep], "the file")
    for place in range(len(whole)):
        for bit in (1, 16, 128):
            damaged = bytearray(whole)
            damaged[place] ^= bit
            try:
                read_pickle(bytes(damaged), "the file")
            except CondensationError:
                pass


def test_other_values_than_dictionaries_are_refused():
    for value in (3, [1], None, ARRAY):
        assert "dictionary" in refusal(read_pickle, pickle.dumps(value, 2), "the file").message


def test_every_operation_is_one_that_pickles_have():
    assert set(OPERATIONS) <= {operation.name for operation in pickletools.opcodes}


def test_messages_stay_short():
    assert len(str(refusal(read_pickle, b"\x80\x02c" + b"m" * 100_000 + b"\nx\n.", "the file"))) < 500
