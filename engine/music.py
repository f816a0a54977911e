"""Any music file: MIDI, MusicXML, MEI, Humdrum, ABC, typed notes, a hummed recording. What it is its content says."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine import midi_file
from engine.errors import ScoreError
from engine.midi import MidiFile, decode_file
from engine.performance import Performance

MIDI, MUSICXML, MEI, HUMDRUM = "MIDI", "MusicXML", "MEI", "Humdrum"
ABC, TYPED, RECORDING = "ABC", "typed notes", "recording"
SUFFIXES = (
    *(".mid", ".midi", ".kar", ".rmi", ".smf"),
    *(".musicxml", ".mxl", ".xml", ".mei", ".krn", ".abc", ".txt"),
    *(".wav", ".flac", ".ogg", ".opus", ".mp3", ".aiff", ".aif"),
)
BEGINNINGS = (  # of a file's bytes
    (re.compile(rb"MThd|RIFF....RMID", re.S), MIDI),
    (re.compile(rb"RIFF....WAVE|RF64|fLaC|OggS|FORM....AIF|ID3|\xff[\xe2\xe3\xf2\xf3\xfa\xfb]", re.S), RECORDING),
    (re.compile(rb"PK\x03\x04"), MUSICXML),
    (re.compile(rb"(\xef\xbb\xbf)?\s*<(?=.{0,4000}<mei\b)", re.S), MEI),
    (re.compile(rb"(\xef\xbb\xbf)?\s*<|\xff\xfe<|\xfe\xff\0<"), MUSICXML),
    (re.compile(rb"(\xef\xbb\xbf)?(!!.*\n|[ \t\r]*\n){0,200}\*\*"), HUMDRUM),
    (re.compile(rb"(\xef\xbb\xbf)?([^\0]{0,4000}\n)?X:\s*\d[^\0]{0,8000}\nK:"), ABC),
)
SNIFFED = 16_384  # bytes


@dataclass(frozen=True)
class Music:
    """What is in a file. kind: MIDI … RECORDING, above."""

    kind: str
    file: MidiFile

    @property
    def performance(self) -> Performance:
        """The notes and pedals of all its tracks but drums."""
        return self.file.performance


def read_music(path: str | Path) -> Music:
    """All that a file of any kind holds; it may have no notes.

    Raises MidiError or ScoreError where it is missing, is no music, or is beyond a bound (bytes, notes, seconds).
    """
    path = Path(path)
    content = midi_file.read_bytes(path)
    kind = kind_of(content, path)
    if kind == RECORDING:
        from engine.humming import read_humming

        return Music(kind, read_humming(path))
    return Music(kind, READERS[kind](content, path))


def read_performance(path: str | Path) -> Performance:
    """The performance in a file of any kind. Raises as `read_music`, and where it has no notes."""
    performance = read_music(path).performance
    if not performance.notes:
        raise ScoreError(f"{Path(path).name} has no notes in it", "Choose a file with something played on keys")
    return performance


def kind_of(content: bytes, path: Path) -> str:
    """What a file is by its first bytes, or by its name where they can't say."""
    from engine.typed import is_typed

    begin = content[:SNIFFED]
    for pattern, kind in BEGINNINGS:
        if pattern.match(begin):
            return kind
    if path.suffix.lower() == ".abc":
        return ABC
    text = content[: midi_file.MAX_BYTES // 16].decode("utf-8", "replace")
    words = text.split(maxsplit=1)
    has_a_note = path.suffix.lower() == ".txt" and bool(words) and is_typed(f"{words[0]} C4")
    return TYPED if has_a_note or is_typed(text) else MIDI


def _read_midi(content: bytes, path: Path) -> MidiFile:
    return decode_file(content, path.name)


def _read_musicxml(content: bytes, path: Path) -> MidiFile:
    from engine.scores import musicxml
    from engine.scores.score import score_file

    score = musicxml.unzipped(content, path.name) if content.startswith(b"PK") else content
    return score_file(musicxml.read_parts(score, path.name), path.stem)


def _read_mei(content: bytes, path: Path) -> MidiFile:
    from engine.scores.engraved import read_engraved
    from engine.scores.musicxml import root_of

    root_of(content, path.name)  # a file that is cut is no MEI, though verovio bears it
    return read_engraved(content, path.name, "mei")


def _read_humdrum(content: bytes, path: Path) -> MidiFile:
    from engine.scores.engraved import read_engraved

    return read_engraved(content, path.name, "humdrum")


def _read_abc(content: bytes, path: Path) -> MidiFile:
    from engine.scores.abc_notation import read_tune, title_of, tunes_of
    from engine.scores.score import score_file

    tunes = tunes_of(content)
    is_book = len(tunes) > 1
    said = [f"it has {len(tunes):,} tunes: the first was taken, {title_of(tunes[0]) or 'X:1'}"] if is_book else []
    return score_file(read_tune(tunes[0], path.name), path.stem, said)


def _read_typed(content: bytes, path: Path) -> MidiFile:
    from engine.typed import typed_melody

    return typed_melody(content.decode("utf-8-sig", "replace"), path.stem)


READERS: dict[str, Callable[[bytes, Path], MidiFile]] = {
    MIDI: _read_midi,
    MUSICXML: _read_musicxml,
    MEI: _read_mei,
    HUMDRUM: _read_humdrum,
    ABC: _read_abc,
    TYPED: _read_typed,
}
