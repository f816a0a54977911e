"""ABC notation to the parts of a score: one tune of a book.

Source: the ABC standard 2.1. An accidental lasts to the end of its bar in every octave, and through a tie. A repeat
without a begin goes back to where the one before it ended. The order of parts in a header's P: is not followed; macros
and redefinable symbols are not read.
"""

from __future__ import annotations

import re
from fractions import Fraction

from engine.errors import ScoreError
from engine.scores.abc_key import C_MAJOR, Key, key_of, shift_of
from engine.scores.abc_voice import Sung, Voice
from engine.scores.score import CODA, DA_CAPO, DAL_SEGNO, FINE, SEGNO, Part, Tempo

PITCH = r"(?:\^\^|\^|__|_|=)?[A-Ga-g][,']*"
LENGTH = r"\d{0,4}/{0,4}\d{0,4}"
TOKEN = re.compile(
    r'"[^"]*"'
    r"|\[(?P<field>[A-Za-z]):(?P<value>[^\]]*)\]"
    r"|!(?P<sign>[^!]*)!|\+[^+\s]+\+"
    r"|\{(?P<graces>[^}]*)\}"
    r"|(?P<bar>:*\[?\|+[\]|]*:*|:+\]?)(?:\s*\[?(?P<ending>\d[\d,.-]*))?"
    r"|\[(?P<bracket>\d[\d,.-]*)"
    rf"|\[(?P<chord>[^\]|]*)\](?P<chord_length>{LENGTH})(?P<chord_tie>-?)"
    rf"|(?P<note>{PITCH})(?P<length>{LENGTH}) ?(?P<tie>-?)"
    rf"|(?P<rest>[zxZX])(?P<rest_length>{LENGTH})"
    r"|(?P<broken>>{1,3}|<{1,3})"
    r"|\((?P<tuplet>\d(?::\d?){0,2})"
    r"|(?P<overlay>&)"
    r"|(?P<mark>[SO])"
)
NOTE = re.compile(rf"({PITCH})({LENGTH}) ?(-?)")
FIELD = re.compile(r"([A-Za-z]):(.*)")
SPEED = re.compile(r"((?:\d{1,3}/\d{1,3}\s*)+)=\s*(\d{1,4}(?:\.\d{1,3})?)")
OLD_SPEED = re.compile(r"(?:C\d*\s*=\s*)?(\d{1,4})\s*$")
SIGNS = {"D.C.": DA_CAPO, "D.S.": DAL_SEGNO, "fine": FINE, "coda": CODA, "segno": SEGNO, "S": SEGNO, "O": CODA}
SYLLABLE = re.compile(r"[^\s\-*_|]+-?|\*|_|\||-")
MAX_BARS_OF_REST = 1000
MAX_REPEATS = 100
MAX_VOICES = 64
MAX_LINE = 100_000  # letters


