"""A performance as a MusicXML draft: two staves on the melody's beat grid, in sixteenths.

A draft to work on, not an edition: each staff has one voice of chords, a chord lasts until the next one at most, what
falls on one sixteenth is struck together; pedals, dynamics and triplets are not written. Middle C parts the staves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from engine import midi_file
from engine.errors import ScoreError
from engine.midi import MidiFile
from engine.performance import Performance

STEPS = 4  # of a quarter: a step is a sixteenth
MIDDLE = 60  # the lowest pitch of the upper staff
TYPES = {
    16: ("whole", 0), 12: ("half", 1), 8: ("half", 0), 6: ("quarter", 1), 4: ("quarter", 0), 3: ("eighth", 1),
    2: ("eighth", 0), 1: ("16th", 0),
}  # steps: name, dots  # fmt: skip
SHARPS = "C C# D D# E F F# G G# A A# B".split()
FLATS = "C Db D Eb E F Gb G Ab A Bb B".split()
UNITS = (1, 2, 4, 8, 16)  # of a meter that is a whole number of steps
MAX_MEASURES = 20_000
DOCTYPE = (
    '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" '
    '"http://www.musicxml.org/dtds/partwise.dtd">'
)


class Chord(NamedTuple):
    """Keys struck together. start, end: steps since the begin."""

    start: int
    end: int
    pitches: tuple[int, ...]


class Piece(NamedTuple):
    """A part of a chord, or of a rest without pitches, that can be written as one note. length: steps."""

    pitches: tuple[int, ...]
    length: int
    comes_on: bool = False  # tied to the piece before it
    goes_on: bool = False


class Bar(NamedTuple):
    """One measure. start, length: steps; meter, key and speed are None where they go on."""

    start: int
    length: int
    meter: tuple[int, int] | None
    sharps: int | None
    speed: float | None


def write_draft(path: str | Path, performance: Performance, like: MidiFile | None = None) -> None:
    """Write the performance as a MusicXML file; never leaves half a file.

    like: the file whose tempo map, meters and keys it takes; without it 4/4 at 120. Raises MidiError where the place
    can't be written, ScoreError where the piece is too long.
    """
    midi_file.write_bytes(Path(path), draft(performance, like))


def draft(performance: Performance, like: MidiFile | None = None) -> bytes:
    """The bytes that `write_draft` writes."""
    like = like or MidiFile()
    staves = staves_of(performance, like)
    end = max((chord.end for staff in staves for chord in staff), default=0)
    bars = list(_bars(like, end))
    root = Element("score-partwise", version="4.0")
    SubElement(SubElement(root, "work"), "work-title").text = performance.name or "Draft"
    SubElement(SubElement(root, "identification"), "encoding").append(_text("software", "Hommage"))
    listed = SubElement(SubElement(root, "part-list"), "score-part", id="P1")
    SubElement(listed, "part-name").text = "Piano"
    part = SubElement(root, "part", id="P1")
    is_flat = (like.key_signatures[0].sharps if like.key_signatures else 0) < 0
    pieces = [list(_filled(staff, bars)) for staff in staves]
    for number, bar in enumerate(bars, 1):
        measure = SubElement(part, "measure", number=str(number))
        _write_attributes(measure, bar, is_first=number == 1)
        for staff, all_pieces in enumerate(pieces, 1):
            if staff > 1:
                SubElement(measure, "backup").append(_text("duration", bar.length))
            for piece in all_pieces[number - 1]:
                measure.extend(_notes(piece, staff, FLATS if is_flat else SHARPS))
    indent(root)
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n{DOCTYPE}\n'
    return head.encode() + tostring(root, encoding="unicode").encode() + b"\n"


def staves_of(performance: Performance, like: MidiFile) -> tuple[list[Chord], list[Chord]]:
    """The chords of the upper and lower staff in order, as they are written."""
    starts, ends, pitches, _ = performance.arrays
    scale = STEPS / like.tempo_map.ticks_per_beat
    begins = ((like.tempo_map.ticks(starts) * scale) + 0.5).astype(int).tolist()
    until = ((like.tempo_map.ticks(ends) * scale) + 0.5).astype(int).tolist()
    struck: tuple[dict[int, dict[int, int]], ...] = ({}, {})  # of each staff by start: end by pitch
    for start, end, pitch in zip(begins, until, pitches.tolist(), strict=True):
        struck[pitch < MIDDLE].setdefault(start, {})[pitch] = max(end, start + 1)
    return _chords(struck[0]), _chords(struck[1])


def _chords(struck: dict[int, dict[int, int]]) -> list[Chord]:
    order = sorted(struck)
    following = [*order[1:], max((end for ends in struck.values() for end in ends.values()), default=0)]
    return [
        Chord(start, min(max(struck[start].values()), after), tuple(sorted(struck[start])))
        for start, after in zip(order, following, strict=False)
    ]


def _bars(like: MidiFile, end: int) -> Iterator[Bar]:
    """The measures until the end, at least one."""
    meters = [(_step(like, m.time), (m.beats, m.unit)) for m in like.meters if m.unit in UNITS]
    keys = [(_step(like, key.time), float(key.sharps)) for key in like.key_signatures]
    tempos = [(round(tick * STEPS / like.tempo_map.ticks_per_beat), 60e6 / t) for tick, t in like.tempo_map.changes]
    start, meter, written = 0, (4, 4), None
    for _ in range(MAX_MEASURES):
        meter = next((said for at, said in reversed(meters) if at <= start), meter)
        length = meter[0] * 4 * STEPS // meter[1]
        changed = meter if meter != written else None
        key = _last_within(keys, start, length)
        speed = _last_within(tempos, start, length)
        sharps = int(key) if key is not None else None if start else 0
        yield Bar(start, length, changed, sharps, speed)
        written = meter
        start += length
        if start >= end:
            return
    raise ScoreError(f"A draft of more than {MAX_MEASURES:,} measures can't be written", "Write it as MIDI")


def _step(like: MidiFile, seconds: float) -> int:
    return round(float(like.tempo_map.ticks(seconds)) * STEPS / like.tempo_map.ticks_per_beat)


def _last_within(marks: list[tuple[int, float]], start: int, length: int) -> float | None:
    return next((said for at, said in reversed(marks) if start <= at < start + length), None)


def _filled(chords: Iterable[Chord], bars: Iterable[Bar]) -> Iterator[list[Piece]]:
    """For each measure its chords and the rests between them, in pieces."""
    waiting = list(reversed(list(chords)))
    for bar in bars:
        at, end = bar.start, bar.start + bar.length
        pieces: list[Piece] = []
        while at < end:
            chord = waiting[-1] if waiting else Chord(end, end, ())
            is_struck = chord.start <= at
            until = min(chord.end if is_struck else chord.start, end)
            length = next(length for length in TYPES if length <= until - at)
            if is_struck:
                pieces.append(Piece(chord.pitches, length, at > chord.start, at + length < chord.end))
            else:
                pieces.append(Piece((), length))
            at += length
            if is_struck and at >= chord.end:
                waiting.pop()
        yield pieces


def _write_attributes(measure: Element, bar: Bar, is_first: bool) -> None:
    attributes = Element("attributes")
    if is_first:
        attributes.append(_text("divisions", STEPS))
    if bar.sharps is not None:
        SubElement(attributes, "key").append(_text("fifths", bar.sharps))
    if bar.meter:
        time = SubElement(attributes, "time")
        time.extend([_text("beats", bar.meter[0]), _text("beat-type", bar.meter[1])])
    if is_first:
        attributes.append(_text("staves", 2))
        for number, (sign, line) in enumerate((("G", 2), ("F", 4)), 1):
            clef = SubElement(attributes, "clef", number=str(number))
            clef.extend([_text("sign", sign), _text("line", line)])
    if len(attributes):
        measure.append(attributes)
    if bar.speed:
        direction = SubElement(measure, "direction", placement="above")
        metronome = SubElement(SubElement(direction, "direction-type"), "metronome")
        metronome.extend([_text("beat-unit", "quarter"), _text("per-minute", f"{bar.speed:.6g}")])
        SubElement(direction, "sound", tempo=f"{bar.speed:.6g}")


def _notes(piece: Piece, staff: int, names: list[str]) -> Iterator[Element]:
    """The note elements of a piece; of a rest one."""
    kind, dots = TYPES[piece.length]
    ties = ["stop"] * piece.comes_on + ["start"] * piece.goes_on
    for index, pitch in enumerate(piece.pitches or (None,)):
        note = Element("note")
        if index:
            SubElement(note, "chord")
        note.append(Element("rest") if pitch is None else _pitch(pitch, names))
        note.append(_text("duration", piece.length))
        note.extend(Element("tie", type=tie) for tie in ties)
        note.append(_text("voice", staff))
        note.append(_text("type", kind))
        note.extend(Element("dot") for _ in range(dots))
        note.append(_text("staff", staff))
        if ties:
            SubElement(note, "notations").extend(Element("tied", type=tie) for tie in ties)
        yield note


def _pitch(pitch: int, names: list[str]) -> Element:
    element = Element("pitch")
    name = names[pitch % 12]
    element.append(_text("step", name[0]))
    if len(name) > 1:
        element.append(_text("alter", 1 if name[1] == "#" else -1))
    element.append(_text("octave", pitch // 12 - 1))
    return element


def _text(tag: str, text: object) -> Element:
    element = Element(tag)
    element.text = str(text)
    return element
