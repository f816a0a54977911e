"""The bundled tunes and excerpts are what their sources say."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from engine.assets import asset
from engine.melody import has_chords
from engine.midi import read_midi
from engine.performance import SUSTAIN

EXAMPLES = asset("examples")


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"examples_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = loaded  # dataclasses look their module up
    spec.loader.exec_module(loaded)
    return loaded


tunes, excerpts = module("tunes"), module("excerpts")
TUNES = [pytest.param(tune, id=tune.file) for tune in tunes.TUNES]
EXCERPTS = [pytest.param(excerpt, id=excerpt.file) for excerpt in excerpts.EXCERPTS]


def test_the_midi_files_are_what_the_typed_text_gives(tmp_path: Path) -> None:
    tunes.write(tmp_path)
    written = {path.name: read_midi(path) for path in tmp_path.iterdir()}
    assert len(written) == 6
    assert written == {name: read_midi(EXAMPLES / name) for name in written}


@pytest.mark.parametrize("tune", TUNES)
def test_a_tune_is_one_voice_on_top_of_a_piano_and_20_to_40_seconds_long(tune) -> None:
    performance = read_midi(EXAMPLES / f"{tune.file}.mid")
    assert not has_chords(performance)
    assert performance.notes[0].start == 0
    assert 20 <= performance.seconds <= 40
    assert all(60 <= note.pitch <= 84 and note.velocity == 80 for note in performance.notes)
    for note, following in zip(performance.notes, performance.notes[1:], strict=False):
        assert note.end <= following.start


@pytest.mark.parametrize("tune", TUNES)
def test_every_bar_of_a_tune_is_full_but_an_upbeat_and_its_end(tune) -> None:
    lengths = [sum(length for _, length, _ in bar) for bar in tunes.bars(tune)]
    assert set(lengths[1:-1]) == {tune.bar}
    assert lengths[0] <= tune.bar and lengths[-1] <= tune.bar


def test_twinkle_is_its_six_phrases() -> None:
    names = {72: "C", 74: "D", 76: "E", 77: "F", 79: "G", 81: "A"}
    played = "".join(names[note.pitch] for note in read_midi(EXAMPLES / "twinkle.mid").notes)
    assert played == "CCGGAAGFFEEDDCGGFFEEDGGFFEEDCCGGAAGFFEEDDC"


def test_a_tied_note_is_struck_once() -> None:
    tie = tunes.Tune("tie", "Tie", "", unit=1.0, bar=2, text="C4 D4~ | D4 R |")
    assert [(note.pitch, note.start, note.end) for note in tunes.perform(tie).notes] == [(60, 0, 0.95), (62, 1, 2.95)]


@pytest.mark.parametrize("excerpt", EXCERPTS)
def test_an_excerpt_is_a_pedalled_minute_that_starts_at_once(excerpt) -> None:
    performance = read_midi(EXAMPLES / f"{excerpt.file}.mid")
    assert performance.notes[0].start == 0
    assert 45 <= performance.seconds <= 60
    assert sum(pedal.controller == SUSTAIN for pedal in performance.pedals) > 100
    assert {pedal.controller: pedal.value for pedal in performance.pedals}[SUSTAIN] == 0, "the pedal is up at the end"


def test_the_three_styles_differ() -> None:
    density = {}
    for excerpt in excerpts.EXCERPTS:
        performance = read_midi(EXAMPLES / f"{excerpt.file}.mid")
        density[excerpt.file] = len(performance) / performance.seconds
    assert density["nocturne"] < 5 < density["prelude"] < 13 < density["etude"]


def test_an_excerpt_is_the_archives_own_playing(archive: Path, tmp_path: Path) -> None:
    excerpts.write(archive / "maestro-v2.0.0", tmp_path)
    for path in tmp_path.iterdir():
        cut, shipped = read_midi(path), read_midi(EXAMPLES / path.name)
        assert [note.pitch for note in cut.notes] == [note.pitch for note in shipped.notes]
        assert cut.arrays[0] == pytest.approx(shipped.arrays[0], abs=0.002)


def test_every_bundled_file_has_its_source_named() -> None:
    sources = asset("SOURCES.md").read_text(encoding="utf-8")
    for path in EXAMPLES.glob("*.mid"):
        assert f"`{path.name}`" in sources
