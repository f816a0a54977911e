"""Six public-domain tunes, typed in: `python assets/examples/tunes.py` writes them as MIDI files beside this file.

A note is its name, octave and, after `*`, its length in units where that is not one: `C5`, `Eb5*3`, `F#5*1.5`. `R`
rests, `~` ties a note to the next one, `|` ends a bar. The unit is a quarter note, in 6/8 and 9/8 an eighth.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.midi import write_midi
from engine.performance import Note, Performance

VELOCITY = 80
SOUNDING = 0.95  # of a note's length: a repeated note is struck, not held on
STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
ACCIDENTALS = {"#": 1, "b": -1}


@dataclass(frozen=True)
class Tune:
    """One tune. unit: seconds of a length of one; bar: units in a bar; the first and the last bar may be shorter."""

    file: str
    title: str
    origin: str
    unit: float
    bar: float
    text: str


TUNES = (
    Tune(
        "twinkle",
        "Twinkle, Twinkle, Little Star",
        "Ah! vous dirai-je, maman, France, 1761",
        unit=0.6,
        bar=4,
        text="""
        C5 C5 G5 G5 | A5 A5 G5*2 | F5 F5 E5 E5 | D5 D5 C5*2 |
        G5 G5 F5 F5 | E5 E5 D5*2 | G5 G5 F5 F5 | E5 E5 D5*2 |
        C5 C5 G5 G5 | A5 A5 G5*2 | F5 F5 E5 E5 | D5 D5 C5*2 |
        """,
    ),
    Tune(
        "clair-de-lune",
        "Clair de Lune, bars 1 to 8, the upper voice",
        "Claude Debussy, Suite bergamasque, 1905",
        unit=0.38,
        bar=9,
        text="""
        Ab5*3 F5*3~ | F5 Eb5 F5 Eb5*6~ | Eb5 Db5 Eb5 Db5*1.5 F5*3 Db5*1.5~ | Db5 C5 Db5 C5*6~ |
        C5 Bb4 C5 Bb4 Eb5 Bb4 Ab4 Bb4 Ab4~ | Ab4 Gb4 Ab4 Gb4*3 F4*3~ |
        F4 F4 Gb4 F4 Bb4 F4 Eb4 F4 Eb4~ | Eb4 Db4 Eb4 Db4*3 C4*3 |
        """,
    ),
    Tune(
        "ode-to-joy",
        "Ode to Joy",
        "Ludwig van Beethoven, Symphony No. 9, 1824",
        unit=0.5,
        bar=4,
        text="""
        F#5 F#5 G5 A5 | A5 G5 F#5 E5 | D5 D5 E5 F#5 | F#5*1.5 E5*0.5 E5*2 |
        F#5 F#5 G5 A5 | A5 G5 F#5 E5 | D5 D5 E5 F#5 | E5*1.5 D5*0.5 D5*2 |
        E5 E5 F#5 D5 | E5 F#5*0.5 G5*0.5 F#5 D5 | E5 F#5*0.5 G5*0.5 F#5 E5 | D5 E5 A4 F#5~ |
        F#5 F#5 G5 A5 | A5 G5 F#5 E5 | D5 D5 E5 F#5 | E5*1.5 D5*0.5 D5*2 |
        """,
    ),
    Tune(
        "greensleeves",
        "Greensleeves",
        "England, 1580",
        unit=0.36,
        bar=6,
        text="""
        D5 |
        F5*2 G5 A5*1.5 B5*0.5 A5 | G5*2 E5 C5*1.5 D5*0.5 E5 | F5*2 D5 D5*1.5 C#5*0.5 D5 | E5*2 C#5 A4*2 D5 |
        F5*2 G5 A5*1.5 B5*0.5 A5 | G5*2 E5 C5*1.5 D5*0.5 E5 | F5*1.5 E5*0.5 D5 C#5*1.5 B4*0.5 C#5 | D5*6 |
        C6*3 C6*1.5 B5*0.5 A5 | G5*2 E5 C5*1.5 D5*0.5 E5 | F5*2 D5 D5*1.5 C#5*0.5 D5 | E5*2 C#5 A4*3 |
        C6*3 C6*1.5 B5*0.5 A5 | G5*2 E5 C5*1.5 D5*0.5 E5 | F5*1.5 E5*0.5 D5 C#5*1.5 B4*0.5 C#5 | D5*5 |
        """,
    ),
    Tune(
        "amazing-grace",
        "Amazing Grace",
        "New Britain, United States, 1829",
        unit=0.7,
        bar=3,
        text="""
        C5 |
        F5*2 A5*0.5 F5*0.5 | A5*2 G5 | F5*2 D5 | C5*2 C5 |
        F5*2 A5*0.5 F5*0.5 | A5*2 G5 | C6*3~ | C6*2 A5 |
        C6*1.5 A5*0.5 C6*0.5 A5*0.5 | F5*2 C5 | D5*1.5 F5*0.5 F5*0.5 D5*0.5 | C5*2 C5 |
        F5*2 A5*0.5 F5*0.5 | A5*2 G5 | F5*3 |
        """,
    ),
    Tune(
        "auld-lang-syne",
        "Auld Lang Syne",
        "Scotland, 1799",
        unit=0.56,
        bar=4,
        text="""
        Bb4 |
        Eb5*1.5 Eb5*0.5 Eb5 G5 | F5*1.5 Eb5*0.5 F5 G5 | Eb5*1.5 Eb5*0.5 G5 Bb5 | C6*3 C6 |
        Bb5*1.5 G5*0.5 G5 Eb5 | F5*1.5 Eb5*0.5 F5 G5 | Eb5*1.5 C5*0.5 C5 Bb4 | Eb5*3 C6 |
        Bb5*1.5 G5*0.5 G5 Eb5 | F5*1.5 Eb5*0.5 F5 C6 | Bb5*1.5 G5*0.5 G5 Bb5 | C6*3 C6 |
        Bb5*1.5 G5*0.5 G5 Eb5 | F5*1.5 Eb5*0.5 F5 G5 | Eb5*1.5 C5*0.5 C5 Bb4 | Eb5*3 |
        """,
    ),
)


def bars(tune: Tune) -> list[list[tuple[int | None, float, bool]]]:
    """Each bar's notes as (pitch or None for a rest, length in units, is tied to the next)."""
    return [[_read(word) for word in bar.split()] for bar in tune.text.strip().rstrip("|").split("|")]


