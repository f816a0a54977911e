"""One voice of an ABC tune: notes into measures, with accidentals, ties, broken rhythm and tuplets."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

from engine.scores.abc_key import ACCIDENTALS, C_MAJOR, LETTERS, Key
from engine.scores.score import Measure, Part, Written

TUPLETS = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}  # so many in the time of so many
MAX_LENGTH = 4096  # quarters of a bar


class Sung(NamedTuple):
    """A note as ABC writes it. text: accidental, letter, octave marks; length: in unit notes; tie: goes on."""

    text: str
    length: Fraction
    is_tied: bool


class Voice:
    """key, unit (of a whole note), meter and shift (semitones) are set from outside as the tune goes on."""

    def __init__(self, name: str) -> None:
        self.part = Part(name)
        self.key: Key = C_MAJOR
        self.unit = Fraction(1, 8)
        self.meter: tuple[int, int] | None = None
        self.shift = 0
        self.measure = Measure()
        self.endings: frozenset[int] = frozenset()
        self.follows_repeat = False  # the next measure without a bracket is where a repeat goes back to
        self.line: list[tuple[Measure, int]] = []  # the notes of this line in order, for its lyrics
        self.at = Fraction(0)
        self._accidentals: dict[str, int] = {}  # of this bar, by letter
        self._tied: dict[int, int] = {}  # alteration of what is tied, by its pitch without
        self._last: tuple[int, Fraction, Fraction] | None = None  # first note, onset, length
        self._factor = Fraction(1)  # of the next note, from broken rhythm
        self._tuplet = Fraction(1)
        self._tuplet_left = 0  # notes
        self._graces = 0

    def close_bar(self) -> None:
        """The measure ends, if there is something in it."""
        if self.measure.length:
            self.measure.endings = self.endings
            if self.follows_repeat and not self.endings:
                self.measure.is_repeat_start, self.follows_repeat = True, False
            self.part.measures.append(self.measure)
            self.measure = Measure()
        self.at = Fraction(0)
        self._accidentals.clear()
        self._last = None

    def begin_tuplet(self, text: str) -> None:
        """'3', '3:2:4': so many in the time of so many, for so many notes."""
        numbers = [int(number) if number else 0 for number in text.split(":")]
        count = numbers[0]
        is_compound = self.meter is not None and self.meter[0] % 3 == 0 and self.meter[0] > 3
        usual = TUPLETS.get(count, 3 if is_compound else 2)
        time = numbers[1] if len(numbers) > 1 and numbers[1] else usual
        self._tuplet = Fraction(time, count)
        self._tuplet_left = numbers[2] if len(numbers) > 2 and numbers[2] else count

    def rest(self, length: Fraction) -> None:
        """length: unit notes."""
        self._tied = {}
        self._advance(self._quarters(length), len(self.measure.notes))

    def add(self, notes: list[Sung], length: Fraction = Fraction(1)) -> None:
        """Notes struck together, each length times the chord's; the first says when the next note comes."""
        first = len(self.measure.notes)
        tied: dict[int, int] = {}
        scale = self._quarters(Fraction(1))
        for note in notes:
            natural, alter = self._pitch(note.text)
            if note.is_tied:
                tied[natural] = alter
            self._write(natural + alter, note.length * length * scale, note.is_tied)
        self._tied = tied
        if len(self.measure.notes) > first:
            self.line.append((self.measure, first))
        self._advance(notes[0].length * length * scale, first)

    def add_graces(self, notes: list[Sung]) -> None:
        """Grace notes before the next note."""
        for note in notes:
            self._graces += 1
            natural, alter = self._pitch(note.text)
            self._write(natural + alter, Fraction(0), False, self._graces)

    def break_rhythm(self, signs: str) -> None:
        """a>b: a is dotted and b halved; >> doubly; < the other way round."""
        if self._last is None:
            return
        less = Fraction(1, 2 ** len(signs))
        before, self._factor = (2 - less, less) if signs[0] == ">" else (less, 2 - less)
        first, onset, length = self._last
        for index in range(first, len(self.measure.notes)):
            note = self.measure.notes[index]
            self.measure.notes[index] = note._replace(length=note.length * before)
        self.at = onset + length * before
        if self.measure.length == onset + length:
            self.measure.length = self.at
        self._last = None

    def _quarters(self, length: Fraction) -> Fraction:
        """A length in unit notes, by the broken rhythm and tuplet it stands in."""
        quarters = 4 * self.unit * length * self._factor
        self._factor = Fraction(1)
        if self._tuplet_left:
            self._tuplet_left -= 1
            quarters *= self._tuplet
        return quarters

    def _pitch(self, text: str) -> tuple[int, int]:
        """The natural's pitch, and its alteration by sign, tie, bar and key."""
        written = re.match(r"[\^_=]*", text)
        sign = written.group() if written else ""
        letter = text[len(sign)]
        octave = letter.islower() + text.count("'") - text.count(",")
        natural, name = 60 + LETTERS[letter.upper()] + 12 * octave, letter.upper()
        if sign:
            self._accidentals[name] = ACCIDENTALS[sign]
        elif natural in self._tied:
            return natural, self._tied[natural]
        return natural, self._accidentals.get(name, self.key.alters.get(name, 0))

    def _write(self, pitch: int, quarters: Fraction, is_tied: bool, grace: int = 0) -> None:
        sounding = pitch + self.shift
        if 0 <= sounding <= 127 and (quarters or grace):
            self.measure.notes.append(Written(self.at, quarters, sounding, "", is_tied, grace))

    def _advance(self, quarters: Fraction, first: int) -> None:
        """On by a note or rest. first: the index of its first note."""
        self._last = first, self.at, quarters
        self._graces = 0
        self.at += quarters
        if self.at > MAX_LENGTH:
            raise ValueError(f"a bar of more than {MAX_LENGTH:,} quarters")
        self.measure.length = max(self.measure.length, self.at)
