"""Files to a data set: from folders and archives, resumed, each recording once, a piece in one split, at any size."""

import csv
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.errors import RequestError
from engine.midi import read_midi, write_midi
from engine.performance import Note, Performance
from engine.training import prepare as preparing
from engine.training.dataset import (
    EVENT,
    INDEX,
    MOST_OPEN,
    SHARDS,
    SPLITS,
    Dataset,
    Piece,
    open_shard,
    save_index,
    save_shard,
    shard_path,
)
from engine.training.duplicates import NEIGHBOURS, is_same_recording, runs, same_recordings, sketch
from engine.training.prepare import LEFT_OUT, performance_events, prepare
from engine.training.sources import LARGEST, File, Known
from engine.training.verify import summary, verify
from engine.training.windows import WindowConfig, Windows
from tests.engine.small import made_up, made_up_data
from tests.test_imports import MODULES, imports, module_name

ROOT = Path(__file__).parents[2]
SPLIT_OF = {"a/one.mid": "train", "a/two.midi": "train", "three.MID": "validation", "b/c/four.kar": "test"}


def faults(steps: Iterator[tuple[int, int, str]]) -> list[str]:
    return [fault for _, _, fault in steps if fault]


def all_pieces(folder: Path) -> dict[str, Piece]:
    return {piece.path: piece for split in SPLITS for piece in Dataset(folder, split).pieces}


def rows_of(folder: Path, path: str) -> list:
    piece = all_pieces(folder)[path]
    return np.asarray(Dataset(folder, piece.split).events[piece.first : piece.after]).tolist()


def another_player(performance: Performance, seed: int = 9) -> Performance:
    random = np.random.default_rng(seed)
    notes = [note._replace(velocity=int(random.integers(20, 120))) for note in performance.notes]
    return Performance.of(notes, performance.pedals)


