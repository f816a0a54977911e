"""ABC notation: lengths, keys, accidentals, repeats, voices, lyrics."""

import pytest

from tests.engine.written import heard, read


def tune(text: str, header: str = "L:1/4\nM:4/4\nK:C") -> list[tuple[float, float, int]]:
    return heard(read(f"X:1\nT:A tune\n{header}\n{text}\n".encode(), "tune.abc"))


def pitches(text: str, header: str = "L:1/4\nM:4/4\nK:C") -> list[int]:
    return [pitch for _, _, pitch in tune(text, header)]


TUNES = {
    "octaves and lengths": (
        "C, c' C2 C/ C3/2 C//",
        [(0, 1, 48), (1, 2, 84), (2, 4, 60), (4, 4.5, 60), (4.5, 6, 60), (6, 6.25, 60)],
    ),
    "rests and bars of rest": ("C z C | Z | C", [(0, 1, 60), (2, 3, 60), (7, 8, 60)]),
    "broken rhythm": (
        "C>D E<F G>>A",
        [(0, 1.5, 60), (1.5, 2, 62), (2, 2.5, 64), (2.5, 4, 65), (4, 5.75, 67), (5.75, 6, 69)],
    ),
    "a triplet": ("(3CDE F", [(0, 0.667, 60), (0.667, 1.333, 62), (1.333, 2, 64), (2, 3, 65)]),
    "a tuplet that says its time": ("(3:2:2CD E", [(0, 0.667, 60), (0.667, 1.333, 62), (1.333, 2.333, 64)]),
    "chords": ("[CEG]2 C", [(0, 2, 60), (0, 2, 64), (0, 2, 67), (2, 3, 60)]),
    "ties": ("C-|C [CE]-[CE]", [(0, 2, 60), (2, 4, 60), (2, 4, 64)]),
    "a grace note": ("C2{D}E", [(0, 1.875, 60), (1.875, 2, 62), (2, 3, 64)]),
    "texts and decorations": ('"Am"C !trill!.~D "^up"E', [(0, 1, 60), (1, 2, 62), (2, 3, 64)]),
    "another length within a line": ("C [L:1/8] C C", [(0, 1, 60), (1, 1.5, 60), (1.5, 2, 60)]),
    "an overlay": ("C2 D2 & E4 |", [(0, 2, 60), (0, 4, 64), (2, 4, 62)]),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), TUNES.values(), ids=TUNES.keys())
def test_abc_is_heard_as_it_is_written(text: str, expected: list[tuple[float, float, int]]) -> None:
    assert tune(text) == expected


KEYS = {
    "G": ("F", 66), "Gm": ("B", 70), "D dor": ("F", 65), "Amix": ("G", 67), "Bb": ("E", 63), "F#m": ("G", 68),
    "HP": ("c", 73), "C exp ^f": ("F", 66), "none": ("F", 65), "C clef=treble-8": ("C", 48), "C octave=1": ("C", 72),
    "A minor": ("G", 67), "E Phrygian": ("F", 65),
}  # fmt: skip


@pytest.mark.parametrize(("key", "heard_as"), KEYS.items(), ids=KEYS.keys())
def test_abc_keys(key: str, heard_as: tuple[str, int]) -> None:
    assert pitches(heard_as[0], f"L:1/4\nK:{key}") == [heard_as[1]]


def test_an_accidental_lasts_to_the_bar_and_through_a_tie() -> None:
    assert pitches("^F f F | F") == [66, 78, 66, 65]
    assert pitches("^F2- | F F") == [66, 65]
    assert pitches("=F F", "L:1/4\nK:G") == [65, 65]


UNFOLDED = {"|: C | D :| E": "CDCDE", "C |1 D :|2 E |]": "CDCE", "C :: D :|": "CCDD", "C | D :| E | F :|": "CDCDEFEF"}


@pytest.mark.parametrize(("text", "expected"), UNFOLDED.items(), ids=UNFOLDED.keys())
def test_abc_repeats_are_unfolded(text: str, expected: str) -> None:
    names = {60: "C", 62: "D", 64: "E", 65: "F"}
    assert "".join(names[pitch] for pitch in pitches(text)) == expected


def test_abc_voices_tempo_and_lyrics_are_kept() -> None:
    header = "X:1\nT:Two\nM:3/4\nL:1/4\nQ:1/4=60\nV:1 name=Soprano\nV:2 clef=bass\nK:G\n"
    file = read(f"{header}V:1\nGAB|\nw: one two-three\nV:2\nG,3|\n".encode(), "two.abc")
    assert [track.name for track in file.tracks] == ["Soprano", "2"]
    assert [n.start for n in file.tracks[0].notes] == [0, 1, 2]
    assert [syllable.text for syllable in file.lyrics] == ["one ", "two", "three "]


def test_of_a_book_the_first_tune_is_taken_and_said() -> None:
    file = read(b"X:1\nT:First\nK:C\nC\n\nX:2\nT:Second\nK:C\nD\n", "book.abc")
    assert [n.pitch for n in file.performance.notes] == [60]
    assert file.repairs == ("it has 2 tunes: the first was taken, First",)
