"""Files in and out on the command line: inspect, convert, melody, render, and scores wherever a melody is taken."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication

from engine.assets import asset
from engine.midi import MidiFile, Text, Track, read_file, read_midi, write_file
from engine.music import read_music, read_performance
from engine.performance import Note
from studio.cli import main
from studio.recipe import Recipe, read_back, written
from tests.engine.test_candidates import CHORDS, DRUMS, MELODY
from tests.engine.test_humming import sung

ROOT = Path(__file__).parents[2]
ABC = "X:1\nT:Scale\nM:3/4\nL:1/4\nQ:1/4=60\nK:G\n|: G A B :|\n"


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, qapp: QApplication) -> None:
    """With the window's application: a picture would make one that no window can use."""
    monkeypatch.chdir(tmp_path)


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_inspect_tells_format_tempo_tracks_lyrics_and_repairs(capsys: pytest.CaptureFixture[str]) -> None:
    lyrics = (Text(0.0, "Twin"), Text(0.5, "kle"))
    write_file("song.mid", MidiFile("song", (CHORDS, MELODY, DRUMS), lyrics=lyrics))
    Path("song.mid").write_bytes(Path("song.mid").read_bytes()[:-4])
    Path("scale.abc").write_text(ABC)
    assert main(["inspect", "song.mid", "scale.abc", "--json"]) == 0
    song, scale = printed(capsys)["files"]
    assert song["format"] == "MIDI type 1"
    assert song["tempo_map"] == [{"time": 0.0, "bpm": 120.0}]
    assert [track["notes"] for track in song["tracks"]] == [12, 16, 16]
    assert song["tracks"][1]["melody_likeness"] > song["tracks"][0]["melody_likeness"]
    assert song["tracks"][2]["is_drums"] and song["tracks"][2]["melody_likeness"] is None
    assert [syllable["text"] for syllable in song["lyrics"]] == ["Twin", "kle"]
    assert len(song["repairs"]) == 1
    assert (scale["format"], scale["notes"], scale["seconds"]) == ("ABC", 6, 6.0)
    assert scale["meters"] == [{"time": 0.0, "meter": "3/4"}]
    assert main(["inspect", "song.mid"]) == 0
    assert "lyrics            Twinkle" in capsys.readouterr().out


def test_inspect_of_a_file_without_notes_is_no_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    write_file("silent.mid", MidiFile("silent", (Track("Title"),)))
    assert main(["inspect", "silent.mid", "--json"]) == 0
    assert printed(capsys)["notes"] == 0


def test_convert_keeps_tracks_and_bars(capsys: pytest.CaptureFixture[str]) -> None:
    Path("scale.abc").write_text(ABC)
    assert main(["convert", "scale.abc", "scale.mid"]) == 0
    file = read_file("scale.mid")
    assert [note.start for note in file.performance.notes] == [0, 1, 2, 3, 4, 5]
    assert [(meter.beats, meter.unit) for meter in file.meters] == [(3, 4)]
    assert main(["convert", "scale.mid", "scale.musicxml"]) == 0
    assert [note[:3] for note in read_performance("scale.musicxml").notes] == [n[:3] for n in file.performance.notes]


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_convert_draws_the_roll_without_a_display(suffix: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "QT_QPA_PLATFORM")}
    command = [sys.executable, "-m", "studio", "convert", "twinkle", f"roll{suffix}"]
    subprocess.run(command, env={**environment, "PYTHONPATH": str(ROOT)}, check=True, capture_output=True)
    image = QImage(f"roll{suffix}")
    assert image.width() >= 600
    assert len({image.pixel(x, y) for x in range(0, 600, 7) for y in range(100, 500, 3)}) > 3


def test_convert_renders_sound_with_progress(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "C4 D4", "two.flac"]) == 0
    assert "Rendering" in capsys.readouterr().err
    sound, rate = soundfile.read("two.flac")
    assert len(sound) >= rate and np.abs(sound).max() > 0.01


def test_render_writes_flac() -> None:
    assert main(["render", "C4 D4", "-o", "two.flac"]) == 0
    assert soundfile.info("two.flac").format == "FLAC"


