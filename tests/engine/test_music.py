"""Any music file by one function: what it is, typed notes, and broken files by the thousand."""

import os
import time
from pathlib import Path
from random import Random

import pytest

from engine.errors import EngineError, ScoreError
from engine.midi import write_midi
from engine.music import (
    ABC,
    HUMDRUM,
    MEI,
    MIDI,
    MUSICXML,
    RECORDING,
    TYPED,
    kind_of,
    read_music,
    read_performance,
)
from engine.performance import Note, Performance
from engine.typed import is_typed, typed_melody
from tests.engine.test_abc import TUNES, UNFOLDED
from tests.engine.test_scores import KERN, MEI_SCORE
from tests.engine.written import BAR, grace, heard, note, read, xml, zipped

BACK = '<barline><repeat direction="backward"/></barline>'
ABC_LINES = [*(text for text, _ in TUNES.values()), *UNFOLDED]
FUZZ_SECONDS = float(os.environ.get("HOMMAGE_FUZZ_SECONDS", "2"))


KINDS = [
    (b"MThd\0\0", "a.bin", MIDI), (b"RIFF\0\0\0\0WAVEfmt ", "a", RECORDING), (b"fLaC", "a", RECORDING),
    (KERN, "a", HUMDRUM),
    (b"!!!COM: Bach\n**kern\n", "a.txt", HUMDRUM), (MEI_SCORE, "a.xml", MEI), (xml(BAR), "a.mei", MUSICXML),
    (b"%abc\nX: 1\nT:a\nK:C\n", "a.txt", ABC), (b"C4 C4 G4", "a", TYPED), (b"Dear Clara", "a.txt", MIDI),
]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "name", "kind"), KINDS, ids=[f"{i} {kind}" for i, (_, _, kind) in enumerate(KINDS)]
)
def test_what_a_file_is_its_content_says(content: bytes, name: str, kind: str) -> None:
    assert kind_of(content, Path(name)) == kind


@pytest.mark.parametrize("part", [b"\n", b" \n", b"!!\n", b"\nX:1", b"X:1\n", b"<", b" <m", b"C4 ", b"|:", b"**"])
def test_what_a_file_is_is_told_soon_of_any_text(part: bytes) -> None:
    begun = time.process_time()
    kind_of(part * (16_384 // len(part)) + b"\1", Path("a"))
    assert time.process_time() - begun < 1


def test_typed_notes_are_a_melody() -> None:
    file = typed_melody("C4 C4 G4 G4 | A4 A4 G4/2, r/0.5 F# Bb3/3/2")
    assert heard(file) == [
        (0, 1, 60), (1, 2, 60), (2, 3, 67), (3, 4, 67), (4, 5, 69), (5, 6, 69), (6, 8, 67),
        (8.5, 9.5, 66), (9.5, 11, 58),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("C4 D4", True), ("C D", True), ("c4", True), ("A", False), ("tune.mid", False), ("", False), ("- -", False)],
)
def test_what_are_typed_notes(text: str, is_one: bool) -> None:
    assert is_typed(text) is is_one


@pytest.mark.parametrize("text", ["C4 X4", "C4/0", "C4/1/0", "C4/9999999", "C#b4", "C" * 200_000, "B9/1 G#9"])
def test_what_is_no_note_is_said(text: str) -> None:
    with pytest.raises(ScoreError) as refusal:
        typed_melody(text)
    assert "\n" not in str(refusal.value)


def test_any_file_is_opened_by_one_function(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("C4 D4")
    (tmp_path / "b.abc").write_bytes(b"X:1\nK:C\nCD\n")
    write_midi(tmp_path / "c.mid", Performance.of([Note(0, 1, 60, 80), Note(1, 2, 62, 80)]))
    assert [len(read_performance(path)) for path in sorted(tmp_path.iterdir())] == [2, 2, 2]
    (tmp_path / "d.abc").write_bytes(b"X:1\nK:C\nz4\n")
    with pytest.raises(ScoreError, match="has no notes"):
        read_performance(tmp_path / "d.abc")


@pytest.mark.timeout(FUZZ_SECONDS + 120)
def test_broken_scores_give_music_or_one_sentence_soon() -> None:
    corpus = [
        (xml(BAR + note("C4", 4) + grace("D4") + note("F4", 4), note("C4", 8) + BACK), "a.xml"),
        (zipped(xml(BAR + note("C4"))), "a.mxl"),
        ("\n".join(["X:1\nM:4/4\nL:1/8\nQ:1/4=90\nK:Gm", *ABC_LINES]).encode(), "a.abc"),
        (b"C4 C4 G4 G4 | A4 A4 G4/2, r/0.5 F# Bb3/3/2", "a.txt"),
    ]  # fmt: skip
    until, number, slowest, read_well = time.monotonic() + FUZZ_SECONDS, 0, 0.0, 0
    while time.monotonic() < until:
        random = Random(number)
        content, name = random.choice(corpus)
        broken = bytearray(content)
        for _ in range(random.randint(1, 6)):
            at = random.randrange(len(broken))
            match random.randrange(4):
                case 0:
                    broken[at] ^= 1 << random.randrange(8)
                case 1:
                    broken[at:at] = broken[at : at + random.randint(1, 60)] * random.choice((1, 2, 50))
                case 2:
                    broken[at : at + random.randint(1, 9)] = random.choice(
                        (b"9", b"0", b"-1", b":|", b"[", b"<note>", b"Z999", b"99/1")
                    )
                case 3 if len(broken) > 40:
                    del broken[at : at + random.randint(1, 20)]
        number += 1
        is_sentence = True
        begun = time.process_time()
        try:
            file = read(bytes(broken), name)
            assert all(0 <= n.start < n.end and 0 <= n.pitch <= 127 for n in file.performance.notes)
            read_well += 1
        except EngineError as refusal:
            is_sentence = "\n" not in str(refusal)
        except Exception as error:
            raise AssertionError(f"score {number - 1}: {bytes(broken)!r}") from error
        assert is_sentence
        slowest = max(slowest, time.process_time() - begun)
    assert slowest < 2, f"the slowest took {slowest:.1f} s"
    assert read_well > number / 10


def test_read_music_names_what_it_read(tmp_path: Path) -> None:
    (tmp_path / "a.abc").write_bytes(b"X:1\nK:C\nCD\n")
    assert read_music(tmp_path / "a.abc").kind == ABC
