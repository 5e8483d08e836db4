"""Odd places: names, links, pipes, encodings, disks that are full or read-only, results inside the data, folders that moved."""

import os
import shutil
from pathlib import Path

from tests.campaigns import full, recipes
from tests.campaigns.corpus import image_files, made, write
from tests.campaigns.trial import Fault, Trial, check, check_message, results, same

NAMES = (
    *(
        "with space",
        "café",
        "cafe\u0301",
        "日本語",
        "line\nbreak",
        "\x1b[31mred\x07",
        "\x1b]0;title\x07",
        "-rf",
        "--help",
        "[bold]x[/]",
        "%s%n",
        "a'b\"c",
    ),
    *(
        "x" * 240,
        "CON",
        "a:b",
        "a|b",
        "*?",
        "#1",
        "$HOME",
        "~",
        "{0}",
        "\udcff\udcfe",
        "\u202egnp",
        ".hidden",
        "trailing.",
        "a\\b",
        "tab\there",
        "=",
        "a=b",
    ),
    *(
        "<script>",
        "`id`",
        "😀",
        "hf:x",
        "http:",
        "digits",
        "set.safetensors",
        "settings.json",
        "none",
        "0",
        "\x7f",
        "\x85",
        "&amp;",
        "a,b",
        "\u200b",
    ),
)
ALPHABET = "ab é́漢\n\t\x1b[]-=:/\\'\"$%{}<>|*?#~😀\u202e\x7f\x9b,;&"
ENCODINGS = ("cp1252", "ascii", "latin-1", "utf-8", "cp437", "shift_jis")
CYCLE = ("names", "names", "links", "encodings", "disks", "read-only", "inside", "moved", "names", "file sizes")
SET = "theirs.safetensors"


def trial(trial: Trial) -> None:
    """Use one odd place."""
    trial.part = CYCLE[trial.number % len(CYCLE)]
    {
        **{"names": names, "links": links, "encodings": encodings, "disks": full.full_disk, "read-only": full.read_only},
        **{"inside": inside_data, "moved": moved, "file sizes": full.file_sizes},
    }[trial.part](trial)


def names(trial: Trial) -> None:
    """Use an odd name for an input or an output; the result is that of a plain name, or a refusal."""
    rng = trial.rng
    name = rng.choice(NAMES) if rng.random() < 0.6 else "".join(rng.choices(ALPHABET, k=rng.randint(1, 12))).strip("/") or "x"
    where = rng.choice(("out", "data", "class", "set", "export", "study", "picture", "setting"))
    trial.doing = f"{where} named {name!r}"
    write(trial.folder, image_files())
    shutil.copy(made(trial.corpus, "run-dm") / "out" / "set.safetensors", trial.folder / SET)
    path = Path(name) if not name.startswith("-") else Path("./" + name)
    try:
        if where == "data":
            (trial.folder / "pets").rename(trial.folder / path)
        elif where == "class":
            (trial.folder / "pets" / "cat").rename(trial.folder / "pets" / path)
        elif where == "set":
            (trial.folder / SET).rename(trial.folder / path)
    except OSError:
        trial.doing += " (no name of this system)"
        return
    shown = f"./{path}"
    commands = {
        "out": [recipes.run("random", shown), ["show", shown, "-o", "made.png"]],
        "data": [recipes.read(shown), ["data", "show", shown, "-o", "made.png"]],
        "class": [recipes.read("pets"), ["show", "out", "-o", "made.png"], ["export", "out", "--to", "hub", "-o", "made"]],
        "set": [["show", shown, "-o", "made.png"], ["export", shown, "--to", "png", "-o", "made"]],
        "export": [["export", SET, "--to", rng.choice(recipes.EXPORTS), "-o", shown]],
        "study": [[*recipes.STUDIES["theory"], "-o", shown], ["theory", shown]],
        "picture": [["show", SET, "-o", shown]],
        "setting": [recipes.read(name), [name], ["export", SET, "--to", name], ["run", f"{name}=1"], ["run", "-m", name], ["table", name]],
    }[where]
    codes = [trial.run(command).code for command in commands]
    plain = (
        name.isascii() and name.isprintable() and len(name) < 100 and not set(name) & set('\\/:*?"<>|=$~{}[]%') and name.strip(". ") == name
    )
    if plain and where in ("out", "class", "export") and any(codes):
        raise Fault(f"a plain name was refused: {codes}")
    if where == "out" and not codes[0] and not (trial.folder / path / "set.safetensors").exists():
        raise Fault("the set is not where it was asked for")


