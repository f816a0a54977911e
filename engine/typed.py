"""A melody typed as notes: "C4 C4 G4 G4 A4 A4 G4/2".

A note is a letter, sharps or flats (# or b), and an octave (4, that of middle C, until another is said); after a slash
its beats, one where there is no slash: G4/2, F#/0.5, Bb3/3/2 is one and a half. A rest is r or -, as r/2. Bars (|) and
commas are passed over. A beat lasts half a second.
"""

from __future__ import annotations

import re
from fractions import Fraction

from engine.errors import ScoreError
from engine.midi import MidiFile
from engine.scores.score import Measure, Part, Written, score_file

TYPED = re.compile(r"(?P<name>[A-Ga-g](?P<sign>#{1,2}|b{1,2})?(?P<octave>-?\d)?|[rR]|-)(?:/(?P<beats>[\d./]{1,9}))?")
BEATS = re.compile(r"\d{1,3}(?:\.\d{1,4})?|\d{1,3}/\d{1,3}")
BETWEEN = re.compile(r"[\s,;|]+")
LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
SIGNS = {"": 0, "#": 1, "##": 2, "b": -1, "bb": -2}
MIDDLE_OCTAVE = 4
MAX_NOTES = 10_000
MAX_LETTERS = 100_000


def is_typed(text: str) -> bool:
    """Whether a text is typed notes, and not a file's name: two or more, or one with its octave."""
    words = BETWEEN.split(text.strip())
    alike = [TYPED.fullmatch(word) for word in words if word]
    notes = [found for found in alike if found and found["name"] not in ("r", "R", "-")]
    return all(alike) and bool(notes) and (len(notes) > 1 or notes[0]["octave"] is not None)


def typed_melody(text: str, name: str = "Typed notes") -> MidiFile:
    """The melody. Raises ScoreError for what is no note."""
    measure = Measure(meter=(4, 4))
    octave = MIDDLE_OCTAVE
    words = [word for word in BETWEEN.split(text[:MAX_LETTERS].strip()) if word]
    if len(words) > MAX_NOTES or len(text) > MAX_LETTERS:
        raise ScoreError(f"{name} has more than {MAX_NOTES:,} notes", "Type fewer")
    for word in words:
        found = TYPED.fullmatch(word)
        beats = _beats(found["beats"] or "1") if found else None
        if found is None or not beats:
            raise ScoreError(f"{word[:20]!r} is no note", 'Type notes like this: "C4 C4 G4 G4 A4 A4 G4/2"')
        if found["name"] not in ("r", "R", "-"):
            octave = int(found["octave"] or octave)
            pitch = 12 * (octave + 1) + LETTERS[found["name"][0].upper()] + SIGNS[found["sign"] or ""]
            if not 0 <= pitch <= 127:
                raise ScoreError(f"{word[:20]} is beyond the keys", "Octaves go from -1 to 9; middle C is C4")
            measure.notes.append(Written(measure.length, beats, pitch))
        measure.length += beats
    return score_file([Part(name, [measure])], name)


def _beats(text: str) -> Fraction | None:
    try:
        return Fraction(text) if BEATS.fullmatch(text) else None
    except ZeroDivisionError:
        return None
