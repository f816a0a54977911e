"""Beats of a free performance: found by its melody, written as bars, made even, bent again."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.assets import asset
from engine.beats import BeatMap, bar_starts, beat_map, in_bars, loosened, straightened
from engine.errors import RequestError
from engine.midi import Meter, MidiFile, TempoMap, read_file, write_midi
from engine.performance import Note, Pedal, Performance

FILE = read_file(asset("examples", "amazing-grace.mid"))
TUNE = FILE.performance
EVEN = BeatMap.of(FILE.tempo_map)


def free_time(seconds: np.ndarray, depth: float = 0.8) -> np.ndarray:
    """Where a player who hurries and lingers is when the melody is at some seconds."""
    return 1.3 + 1.1 * seconds + depth * np.sin(seconds / 4)


def freely_played(seed: int = 0, depth: float = 0.8, left_out: int = 0, shaken: float = 0.015) -> Performance:
    """The tune, some of its notes left out, over an accompaniment."""
    random = np.random.default_rng(seed)
    dropped = set(random.choice(range(1, len(TUNE) - 1), left_out, replace=False).tolist())
    notes = []
    for index, note in enumerate(TUNE.notes):
        start, end = free_time(np.array([note.start, note.end]), depth) + random.normal(0, shaken)
        if index not in dropped:
            notes.append(note._replace(start=start, end=end))
    for time in np.arange(0, TUNE.seconds, 0.3):
        start = float(free_time(time, depth))
        notes.append(Note(start, start + 0.3, int(random.integers(40, 70)), 50))
    return Performance.of(notes, [Pedal(2, 127), Pedal(4, 0)], "free")


@pytest.mark.parametrize(("depth", "left_out"), [(0.0, 0), (0.8, 0), (1.5, 0), (0.8, 6)])
def test_the_beats_of_a_bent_tempo_are_found(depth: float, left_out: int) -> None:
    found = beat_map(TUNE, FILE.tempo_map, freely_played(1, depth, left_out))
    beats = np.arange(0, EVEN.beats_at(TUNE.seconds - 2))
    assert np.abs(found.seconds_at(beats) - free_time(EVEN.seconds_at(beats), depth)).max() < 0.12
    assert found.beats_at(found.seconds_at(beats)) == pytest.approx(beats)


@pytest.mark.parametrize("take", ["nocturne", "prelude"])
def test_a_melody_that_is_not_played_is_not_found(take: str) -> None:
    other = read_file(asset("examples", f"{take}.mid")).performance
    with pytest.raises(RequestError, match="amazing-grace is not found in"):
        beat_map(TUNE, FILE.tempo_map, other)
    with pytest.raises(RequestError, match="is not found"):
        beat_map(TUNE, FILE.tempo_map, Performance())
    with pytest.raises(RequestError, match="is not found"):
        beat_map(Performance(), FILE.tempo_map, other)


def test_a_take_is_written_in_bars_as_it_was_played(tmp_path: Path) -> None:
    like = MidiFile(tempo_map=FILE.tempo_map, meters=(Meter(0.0, 3, 4),))
    take = freely_played()
    beats = beat_map(TUNE, FILE.tempo_map, take)
    moved, file = in_bars(take, beats, like)
    write_midi(tmp_path / "bars.mid", moved, like=file)
    again = read_file(tmp_path / "bars.mid")
    times = again.performance.arrays[0]
    assert np.ptp(times - take.arrays[0]) < 0.002  # all moved by the same
    assert again.meters == (Meter(0.0, 3, 4),)
    written = BeatMap.of(again.tempo_map).beats_at(times)
    played = beats.beats_at(take.arrays[0])
    lead = np.median(written - played)
    assert lead == pytest.approx(3 * round(lead / 3), abs=0.01)  # whole bars before the tune's first
    assert written - lead == pytest.approx(played, abs=0.08)  # within a beat time is straight
    assert (np.diff(bar_starts(again, again.performance.seconds)) > 0.5).all()


def test_a_take_that_begins_at_once_has_no_bars_before_it() -> None:
    like = MidiFile(tempo_map=FILE.tempo_map)
    moved, _ = in_bars(TUNE, beat_map(TUNE, FILE.tempo_map, TUNE), like)
    assert moved.arrays[0] == pytest.approx(TUNE.arrays[0], abs=1e-6)


def test_beats_are_made_even_and_bent_again() -> None:
    take = freely_played(shaken=0.0)
    beats = beat_map(TUNE, FILE.tempo_map, take)
    even = straightened(take, beats, FILE.tempo_map)
    tune = [note for note in even.notes if note.velocity == TUNE.notes[0].velocity]
    assert [note.start for note in tune] == pytest.approx([note.start for note in TUNE.notes], abs=0.01)
    back = loosened(even, beats, FILE.tempo_map)
    for ours, theirs in zip(back.arrays[:2], take.arrays[:2], strict=True):
        assert ours == pytest.approx(theirs, abs=1e-6)
    assert [pedal.time for pedal in back.pedals] == pytest.approx([2, 4])


def test_bars_follow_meters_and_tempos() -> None:
    file = MidiFile(
        tempo_map=TempoMap(480, ((0, 500_000), (480 * 6, 1_000_000))), meters=(Meter(0.0, 3, 4), Meter(3.0, 6, 8))
    )
    assert bar_starts(file, 10) == pytest.approx([0, 1.5, 3, 6, 9])
    assert bar_starts(MidiFile(), 5) == pytest.approx([0, 2, 4])
    late = MidiFile(meters=(Meter(2.0, 3, 4),))
    assert bar_starts(late, 6) == pytest.approx([0, 2, 3.5, 5])


@given(
    tempos=st.lists(st.tuples(st.integers(1, 2000), st.integers(1000, 3_000_000)), max_size=8),
    seconds=st.floats(-5, 500),
)
def test_a_files_beats_are_its_ticks_and_go_both_ways(tempos: list[tuple[int, int]], seconds: float) -> None:
    changes = {0: 500_000}
    for apart, tempo in tempos:
        changes[max(changes) + apart] = tempo
    tempo_map = TempoMap(480, tuple(changes.items()))
    beats = BeatMap.of(tempo_map)
    assert float(beats.seconds_at(beats.beats_at(seconds))) == pytest.approx(seconds, abs=1e-6)
    if seconds >= 0:
        assert float(beats.beats_at(seconds)) * 480 == pytest.approx(float(tempo_map.ticks(seconds)), abs=0.51)