def tunes_of(content: bytes) -> list[str]:
    """The tunes of a book, each from its X: on; a text without X: is one tune."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    found = re.split(r"^(?=X:)", "\n".join(text.splitlines()), flags=re.MULTILINE)
    return [tune for tune in found if tune.startswith("X:")] or [text]


def title_of(tune: str) -> str:
    """The first T: of a tune, "" where it has none."""
    found = re.search(r"^T:(.*)$", tune, flags=re.MULTILINE)
    return found.group(1).strip() if found else ""


def read_tune(tune: str, name: str) -> list[Part]:
    """The parts (voices) of one tune. Raises ScoreError where it says something impossible."""
    reader = _TuneReader()
    try:
        for line in tune.splitlines():
            reader.read_line(line[:MAX_LINE])
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        raise ScoreError(f"{name} says something impossible: {error}", "Look at its text") from error
    return reader.parts()


def _length(text: str) -> Fraction:
    """In unit notes: '', '2', '/', '3/2', '//'."""
    above, slash, below = text.partition("/")
    digits = below.lstrip("/")
    return Fraction(int(above or 1), int(digits) if digits else 2 ** (1 + below.count("/")) if slash else 1)


def _endings(text: str) -> frozenset[int]:
    """'1,3' and '1-3' as numbers."""
    numbers: set[int] = set()
    for each in re.findall(r"\d{1,2}(?:-\d{1,2})?", text):
        first, _, last = each.partition("-")
        numbers |= set(range(int(first), int(last or first) + 1))
    return frozenset(numbers)


def _notes(text: str) -> list[Sung]:
    """The notes inside a chord or of a grace."""
    return [Sung(pitch, _length(length), bool(tie)) for pitch, length, tie in NOTE.findall(text)]


class _TuneReader:
    """Reads a tune line by line. What the header says is where each voice begins."""

    def __init__(self) -> None:
        self.is_header = True
        self.key: Key = C_MAJOR
        self.key_shift = 0
        self.unit: Fraction | None = None
        self.meter: tuple[int, int] | None = None
        self.speed: float | None = None
        self.voices: dict[str, Voice] = {}
        self.shifts: dict[str, int] = {}  # of voices that only their V: names
        self.titles: dict[str, str] = {}
        self.voice: Voice | None = None

    def parts(self) -> list[Part]:
        """What was read, with the last measures closed."""
        for voice in self.voices.values():
            voice.close_bar()
        return [voice.part for voice in self.voices.values() if voice.part.measures]

    def read_line(self, line: str) -> None:
        """A field, lyrics, or music."""
        line = re.sub(r"(?<!\\)%.*", "", line).rstrip()
        field = FIELD.match(line)
        if field and field.group(1) == "w":
            self._read_lyrics(field.group(2))
        elif field:
            self._read_field(field.group(1), field.group(2).strip())
        elif line and not self.is_header:
            self._read_music(line)

    def _current(self) -> Voice:
        """The voice that sings now; without a V: the only one."""
        if self.voice is None:
            self._choose_voice("")
        assert self.voice is not None
        return self.voice

    def _choose_voice(self, text: str) -> None:
        name, _, rest = text.partition(" ")
        if rest:
            self.shifts[name] = shift_of(rest)
            title = re.search(r'(?:name|nm)="?([^"]*)"?', rest)
            self.titles[name] = title.group(1) if title else self.titles.get(name, name)
        if self.is_header:
            return
        if name not in self.voices:
            if len(self.voices) == MAX_VOICES:
                raise ValueError(f"more than {MAX_VOICES} voices")
            self.voices[name] = self._new_voice(name)
        self.voice = self.voices[name]
        self.voice.shift = self.key_shift + self.shifts.get(name, 0)

    def _new_voice(self, name: str) -> Voice:
        voice = Voice(self.titles.get(name, name))
        voice.key, voice.meter = self.key, self.meter
        usual = Fraction(1, 16) if self.meter and Fraction(*self.meter) < Fraction(3, 4) else Fraction(1, 8)
        voice.unit = self.unit or usual
        voice.measure.meter, voice.measure.key = self.meter, self.key.signature
        if self.speed:
            voice.measure.tempos.append(Tempo(Fraction(0), self.speed))
        return voice

    def _read_field(self, kind: str, text: str) -> None:
        """A field of the header, or in the music, where it counts for the voice that sings."""
        voice = None if self.is_header else self.voice
        match kind:
            case "K":
                self.key, self.key_shift = key_of(text), shift_of(text)
                self.is_header = False
                if voice:
                    voice.key, voice.measure.key = self.key, self.key.signature
            case "L" if found := re.match(r"(\d{1,3})/(\d{1,3})", text):
                self.unit = Fraction(int(found.group(1)), int(found.group(2)))
                if voice and self.unit:
                    voice.unit = self.unit
            case "M":
                self.meter = self._meter(text)
                if voice:
                    voice.meter = voice.measure.meter = self.meter
            case "Q":
                self.speed = self._speed(text)
                if voice and self.speed:
                    voice.measure.tempos.append(Tempo(voice.at, self.speed))
            case "V":
                self._choose_voice(text)

    def _meter(self, text: str) -> tuple[int, int] | None:
        text = {"C": "4/4", "C|": "2/2"}.get(text, text)
        found = re.match(r"\(?(\d{1,2}(?:\+\d{1,2}){0,8})\)?/(\d{1,2})", text)
        if not found:
            return None
        beats, unit = sum(int(each) for each in found.group(1).split("+")), int(found.group(2))
        return (beats, unit) if 0 < beats < 256 and unit in (1, 2, 4, 8, 16, 32) else None

    def _speed(self, text: str) -> float | None:
        """Quarters a minute."""
        text = re.sub(r'"[^"]*"', "", text).strip()
        if found := SPEED.search(text):
            beats = sum((Fraction(each) for each in found.group(1).split()), Fraction(0))
            return float(4 * beats) * float(found.group(2)) or None
        if found := OLD_SPEED.match(text):
            unit = self.voice.unit if self.voice else self.unit or Fraction(1, 8)
            return float(4 * unit) * int(found.group(1)) or None
        return None

    def _read_lyrics(self, text: str) -> None:
        """Syllables under the notes of the line before; a line of lyrics more is another verse and not read."""
        line, measure = self._current().line, None
        self._current().line = []
        waiting = iter(line)
        for syllable in SYLLABLE.findall(text):
            if syllable == "|":
                left = list(waiting)
                ahead = next((i for i, each in enumerate(left) if each[0] is not measure), len(left))
                waiting = iter(left[ahead:] if measure is not None else left)
                continue
            place = next(waiting, None)
            if place is None:
                return
            measure, index = place
            if syllable not in ("*", "_", "-"):
                said = syllable.removesuffix("-").replace("~", " ") + " " * (not syllable.endswith("-"))
                measure.notes[index] = measure.notes[index]._replace(lyric=said)

    def _read_music(self, line: str) -> None:
        self._current().line = []
        for token in TOKEN.finditer(line):
            found = {name: text for name, text in token.groupdict().items() if text is not None}
            voice = self._current()
            if "note" in found:
                voice.add([Sung(found["note"], _length(found["length"]), bool(found["tie"]))])
            elif "bar" in found:
                self._read_bar(voice, found["bar"], found.get("ending", ""))
            elif "rest" in found:
                self._read_rest(voice, found["rest"], found["rest_length"])
            elif "broken" in found:
                voice.break_rhythm(found["broken"])
            elif "chord" in found and (notes := _notes(found["chord"])):
                is_tied = bool(found["chord_tie"])
                struck = [note._replace(is_tied=note.is_tied or is_tied) for note in notes]
                voice.add(struck, _length(found["chord_length"]))
            elif "graces" in found:
                voice.add_graces(_notes(found["graces"]))
            elif "tuplet" in found:
                voice.begin_tuplet(found["tuplet"])
            elif "bracket" in found:
                voice.close_bar()
                voice.endings = _endings(found["bracket"])
            elif "overlay" in found:
                voice.at = Fraction(0)
            elif "field" in found:
                self._read_field(found["field"], found["value"].strip())
            else:
                sign = SIGNS.get(found.get("sign", found.get("mark", "")))
                voice.measure.signs |= {sign} if sign else set()

    def _read_rest(self, voice: Voice, kind: str, length: str) -> None:
        """z and x count unit notes, Z and X whole bars."""
        if kind.islower():
            voice.rest(_length(length))
            return
        whole = Fraction(*(voice.meter or (4, 4))) / voice.unit
        for _ in range(min(int(length or 1) if length.isdigit() or not length else 1, MAX_BARS_OF_REST)):
            voice.rest(whole)
            voice.close_bar()

    def _read_bar(self, voice: Voice, bar: str, ending: str) -> None:
        """A bar line with what it says of repeats, and the bracket that begins or ends at it."""
        closing, opening = len(bar) - len(bar.lstrip(":")), len(bar) - len(bar.rstrip(":"))
        if not bar.strip(":"):  # '::' closes and opens
            closing = opening = max(len(bar) // 2, 1)
        voice.close_bar()
        measures = voice.part.measures
        if closing and measures:
            measures[-1].repeats = min(closing + 1, MAX_REPEATS)
            voice.follows_repeat = True
        if opening:
            voice.measure.is_repeat_start = True
        if closing or opening or len(bar.strip(":")) > 1:
            voice.endings = frozenset()
        if ending:
            voice.endings = _endings(ending)