def _read(word: str) -> tuple[int | None, float, bool]:
    name, _, length = word.rstrip("~").partition("*")
    return _pitch(name), float(length or 1), word.endswith("~")


def _pitch(name: str) -> int | None:
    """MIDI pitch of a name: C4 is 60."""
    if name == "R":
        return None
    step, accidental, octave = name[0], name[1:-1], name[-1]
    return 12 * (int(octave) + 1) + STEPS[step] + ACCIDENTALS.get(accidental, 0)


def perform(tune: Tune) -> Performance:
    """The tune exactly as written: even tempo, one velocity."""
    return Performance.of(_notes(tune), name=tune.title)


def _notes(tune: Tune) -> Iterator[Note]:
    start = time = 0.0  # units
    for pitch, length, is_tied in (note for bar in bars(tune) for note in bar):
        time += length
        if is_tied:
            continue
        if pitch is not None:
            end = time - (1 - SOUNDING) * min(time - start, 1.0)
            yield Note(round(start * tune.unit, 3), round(end * tune.unit, 3), pitch, VELOCITY)
        start = time


def write(folder: Path) -> None:
    """Write every tune as NAME.mid."""
    for tune in TUNES:
        write_midi(folder / f"{tune.file}.mid", perform(tune))


if __name__ == "__main__":
    write(Path(__file__).parent)
