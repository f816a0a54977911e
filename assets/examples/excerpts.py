"""Three excerpts cut from MAESTRO performances: `python assets/examples/excerpts.py ARCHIVE` writes them as MIDI files.

ARCHIVE is the folder of MAESTRO v2.0.0. All three pieces are in our test split: no model was trained on them.
Composers, titles, years and the licence stand in `assets/SOURCES.md`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

from engine.midi import read_midi, write_midi
from engine.performance import Pedal, Performance


@dataclass(frozen=True)
class Excerpt:
    """One excerpt: the notes struck in the first `seconds` after the first note."""

    file: str
    title: str
    path: str
    seconds: float  # up to a pause in the performance


EXCERPTS = (
    Excerpt(
        "nocturne",
        "Chopin, Nocturne in F-sharp major, Op. 15 No. 2, opening",
        "2008/MIDI-Unprocessed_17_R2_2008_01-04_ORIG_MID--AUDIO_17_R2_2008_wav--1.midi",
        51.6,
    ),
    Excerpt(
        "etude",
        "Liszt, Transcendental Etude No. 10 in F minor, opening",
        "2013/ORIG-MIDI_01_7_7_13_Group__MID--AUDIO_13_R1_2013_wav--3.midi",
        57.0,
    ),
    Excerpt(
        "prelude",
        "Bach, Prelude in D major, BWV 850",
        "2017/MIDI-Unprocessed_053_PIANO053_MID--AUDIO-split_07-06-17_Piano-e_3-04_wav--1.midi",
        57.7,
    ),
)


def cut(excerpt: Excerpt, archive: Path) -> Performance:
    """The excerpt from the archive, its first note at time 0, its pedals up after its last note."""
    whole = read_midi(archive / excerpt.path)
    start = whole.notes[0].start
    part = replace(whole.slice(start, start + excerpt.seconds), name=excerpt.title)
    held = {pedal.controller: pedal.value for pedal in part.pedals}
    end = max(part.seconds, excerpt.seconds)
    lifts = [Pedal(end, 0, controller) for controller, value in held.items() if value]
    return Performance.of(part.notes, part.pedals + tuple(lifts), part.name)


def write(archive: Path, folder: Path) -> None:
    """Write every excerpt as NAME.mid."""
    for excerpt in EXCERPTS:
        write_midi(folder / f"{excerpt.file}.mid", cut(excerpt, archive))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Usage: python assets/examples/excerpts.py ARCHIVE")
    write(Path(sys.argv[1]), Path(__file__).parent)
