"""A performance as a MusicXML draft, read again."""

from itertools import pairwise

import pytest

from engine.assets import asset
from engine.midi import Meter, MidiFile, TempoMap, read_file
from engine.performance import Note, Performance
from engine.scores import draft, musicxml
from tests.engine.written import read


def placed(file: MidiFile) -> list[tuple[int, int, int]]:
    """Start, pitch and end in sixteenths."""
    ticks = file.tempo_map.ticks
    scale = file.tempo_map.ticks_per_beat / 4
    return sorted(
        (round(int(ticks(n.start)) / scale), n.pitch, round(int(ticks(n.end)) / scale)) for n in file.performance.notes
    )


def drafted(performance: Performance, like: MidiFile) -> list[tuple[int, int, int]]:
    return sorted(
        (c.start, pitch, c.end) for staff in draft.staves_of(performance, like) for c in staff for pitch in c.pitches
    )


@pytest.mark.parametrize("name", ["nocturne", "etude", "twinkle"])
def test_a_draft_read_again_has_the_notes_it_was_made_of(name: str) -> None:
    file = read_file(asset("examples", f"{name}.mid"))
    again = read(draft.draft(file.performance, file), "draft.musicxml")
    assert placed(again) == drafted(file.performance, file)


def test_a_draft_is_on_the_melodys_beats_in_its_meters() -> None:
    like = MidiFile(
        tempo_map=TempoMap(480, ((0, 750_000), (1440, 500_000))), meters=(Meter(0.0, 3, 4), Meter(2.25, 6, 8))
    )
    beats = like.tempo_map.seconds([0, 480, 1440, 1680, 2880]).tolist()
    performance = Performance.of(Note(a, b, 72, 80) for a, b in pairwise(beats))
    again = read(draft.draft(performance, like), "draft.musicxml")
    assert placed(again) == [(0, 72, 4), (4, 72, 12), (12, 72, 14), (14, 72, 24)]
    assert [(m.beats, m.unit) for m in again.meters] == [(3, 4), (6, 8)]
    assert [n.start for n in again.performance.notes] == pytest.approx([n.start for n in performance.notes])


def test_an_empty_draft_is_a_measure_of_rest() -> None:
    root = musicxml.read_parts(draft.draft(Performance()), "draft")
    assert [len(part.measures) for part in root] == [1]
