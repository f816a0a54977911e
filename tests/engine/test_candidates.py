"""Which track is the melody: weighed, named, at most three, each one voice."""

from dataclasses import replace

from engine.candidates import candidates, likenesses
from engine.midi import DRUM_CHANNEL, MidiFile, Text, Track
from engine.performance import Note

TUNE = (72, 74, 76, 77, 79, 77, 76, 74, 72, 71, 72, 74, 76, 76, 74, 72)


def line(pitches: tuple[int, ...], length: float = 0.5) -> tuple[Note, ...]:
    return tuple(Note(i * length, (i + 1) * length, pitch, 80) for i, pitch in enumerate(pitches))


def chords(*roots: int) -> tuple[Note, ...]:
    return tuple(Note(i * 2.0, i * 2.0 + 2, root + step, 60) for i, root in enumerate(roots) for step in (0, 4, 7))


MELODY = Track("", 0, 73, line(TUNE))
CHORDS = Track("", 1, 0, chords(48, 53, 55, 48))
BASS = Track("", 2, 33, line((36, 41, 43, 36), 2.0))
DRUMS = Track("Drums", DRUM_CHANNEL, 0, line((38, 42) * 8))
DRONE = Track("", 3, 48, line((84,) * 16))


def test_the_melody_comes_first_wherever_it_stands() -> None:
    for tracks in ((BASS, CHORDS, MELODY, DRUMS), (DRUMS, MELODY, DRONE, CHORDS, BASS), (CHORDS, MELODY)):
        found = candidates(MidiFile("song", tracks))
        assert found[0].track == tracks.index(MELODY)
        assert found[0].line.notes == MELODY.notes


def test_drums_and_empty_tracks_are_no_candidates() -> None:
    file = MidiFile("song", (DRUMS, Track("Title"), MELODY))
    assert [each.track for each in candidates(file)] == [2]
    assert candidates(MidiFile("song", (DRUMS,))) == []


def test_three_are_offered_at_most_and_each_is_one_voice() -> None:
    found = candidates(MidiFile("song", (BASS, CHORDS, MELODY, DRONE)))
    assert len(found) == 3
    assert [each.likeness for each in found] == sorted((each.likeness for each in found), reverse=True)
    with_chords = next(each for each in candidates(MidiFile("s", (CHORDS, MELODY))) if each.track == 0)
    assert with_chords.had_chords
    assert [note.pitch for note in with_chords.line.notes] == [55, 60, 62, 55]


def test_of_two_tracks_the_third_candidate_is_both_together() -> None:
    found = candidates(MidiFile("song", (CHORDS, MELODY)))
    assert [each.track for each in found] == [1, 0, None]
    assert found[2].name == "song"


def test_a_name_and_the_words_speak_for_a_track() -> None:
    lower = replace(MELODY, notes=line(tuple(pitch - 5 for pitch in TUNE)), channel=4)
    plain = likenesses(MidiFile("song", (MELODY, lower)))
    assert plain[0] > plain[1]
    named = likenesses(MidiFile("song", (MELODY, replace(lower, name="Vocals"))))
    assert named[1] > named[0]
    late = replace(MELODY, notes=tuple(n._replace(start=n.start + 0.2, end=n.end + 0.2) for n in MELODY.notes))
    words = tuple(Text(note.start, "la ") for note in lower.notes)
    sung = likenesses(MidiFile("song", (late, lower), lyrics=words))
    assert sung[1] > sung[0]