def links(trial: Trial) -> None:
    """Read data among links, pipes, devices and folders that contain themselves."""
    write(trial.folder, image_files())
    way = trial.rng.choice(
        ("loop", "dangling", "device", "fifo", "fifo data", "device data", "linked data", "linked class", "csv", "outside")
    )
    trial.doing = way
    pets = trial.folder / "pets"
    data = "pets"
    if way == "loop":
        (pets / "cat" / "again").symlink_to(pets)
    elif way == "dangling":
        (pets / "cat" / "9.png").symlink_to("nowhere.png")
    elif way == "device":
        (pets / "cat" / "9.png").symlink_to("/dev/zero")
    elif way == "fifo":
        os.mkfifo(pets / "cat" / "9.png")
    elif way in ("fifo data", "device data"):
        data = f"data.{trial.rng.choice(('npz', 'csv', 'parquet', 'mat', 'tar.gz', 'zip'))}"
        os.mkfifo(trial.folder / data) if way == "fifo data" else (trial.folder / data).symlink_to("/dev/zero")
    elif way == "linked data":
        (trial.folder / "link").symlink_to("pets")
        data = "link"
    elif way == "linked class":
        (pets / "dog").rename(trial.folder / "dogs")
        (pets / "dog").symlink_to("../dogs")
    elif way == "csv":
        bad = trial.rng.choice(("/dev/zero", "../../../../etc/passwd", "x.fifo", ".", "/dev/stdin", "x" * 5000))
        os.mkfifo(trial.folder / "x.fifo")
        data = "table.csv"
        rows = [f"pets/cat/{index}.{ending},cat" for index, ending in ((0, "png"), (1, "jpg"))] + [
            f"pets/dog/{index}.png,dog" for index in (0, 0)
        ]
        (trial.folder / data).write_text("\n".join(["path,label", *rows, f"{bad},cat"]))
    else:
        (pets / "cat" / "9.png").symlink_to("/etc/passwd")
    result = trial.run(recipes.read(data, "out", *trial.rng.choice(((), ("--skip-bad",)))), seconds=60.0)
    if way in ("linked data", "linked class"):
        if result.code:
            raise Fault(f"refused: {result.err}")
        reference(trial)


def reference(trial: Trial) -> None:
    """Raise Fault unless ``out`` has the set that the plain folder gives."""
    expected = made(trial.corpus, "cached") / "out" / "set.safetensors"
    from tests.campaigns.damage import header_parts

    if header_parts(trial.folder / "out" / "set.safetensors")[1] != header_parts(expected)[1]:
        raise Fault("another set than from the plain folder")


def encodings(trial: Trial) -> None:
    """Print names that the encoding of the terminal lacks."""
    encoding = trial.rng.choice(ENCODINGS)
    write(trial.folder, {name.replace("cat", "猫é"): content for name, content in image_files().items()})
    commands = [
        ["data", "show", "pets", "-o", "made.png"],
        recipes.read("pets")[:-1],
        ["show", "out", "-o", "made2.png"],
        ["show", "out", "--json", "-o", "b.png"],
    ]
    commands += [["methods"], ["run", "-d", "猫"], ["export", "out", "--to", "hub", "-o", "hub"]]
    trial.doing = encoding
    for command in commands:
        result = trial.run([one for one in command if one != "-q"], environment={"PYTHONIOENCODING": encoding})
        if result.code and command[-1] != "猫":
            raise Fault(f"{command[:2]} ended with {result.code}: {result.err}")


def inside_data(trial: Trial) -> None:
    """Write results into the data folder, twice; they are never read as data."""
    write(trial.folder, image_files())
    folder = trial.folder / "pets"
    shutil.copy(made(trial.corpus, "run-dm") / "out" / "set.safetensors", trial.folder / SET)
    trial.doing = way = trial.rng.choice(("run", "export", "picture", "study", "default"))
    first = {
        "run": [recipes.read(".", "out")],
        "default": [[one for one in recipes.read(".") if one not in ("-o", "out")]],
        "export": [["export", f"../{SET}", "--to", "png", "-o", "exported"]],
        "picture": [["data", "show", ".", "-o", "made.png"]],
        "study": [
            [
                "theory",
                "-d",
                ".",
                "-q",
                "--networks",
                "1",
                "epochs=[0,1]",
                "pairs=3",
                "ipc=2",
                "batch_per_class=2",
                "network.width=4",
                "-o",
                "study",
            ]
        ],
    }[way]
    for command in first:
        check(trial.command(command, folder=folder).start().result(), " ".join(command[:3]))
    shutil.rmtree(trial.folder / "out", ignore_errors=True)
    result = trial.run(recipes.read("pets"))
    if result.code:
        return check_message(result.err, "the second run")
    reference(trial)


def moved(trial: Trial) -> None:
    """Move a run or a study that was begun, and continue it: the same bytes."""
    shutil.copytree(made(trial.corpus, "begun"), trial.folder / "away")
    name = trial.rng.choice(("elsewhere", "with space", "é", "deep/er/still"))
    (trial.folder / name).parent.mkdir(parents=True, exist_ok=True)
    (trial.folder / "away" / "out").rename(trial.folder / name)
    if trial.rng.random() < 0.5:
        for path in (trial.folder / name).iterdir():
            os.utime(path, (trial.rng.choice((0, 2**33)),) * 2)
    trial.doing = f"moved to {name!r}"
    result = trial.run([*recipes.run("dm", name), "--resume"])
    if result.code:
        raise Fault(f"not resumed: {result.err}")
    shutil.rmtree(trial.folder / "away")
    same(results(trial.folder / name), results(made(trial.corpus, "run-dm") / "out"), "after the move")