def test_melody_takes_the_most_melody_like_track_or_the_next(capsys: pytest.CaptureFixture[str]) -> None:
    write_file("song.mid", MidiFile("song", (CHORDS, MELODY, DRUMS)))
    assert main(["melody", "song.mid", "-o", "tune.mid"]) == 0
    assert read_midi("tune.mid").notes == MELODY.notes
    assert "several tracks" in capsys.readouterr().err
    assert main(["melody", "song.mid", "-o", "second.mid", "--candidate", "2"]) == 0
    assert [note.pitch for note in read_midi("second.mid").notes] == [55, 60, 62, 55]
    assert main(["melody", "song.mid", "-o", "fourth.mid", "--candidate", "4"]) == 2
    assert "Give 1 to 3." in capsys.readouterr().err


def test_typed_notes_are_a_melody_anywhere(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["melody", "C4 C4 G4 G4 A4 A4 G4/2", "-o", "tune.mid"]) == 0
    assert [note.pitch for note in read_midi("tune.mid").notes] == [60, 60, 67, 67, 69, 69, 67]
    assert main(["compare", "tune.mid", "C4 C4 G4 G4 A4 A4 G4/2"]) == 0
    assert "melody recall   1.00" in capsys.readouterr().out


def test_what_is_hummed_into_the_microphone_is_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOMMAGE_NULL_AUDIO", "1")
    assert main(["hum", "-o", "hum.mid", "--seconds", "1"]) == 2
    assert "No tune is heard in hum" in capsys.readouterr().err
    scale = tuple(Note(i / 2, i / 2 + 0.45, pitch, 80) for i, pitch in enumerate((60, 62, 64, 62, 60)))
    monkeypatch.setattr("engine.microphone.listen", lambda seconds, rate, show: sung(scale))
    assert main(["hum", "-o", "hum.mid"]) == 0
    assert [note.pitch for note in read_midi("hum.mid").notes] == [60, 62, 64, 62, 60]


MISTAKES = [
    (["convert", "twinkle", "a.pdf"], "a.pdf is no kind of file that can be written. Give .mid,"),
    (["convert", "twinkle", "nowhere/a.mid"], "nowhere/a.mid can't be written"),
    (["convert", "twinkle", "nowhere/a.svg"], "nowhere/a.svg can't be written"),
    (["convert", "twinkle", "nowhere/a.flac"], "nowhere/a.flac can't be written"),
    (["inspect", "missing.abc"], "There is no file missing.abc"),
    (["melody", "C4 C9/0", "-o", "a.mid"], "'C9/0' is no note"),
]


@pytest.mark.parametrize(("arguments", "sentence"), MISTAKES, ids=[" ".join(a) for a, _ in MISTAKES])
def test_a_mistake_is_one_line(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(sentence)
    assert len(err.splitlines()) == 1
    assert not any(Path().iterdir())


def test_a_recipe_comes_back_as_it_was_written() -> None:
    tune = read_midi(asset("examples", "twinkle.mid"))
    recipe = Recipe(1, 12.0, 0.8, 1.5, "guide", 7, "Nocturne", "Twinkle")
    document = json.loads(json.dumps(written(recipe, [tune], tune, top_p=0.9)))
    assert read_back(document) == recipe
    assert document["melody"]["hash"] == document["style"][0]["hash"]
    assert len(document["model"]["weights"]) == 64
    moved = written(recipe, [tune.transpose(1)], tune)
    assert moved["style"][0]["hash"] != document["style"][0]["hash"]


@pytest.mark.parametrize(
    "document",
    [
        {}, {"settings": 3, "seed": "x", "names": []}, {"settings": {"temperature": float("nan"), "seconds": -1}},
        {"seed": True, "settings": {"melody_mode": "sing", "style_strength": 1e9}}, {"names": {"style": 5}},
    ],
)  # fmt: skip
def test_what_a_strange_recipe_says_is_left_as_usual(document: dict[str, Any]) -> None:
    assert read_back(document) == Recipe()


def test_a_score_is_read_with_its_name_and_a_take_is_on_its_bars() -> None:
    Path("scale.abc").write_text(ABC)
    music = read_music("scale.abc")
    assert music.performance.name == "scale"
    assert main(["melody", "scale.abc", "-o", "line.mid"]) == 0
    line = read_file("line.mid")
    assert line.tempo_map.changes == ((0, 1_000_000),)
    assert line.performance.notes[0][:3] == Note(0, 1, 67, 80)[:3]