def write_catalogue(folder: Path, rows: list[dict[str, str]]) -> None:
    with (folder / "catalogue.csv").open("w", newline="") as out:
        writer = csv.DictWriter(out, ["path", "split", "piece_id", "composer", "performer"])
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four performances in folders, without a catalogue."""
    source = tmp_path / "source"
    for seed, path in enumerate(SPLIT_OF):
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        write_midi(source / path, made_up(seed, 10))
    (source / "notes.txt").write_text("no music")
    return source


@pytest.fixture
def catalogued(folder: Path) -> Path:
    rows = [
        {"path": path, "split": split, "piece_id": path[0], "composer": "Bach, J", "performer": f"P of {path}"}
        for path, split in SPLIT_OF.items()
    ]
    write_catalogue(folder, rows)
    return folder


def as_zip(source: Path) -> Path:
    with zipfile.ZipFile(source.with_suffix(".zip"), "w") as archive:
        for path in sorted(source.rglob("*")):
            archive.write(path, path.relative_to(source))
    return source.with_suffix(".zip")


def as_tar(source: Path) -> Path:
    with tarfile.open(source.with_suffix(".tar.xz"), "w:xz") as archive:
        archive.add(source, "./within")
    return source.with_suffix(".tar.xz")


SOURCES = {"folder": lambda source: source, "zip": as_zip, "tar": as_tar}
every_source = pytest.mark.parametrize("kind", SOURCES)


@every_source
def test_a_catalogue_says_split_piece_and_players(catalogued: Path, kind: str, tmp_path: Path) -> None:
    assert not faults(prepare([SOURCES[kind](catalogued)], tmp_path / "data", 1))
    found = all_pieces(tmp_path / "data")
    assert {path: piece.split for path, piece in found.items()} == SPLIT_OF
    assert found["a/one.mid"].composer == "Bach, J"
    assert found["a/two.midi"].performer == "P of a/two.midi"
    assert found["a/one.mid"].piece_id == found["a/two.midi"].piece_id == "a"
    assert rows_of(tmp_path / "data", "a/one.mid") == performance_events(read_midi(catalogued / "a/one.mid")).tolist()


def test_a_catalogue_may_be_named_itself(catalogued: Path, tmp_path: Path) -> None:
    mine = (catalogued / "catalogue.csv").rename(catalogued / "mine.csv")
    assert not faults(prepare([mine], tmp_path / "data", 1))
    assert set(all_pieces(tmp_path / "data")) == set(SPLIT_OF)


@every_source
def test_without_a_catalogue_every_midi_file_is_a_piece_of_its_own(folder: Path, kind: str, tmp_path: Path) -> None:
    list(prepare([SOURCES[kind](folder)], tmp_path / "data", 1))
    found = {Path(path).name: piece for path, piece in all_pieces(tmp_path / "data").items()}
    assert set(found) == {Path(path).name for path in SPLIT_OF}
    assert len({piece.piece_id for piece in found.values()}) == 4
    assert {(piece.composer, piece.performer) for piece in found.values()} == {("", "")}
    assert {piece.split for piece in found.values()} == {"train"}  # too few to spare one


def test_a_piece_without_a_split_falls_in_one_by_its_id() -> None:
    splits = [preparing._split(str(number)) for number in range(10_000)]
    shares = [splits.count(split) / len(splits) for split in SPLITS]
    assert shares == pytest.approx([0.9, 0.05, 0.05], abs=0.01)


def test_sources_are_told_apart(catalogued: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    write_midi(other / "five.mid", made_up(5, 10))
    write_catalogue(other, [{"path": "five.mid", "split": "test", "piece_id": "a", "composer": "", "performer": ""}])
    assert not faults(prepare([catalogued, other], tmp_path / "data", 1))
    found = all_pieces(tmp_path / "data")
    assert found["1-source/a/one.mid"].piece_id == "1-source/a"
    assert found["2-other/five.mid"].piece_id == "2-other/a"
    assert not faults(verify(tmp_path / "data"))


def test_bad_files_are_listed_and_left_out(catalogued: Path, tmp_path: Path) -> None:
    (catalogued / "a/one.mid").write_bytes(b"no music")
    (catalogued / "three.MID").write_bytes(b"MThd" + bytes(LARGEST))
    (catalogued / "b/c/four.kar").unlink()
    with (catalogued / "catalogue.csv").open("a") as out:
        out.write("../secret.mid,test,s,,\n")
    write_midi(tmp_path / "secret.mid", made_up(8, 10))
    found = faults(prepare([catalogued], tmp_path / "data", 1))
    assert [fault.split(":")[0] for fault in found] == ["a/one.mid", "three.MID", "b/c/four.kar", "../secret.mid"]
    assert all(part in fault for part, fault in zip(("readable", "4 MB", "No such", "outside"), found, strict=True))
    assert set(all_pieces(tmp_path / "data")) == {"a/two.midi"}
    lines = [json.loads(line) for line in (tmp_path / "data" / LEFT_OUT).read_text().splitlines()]
    assert {line["path"]: line["path"] + ": " + line["why"] for line in lines} == {f.split(":")[0]: f for f in found}


def test_a_riff_midi_file_is_read(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    write_midi(source / "plain.mid", made_up(0, 10))
    content = (source / "plain.mid").read_bytes()
    (source / "plain.mid").unlink()
    size = len(content).to_bytes(4, "little")
    (source / "wrapped.rmi").write_bytes(
        b"RIFF" + (len(content) + 12).to_bytes(4, "little") + b"RMIDdata" + size + content
    )
    assert not faults(prepare([source], tmp_path / "data", 1))


def test_an_archive_is_not_unpacked(folder: Path, tmp_path: Path) -> None:
    path = as_zip(folder)
    with zipfile.ZipFile(path, "a") as archive:
        archive.write(folder / "a/one.mid", "../../outside.mid")
    before = set(tmp_path.rglob("*"))
    list(prepare([path], tmp_path / "data", 1))
    assert {each for each in tmp_path.rglob("*") if tmp_path / "data" not in (each, *each.parents)} == before


@pytest.mark.parametrize(
    ("catalogue", "part"),
    [
        ("name\none.mid\n", "no path"),
        ("path,split\none.mid,exam\n", "exam"),
        ("path,split,piece_id\none.mid,train,1\ntwo.mid,test,1\n", "two splits"),
        ("path,composer\none.mid,Dvo\x00\xf8\n", "not a table"),
    ],
)
def test_a_wrong_catalogue_is_refused(catalogue: str, part: str, tmp_path: Path) -> None:
    (tmp_path / "catalogue.csv").write_bytes(catalogue.encode("latin-1"))
    with pytest.raises(RequestError, match=part):
        list(prepare([tmp_path], tmp_path / "data", 1))


def test_what_is_no_source_is_refused(tmp_path: Path) -> None:
    (tmp_path / "one.mid").write_bytes(b"MThd")
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 and no more")
    (tmp_path / "empty").mkdir()
    for name, part in (
        ("nowhere", "no folder"),
        ("one.mid", "neither"),
        ("broken.zip", "neither"),
        ("empty", "no MIDI"),
    ):
        with pytest.raises(RequestError, match=part):
            list(prepare([tmp_path / name], tmp_path / "data", 1))


# Going on


def stamps(data: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (data / SHARDS).iterdir()}


def test_killed_it_goes_on_where_it_was(tmp_path: Path) -> None:
    source, data, whole = tmp_path / "source", tmp_path / "data", tmp_path / "whole"
    source.mkdir()
    for seed in range(24):
        write_midi(source / f"{seed:02}.mid", made_up(seed, 40))
    code = (
        "import sys; from pathlib import Path; from engine.training import prepare as p; p.MOST = 2\n"
        "for step in p.prepare([Path(sys.argv[1])], Path(sys.argv[2]), 2): print(*step, flush=True)"
    )
    command = [sys.executable, "-c", code, str(source)]
    with subprocess.Popen([*command, str(data)], cwd=ROOT, stdout=subprocess.PIPE, text=True) as work:
        assert work.stdout is not None
        while not work.stdout.readline().startswith("6 "):
            pass
        os.kill(work.pid, signal.SIGKILL)
        work.stdout.read()  # to its end: the workers have gone too
    kept = {name: stamp for name, stamp in stamps(data).items() if not name.endswith(".part")}
    assert 3 <= len(kept) < 12
    for folder in (data, whole):
        subprocess.run([*command, str(folder)], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    assert kept.items() <= stamps(data).items()
    assert set(stamps(data)) == set(stamps(whole))
    assert (data / INDEX).read_bytes() == (whole / INDEX).read_bytes()
    assert not faults(verify(data))


def test_a_changed_file_is_prepared_anew_and_no_other(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "MOST", 1)
    data = tmp_path / "data"
    list(prepare([folder], data, 1))
    before = stamps(data)
    write_midi(folder / "a/one.mid", made_up(7, 10))
    list(prepare([folder], data, 1))
    assert len(stamps(data)) == len(before) == 4
    assert len(stamps(data).items() & before.items()) == 3
    assert rows_of(data, "a/one.mid") == performance_events(read_midi(folder / "a/one.mid")).tolist()


def test_an_added_file_changes_the_shard_it_falls_in_alone() -> None:
    files = [File(f"{number:04}.mid", Known(), "", None) for number in range(2000)]
    more = [*files[:700], File("0699b.mid", Known(), "", None), *files[700:]]
    before, after = ({tuple(group) for group in map(tuple, preparing._groups(each))} for each in (files, more))
    assert 20 < len(files) / len(before) < 50
    assert len(after - before) <= 5


# Each recording once


def disguised(performance: Performance) -> dict[str, Performance]:
    random = np.random.default_rng(0)
    notes = [
        note._replace(start=note.start + float(random.uniform(0, 0.004)), end=note.end + 0.005)
        for note in performance.notes
    ]
    return {
        "later": performance.shift(3.337),
        "in another encoding": Performance.of(notes, performance.pedals),
        "without pedal": Performance.of(performance.notes),
        "cut": Performance.of(performance.notes[7:-5]),
        "a part": performance.slice(20, 60),
        "slower": performance.stretch(1.02),
    }


@pytest.mark.parametrize("name", disguised(made_up(0, 10)))
def test_a_recording_is_known_in_disguise(name: str) -> None:
    tables = [performance_events(performance) for performance in (made_up(0, 80), disguised(made_up(0, 80))[name])]
    hashes = [runs(table["symbol"], table["velocity"]) for table in tables]
    assert same_recordings(np.stack([sketch(each) for each in hashes]), hashes.__getitem__).tolist() == [0, 0]


def test_another_player_of_the_same_piece_is_another_recording() -> None:
    tables = [performance_events(each) for each in (made_up(0, 80), another_player(made_up(0, 80)), made_up(1, 80))]
    hashes = [runs(table["symbol"], table["velocity"]) for table in tables]
    assert not any(is_same_recording(hashes[0], other) for other in hashes[1:])


def test_recordings_with_a_passage_in_common_with_many_are_found() -> None:
    """A hash that all have hides no pair: a recording has others."""
    random = np.random.default_rng(0)
    own = [np.sort(random.integers(1, 1 << 62, 60).astype(np.uint64)) for _ in range(40)]
    common = np.arange(8, dtype=np.uint64)
    hashes = [np.union1d(common, each) for each in (*own, *own[::-1])]
    same = same_recordings(np.stack([sketch(each) for each in hashes]), hashes.__getitem__)
    assert NEIGHBOURS < 40
    assert same.tolist() == [*range(40), *range(40)[::-1]]


def test_the_longest_of_a_recording_stays_and_its_piece_is_in_one_split(folder: Path, tmp_path: Path) -> None:
    """The same recording under two pieces, in train and in test: all of both pieces go where the one kept is."""
    one = made_up(0, 30)
    write_midi(folder / "cut.mid", Performance.of(one.notes[:-20], one.pedals))
    write_midi(folder / "whole.mid", one)
    write_midi(folder / "other.mid", another_player(one))
    rows = [
        ("cut.mid", "train", "1"),
        ("other.mid", "train", "1"),
        ("whole.mid", "test", "2"),
        ("a/two.midi", "test", "3"),
    ]
    empty = {"composer": "", "performer": ""}
    write_catalogue(folder, [{"path": p, "split": s, "piece_id": i, **empty} for p, s, i in rows])
    assert faults(prepare([folder], tmp_path / "data", 1)) == ["cut.mid: The same recording as whole.mid."]
    found = all_pieces(tmp_path / "data")
    assert {path: (p.split, p.piece_id) for path, p in found.items()} == {
        "other.mid": ("test", "2"),
        "whole.mid": ("test", "2"),
        "a/two.midi": ("test", "3"),
    }
    assert not faults(verify(tmp_path / "data"))


def test_a_file_with_a_catalogue_stays_before_a_longer_one_without(catalogued: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    write_midi(other / "longer.mid", made_up(0, 10).join(Performance.of([Note(0, 1, 60, 64)])))
    assert faults(prepare([other, catalogued], tmp_path / "data", 1)) == [
        "1-other/longer.mid: The same recording as 2-source/a/one.mid."
    ]


# The data set


def test_an_earlier_data_set_gives_the_same_windows(tmp_path: Path) -> None:
    data = made_up_data(tmp_path / "now")
    now, earlier = Dataset(data, "train"), tmp_path / "earlier"
    earlier.mkdir()
    rows = [asdict(piece) for split in SPLITS for piece in Dataset(data, split).pieces]
    np.save(earlier / "events.npy", np.asarray(now.events[0 : len(now.events)]))
    (earlier / "pieces.json").write_text(json.dumps(rows))
    config = WindowConfig(steps=48, style_steps=32)
    both = [Windows(each, config, seed=3) for each in (now, Dataset(earlier, "train"))]
    for index in range(20):
        one, other = (windows[index] for windows in both)
        assert (one.tokens == other.tokens).all()
        assert one.style.tolist() == other.style.tolist()
        assert one.pedal == other.pedal


def test_rows_are_read_only_when_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = Dataset(made_up_data(tmp_path), "train")
    rows = data.events[data.pieces[1].first : data.pieces[1].after][10:400][5:9]
    assert (rows.first, len(rows)) == (data.pieces[1].first + 15, 4)
    assert np.asarray(rows).tolist() == performance_events(made_up(1))[15:19].tolist()
    assert rows["symbol"].tolist() == performance_events(made_up(1))["symbol"][15:19].tolist()


def test_a_folder_that_is_no_data_set_and_a_split_that_is_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="not a prepared data set"):
        Dataset(tmp_path, "train")
    with pytest.raises(RequestError, match="no split"):
        Dataset(made_up_data(tmp_path), "exam")


def test_a_split_without_performances_is_refused_for_training(folder: Path, tmp_path: Path) -> None:
    for path in SPLIT_OF:
        (folder / path).write_bytes(b"no music")
    assert len(faults(prepare([folder], tmp_path / "data", 1))) == 4
    assert not faults(verify(tmp_path / "data"))
    with pytest.raises(RequestError, match="no performances"):
        Windows(Dataset(tmp_path / "data", "train"), WindowConfig(), 1)


def damage_a_byte(data: Path) -> None:
    path = next((data / SHARDS).iterdir())
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def damage_the_end(data: Path) -> None:
    path = next((data / SHARDS).iterdir())
    path.write_bytes(path.read_bytes()[:-100])


def damaged_rows(column: str, value: int) -> "object":
    def damage(data: Path) -> None:
        made_up_data(data)
        tables = [performance_events(made_up(seed)) for seed in range(3)]
        tables[1][column][20] = value
        save_shard(shard_path(data, "made-up"), tables)

    return damage


def changed_pieces(**changes: object) -> "object":
    def damage(data: Path) -> None:
        pieces = [*all_pieces(data).values()]
        rows = max(piece.after for piece in pieces)
        pieces[1] = Piece(**{**asdict(pieces[1]), **{name: change(pieces) for name, change in changes.items()}})  # type: ignore[operator]
        save_index(data, [("made-up", rows)], pieces)

    return damage


@pytest.mark.parametrize(
    ("damage", "part"),
    [
        (damage_a_byte, "hash is another"),
        (damage_the_end, "can't be read"),
        (damaged_rows("onset", 0), "out of order"),
        (damaged_rows("symbol", 99), "neither a key"),
        (damaged_rows("velocity", 200), "velocities"),
        (damaged_rows("duration", 0), "duration"),
        (changed_pieces(split=lambda _: "validation", piece_id=lambda pieces: pieces[0].piece_id), "but its piece 0"),
        (changed_pieces(path=lambda pieces: pieces[0].path), "twice"),
        (changed_pieces(after=lambda _: 10**6), "not there"),
        (changed_pieces(first=lambda p: p[0].first, after=lambda p: p[0].after), "same recording as 0.mid"),
    ],
)  # fmt: skip
def test_verifying_finds_what_is_wrong(damage, part: str, tmp_path: Path) -> None:
    data = made_up_data(tmp_path / "data")
    assert not faults(verify(data))
    damage(data)
    open_shard.cache_clear()
    found = faults(verify(data))
    assert len(found) == 1
    assert part in found[0]


def test_a_data_set_is_summed_up(tmp_path: Path) -> None:
    data = made_up_data(tmp_path)
    assert summary(data)["train"] | {"rows": 0} == {"performances": 2, "pieces": 2, "rows": 0}
    assert sum(split["rows"] for split in summary(data).values()) == len(Dataset(data, "train").events)


# Of any size


def shards_of_short_files(folder: Path, files: int) -> list[tuple[str, list[File]]]:
    """Prepared shards of thirty made-up files each; every tenth file is there twice."""
    random = np.random.default_rng(0)
    table = np.zeros(40, EVENT)
    table["onset"], table["duration"] = np.arange(40) * 100, 90
    shards = []
    for begin in range(0, files, 30):
        tables = [table.copy() for _ in range(30)]
        for each in tables[:-3]:
            each["symbol"], each["velocity"] = random.integers(0, 88, 40), random.integers(1, 128, 40)
        tables[-3:] = tables[:3]
        facts = {"faults": {}, "hashes": [f"{begin + number:024}" for number in range(30)]}
        sketches = np.stack([sketch(runs(each["symbol"], each["velocity"])) for each in tables])
        save_shard(shard_path(folder, f"{begin}"), tables, facts, sketches=sketches)
        shards.append(
            (f"{begin}", [File(f"folder/{begin + number:07}.mid", Known(), "", open) for number in range(30)])
        )
    return shards


def synthetic(folder: Path, files: int) -> Path:
    """A data set of short made-up files."""
    list(preparing._assemble(folder, shards_of_short_files(folder, files)))
    return folder


def cost(work: Callable[[], object]) -> NDArray[np.float64]:
    """Seconds of this process and, in another run, bytes."""
    open_shard.cache_clear()
    begun = time.process_time()
    work()
    seconds = time.process_time() - begun
    open_shard.cache_clear()
    tracemalloc.start()
    work()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return np.array([seconds, most])


def assert_flat(few: NDArray[np.float64], many: NDArray[np.float64]) -> None:
    """many: the cost of ten times the files. Memory is exact; time is not."""
    seconds, size = many / 10 / few
    assert seconds < 2
    assert size < 1.1


def test_a_data_set_is_put_together_at_the_same_cost_a_file_whatever_its_size(tmp_path: Path) -> None:
    def assemble(files: int) -> NDArray[np.float64]:
        folder = tmp_path / str(files)
        shards = shards_of_short_files(folder, files)
        return cost(lambda: list(preparing._assemble(folder, shards)))

    assert_flat(assemble(300), assemble(3000))
    assert len(all_pieces(tmp_path / "3000")) == 2700


def test_training_costs_the_same_whatever_the_size(tmp_path: Path) -> None:
    def draw(files: int) -> NDArray[np.float64]:
        data = synthetic(tmp_path / str(files), files)
        return cost(lambda: [Windows(Dataset(data, "train"), WindowConfig(steps=32), 1)[index] for index in range(30)])

    draw(30)  # what is made once
    assert_flat(draw(300), draw(3000))


def test_few_shards_are_open_at_once(tmp_path: Path) -> None:
    data = Dataset(synthetic(tmp_path, 3000), "train")
    open_shard.cache_clear()
    for piece in data.pieces:
        assert len(data.events[piece.first : piece.after]["symbol"]) == 40
    assert open_shard.cache_info().currsize == MOST_OPEN < 100
    maps = Path("/proc/self/maps")
    if maps.exists():
        assert maps.read_text().count(str(tmp_path)) <= MOST_OPEN + 1


def test_duplicates_are_found_at_the_same_cost_a_file_whatever_their_number() -> None:
    def search(files: int) -> NDArray[np.float64]:
        random = np.random.default_rng(0)
        sketches = np.sort(random.integers(0, 1 << 62, (files, 32)).astype(np.uint64), axis=1)
        sketches[1::10] = sketches[::10]
        return cost(lambda: same_recordings(sketches, lambda file: sketches[file]))

    search(10)
    assert_flat(search(2000), search(20_000))


def test_the_index_of_many_files_is_read_by_the_line(tmp_path: Path) -> None:
    save_shard(shard_path(tmp_path, "all"), [np.zeros(1, EVENT)])
    save_index(
        tmp_path, [("all", 100_000)], (Piece(f"{n}é", SPLITS[n % 3], str(n), "", "", n, n + 1) for n in range(99_999))
    )
    pieces = Dataset(tmp_path, "validation").pieces
    assert len(pieces) == 33_333
    assert (pieces[33_332].path, pieces[-1].first, pieces[7].piece_id) == ("99997é", 99_997, "22")
    assert cost(lambda: pieces[12_345])[1] < 10_000


TRAINING = [path for path in MODULES if "training" in path.parts and path.stem != "prepare"]


@pytest.mark.parametrize("path", TRAINING, ids=lambda path: path.stem)
def test_training_reads_no_midi(path: Path) -> None:
    files = {module_name(path): path for path in MODULES}
    names, known = {module_name(path)}, set()
    while names:
        known |= names
        names = {
            each.name for name in names if name in files for each in imports(files[name]) if not each.is_lazy
        } - known
    assert not known & {"mido", "pretty_midi", "PySide6", "rtmidi"}
