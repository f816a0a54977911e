"""Humming: tunes sung by a small synthesiser with vibrato, glides, noise and a tuning of its own are heard again."""

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from engine.assets import asset
from engine.errors import PlaybackError, ScoreError
from engine.humming import RATE, notes_of, on_grid, pitch_track, read_humming
from engine.midi import read_midi
from engine.music import RECORDING, read_music
from engine.performance import Note, Performance
from engine.recording import read_recording, render

BEFORE = 0.3  # seconds of silence before a tune
GLIDE, VIBRATO, WAVES, ATTACK = 0.06, 0.5, 5.5, 0.03  # seconds, semitones, a second, seconds
OUT_OF_TUNE = 0.3  # semitones
NOISE = 20.0  # decibels below the voice


def sung(notes: tuple[Note, ...], seed: int = 0) -> NDArray[np.float32]:
    """The notes as a voice of eight harmonics with a formant, (frames,) at RATE."""
    random = np.random.default_rng(seed)
    time = np.arange(round((max(note.end for note in notes) + 2 * BEFORE) * RATE)) / RATE
    key, loud = np.full(len(time), 60.0), np.zeros(len(time))
    before = notes[0].pitch
    for note in notes:
        at = slice(round((note.start + BEFORE) * RATE), round((note.end + BEFORE) * RATE))
        since = time[at] - time[at][0]
        glided = before + (note.pitch - before) * np.minimum(since / GLIDE, 1)
        key[at] = glided + VIBRATO * np.minimum(since / 0.2, 1) * np.sin(2 * np.pi * (WAVES * since + random.random()))
        loud[at] = np.minimum(np.minimum(since, since[::-1]) / ATTACK, 1)
        before = note.pitch
    pitch = 440 * 2 ** ((key + OUT_OF_TUNE - 69) / 12)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    harmonics = (np.sin(n * phase) / n * (0.3 + 1 / (1 + ((n * pitch - 700) / 600) ** 2)) for n in range(1, 9))
    voice = loud * sum(harmonics)
    noise = random.normal(size=len(time)) * np.sqrt(np.mean(voice**2)) * 10 ** (-NOISE / 20)
    return ((voice + noise) / np.abs(voice).max() / 2).astype(np.float32)


def note_f1(expected: list[Note], found: list[Note], tolerance: float) -> float:
    """Of notes with the right key, begun within so many seconds; each counts once."""
    left = list(found)
    hits = 0
    for note in expected:
        near = [n for n in left if n.pitch == note.pitch and abs(n.start - note.start) <= tolerance]
        if near:
            left.remove(near[0])
            hits += 1
    return 2 * hits / (len(expected) + len(found))


@pytest.mark.parametrize("name", ["twinkle", "clair-de-lune", "greensleeves"])
def test_a_sung_tune_is_heard_note_by_note(name: str) -> None:
    tune = read_midi(asset("examples", f"{name}.mid")).slice(0, 15).transpose(-12)
    found = [note._replace(start=note.start - BEFORE) for note in notes_of(pitch_track(sung(tune.notes)))]
    assert note_f1(list(tune.notes), found, 0.1) >= 0.97
    assert note_f1(list(tune.notes), found, 0.05) >= 0.8
    on_beat = list(on_grid(found).performance.notes)
    since = [note._replace(start=note.start - tune.notes[0].start) for note in tune.notes]
    assert note_f1(since, on_beat, 0.05) >= 0.9


def test_a_hummed_file_of_any_kind_and_rate_is_a_melody_on_a_grid(tmp_path: Path) -> None:
    scale = tuple(Note(i / 2, i / 2 + 0.45, pitch, 80) for i, pitch in enumerate((60, 62, 64, 65, 67, 67, 64, 60)))
    sound = np.repeat(sung(scale), 3)  # three times RATE
    for suffix in (".wav", ".flac", ".ogg"):
        path = tmp_path / f"scale{suffix}"
        soundfile.write(path, np.stack([sound, sound], axis=1), 3 * RATE)
        music = read_music(path)
        assert music.kind == RECORDING
        notes = music.performance.notes
        assert [note.pitch for note in notes] == [note.pitch for note in scale]
        steps = [note.start / notes[1].start for note in notes]
        assert steps == pytest.approx(list(range(8)), abs=0.01)


def test_silence_noise_and_a_click_are_no_tune(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    for number, sound in enumerate((np.zeros(RATE), random.normal(size=RATE) * 0.05, np.ones(10) * 0.5, np.zeros(0))):
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, sound, RATE)
        with pytest.raises(ScoreError, match="No tune is heard"):
            read_humming(path)


def test_a_recording_that_is_too_long_or_none_is_refused_with_a_sentence(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.flac", np.zeros(601 * 8000, np.int16), 8000)
    (tmp_path / "broken.wav").write_bytes(b"RIFF\x10\0\0\0WAVEfmt ")
    for name, said in (("long.flac", "more than 10 minutes"), ("broken.wav", "not a readable recording")):
        with pytest.raises(ScoreError, match=said):
            read_recording(tmp_path / name, RATE)


def test_flac_is_the_same_sound_as_wav(tmp_path: Path) -> None:
    chord = Performance.of([Note(0, 0.2, 60, 80), Note(0, 0.2, 64, 80)])
    shares: list[float] = []
    render(chord, tmp_path / "a.wav")
    render(chord, tmp_path / "a.flac", shares.append)
    wav, rate = soundfile.read(tmp_path / "a.wav", dtype="int16")
    flac, _ = soundfile.read(tmp_path / "a.flac", dtype="int16")
    assert rate == 44_100
    assert np.array_equal(wav, flac)
    assert shares[-1] == 1.0
    assert not math.isnan(float(wav.std())) and wav.std() > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.flac", "a.wav"]


def test_a_place_where_no_sound_can_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(PlaybackError, match="can't be written"):
        render(Performance.of([Note(0, 0.1, 60, 80)]), tmp_path / "nowhere" / "a.flac")
