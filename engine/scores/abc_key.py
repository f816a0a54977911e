"""What an ABC key line says: sharps and flats, and how far a voice sounds from where it is written."""

from __future__ import annotations

import re
from typing import NamedTuple

LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
ACCIDENTALS = {"^^": 2, "^": 1, "=": 0, "_": -1, "__": -2}
ORDER_OF_SHARPS = "FCGDAEB"
FIFTHS = {letter: place - 1 for place, letter in enumerate(ORDER_OF_SHARPS)}  # sharps of each letter's major key
MODES = {"maj": 0, "ion": 0, "m": -3, "min": -3, "aeo": -3, "mix": -1, "dor": -2, "phr": -4, "lyd": 1, "loc": -5}
TONIC = re.compile(r"\s*([A-G])([#b]?)\s*([A-Za-z]*)")
EXPLICIT = re.compile(r"(?<!\S)(\^\^|\^|__|_|=)([A-Ga-g])(?!\S)")
SHIFTS = (  # what moves a voice: the text, and the semitones of each unit in it
    (re.compile(r"transpose=(-?\d{1,2})"), 1),
    (re.compile(r"octave=(-?\d)"), 12),
)
CLEF_SHIFT = re.compile(r"(?:treble|alto|tenor|bass|clef=\w+)\s?([+-])8")


class Key(NamedTuple):
    """alters: semitones by letter; signature: sharps and whether it is minor, None where it is no usual one."""

    alters: dict[str, int]
    signature: tuple[int, bool] | None = None


C_MAJOR = Key({}, (0, False))


def key_of(text: str) -> Key:
    """The key that a K: says, as 'G', 'F#m', 'D dorian ^c', 'HP', 'none'."""
    text = text.strip()
    if text.startswith(("HP", "Hp")):
        return Key({"F": 1, "C": 1})
    explicit = {letter.upper(): ACCIDENTALS[sign] for sign, letter in EXPLICIT.findall(text)}
    found = TONIC.match(text)
    if not found:
        return Key(explicit, None if explicit else (0, False))
    letter, sign, mode = found.groups()
    name = mode.lower() if mode.lower() == "m" else mode.lower()[:3]
    sharps = FIFTHS[letter] + {"#": 7, "b": -7, "": 0}[sign] + MODES.get(name, 0)
    if name == "exp":
        return Key(explicit)
    ordered = ORDER_OF_SHARPS if sharps > 0 else ORDER_OF_SHARPS[::-1]
    alters = {each: 1 if sharps > 0 else -1 for each in ordered[: abs(sharps)]}
    is_minor = MODES.get(name) == -3
    return Key(alters | explicit, (sharps, is_minor) if abs(sharps) <= 7 and not explicit else None)


def shift_of(text: str) -> int:
    """Semitones that a K: or V: moves what follows."""
    total = 0
    for pattern, semitones in SHIFTS:
        if found := pattern.search(text):
            total += int(found.group(1)) * semitones
    if found := CLEF_SHIFT.search(text):
        total += 12 if found.group(1) == "+" else -12
    return total
