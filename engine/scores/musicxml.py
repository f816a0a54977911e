"""MusicXML, plain or zipped, to the parts of a score.

Source: MusicXML 4.0 (W3C). Pitches are those that transposing instruments sound; cue notes are
played, unpitched notes aren't.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from fractions import Fraction
from xml.etree.ElementTree import Element, ParseError, fromstring

from engine.errors import ScoreError
from engine.midi_file import MAX_BYTES
from engine.scores.score import (
    CODA,
    DA_CAPO,
    DAL_SEGNO,
    FINE,
    SEGNO,
    TO_CODA,
    Measure,
    Part,
    Tempo,
    Written,
)

STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
BEAT_UNITS = {  # in quarters
    "whole": Fraction(4),
    "half": Fraction(2),
    "quarter": Fraction(1),
    "eighth": Fraction(1, 2),
    "16th": Fraction(1, 4),
}
SOUND_SIGNS = {  # attributes of a sound
    "segno": SEGNO,
    "coda": CODA,
    "tocoda": TO_CODA,
    "fine": FINE,
    "dacapo": DA_CAPO,
    "dalsegno": DAL_SEGNO,
}
WORD_SIGNS = (  # what directions say that have no sound
    (re.compile(r"^\s*d\.?\s?c\.?(\s|$)|\bd\.\s?c\.|\bda capo\b", re.I), DA_CAPO),
    (re.compile(r"^\s*d\.?\s?s\.?(\s|$)|\bd\.\s?s\.|\bdal segno\b", re.I), DAL_SEGNO),
    (re.compile(r"^\s*fine\.?\s*$", re.I), FINE),
    (re.compile(r"^\s*to coda", re.I), TO_CODA),
)
MAX_MEMBERS = 1000  # of a zip
MAX_REPEATS = 100  # of one stretch
MAX_PARTS = 1024
LONGEST_NOTE = 10_000  # quarters
BROKEN_ZIP = (  # what reading one may raise
    zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, RuntimeError, OSError, struct.error,
)  # fmt: skip
CONTAINER = "META-INF/container.xml"


def unzipped(content: bytes, name: str) -> bytes:
    """The score inside an .mxl file. Raises ScoreError where there is none, or more than may be read."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.namelist()
            if len(members) > MAX_MEMBERS:
                raise ScoreError(f"{name} holds more than {MAX_MEMBERS:,} files", "Choose another file")
            return _member(archive, _score_name(archive, members, name), name)
    except BROKEN_ZIP as error:
        raise ScoreError(f"{name} is not a readable zipped score", "Export it again, or as plain MusicXML") from error


def _score_name(archive: zipfile.ZipFile, members: list[str], name: str) -> str:
    """The file that the container names, or else the first that is a score by its name."""
    if CONTAINER in members:
        for element in root_of(_member(archive, CONTAINER, name), name).iter():
            if element.tag.endswith("rootfile") and element.get("full-path") in members:
                return element.get("full-path", "")
    scores = [each for each in members if each.endswith((".xml", ".musicxml")) and not each.startswith("META-INF")]
    if not scores:
        raise ScoreError(f"{name} is a zip without a score in it", "Choose an .mxl or .musicxml file")
    return scores[0]


def _member(archive: zipfile.ZipFile, member: str, name: str) -> bytes:
    """One member's bytes, whatever length the zip says it has."""
    with archive.open(member) as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        bound = f"{MAX_BYTES // 2**20} MB is the most that can be read"
        raise ScoreError(f"{name} unpacks to more than it should: {bound}", "Choose a smaller file")
    return content


def read_parts(content: bytes, name: str) -> list[Part]:
    """The parts of a MusicXML file. Raises ScoreError where it is none."""
    root = root_of(content, name)
    if root.tag not in ("score-partwise", "score-timewise"):
        raise ScoreError(f"{name} is XML, but no MusicXML score", "Choose a .musicxml, .mxl or .mei file")
    measures: dict[str, list[Element]] = {}
    for outer in root:
        for inner in outer if outer.tag in ("part", "measure") else ():
            part, measure = (outer, inner) if root.tag == "score-partwise" else (inner, outer)
            if inner.tag in ("part", "measure"):
                number = measure.get("number", "")
                holder = Element("measure", {"number": number})
                holder.extend(inner)
                measures.setdefault(part.get("id", ""), []).append(holder)
    if len(measures) > MAX_PARTS:
        raise ScoreError(f"{name} has more than {MAX_PARTS:,} parts", "Choose a smaller file")
    titles = {each.get("id"): (each.findtext("part-name") or "").strip() for each in root.iter("score-part")}
    programs = {each.get("id"): _number(each.findtext(".//midi-program"), 1) for each in root.iter("score-part")}
    try:
        return [
            _PartReader(titles.get(part, ""), min(max(int(programs.get(part, 1)) - 1, 0), 127)).read(each)
            for part, each in measures.items()
        ]
    except (ValueError, ZeroDivisionError, OverflowError, KeyError) as error:
        raise ScoreError(f"{name} says something impossible: {error}", "Export the score again") from error


def root_of(content: bytes, name: str) -> Element:
    """The outermost element of an XML file. Raises ScoreError where it is none, or defines entities, which may bomb."""
    if b"<!ENTITY" in content:
        raise ScoreError(f"{name} defines entities of its own, which no score needs", "Export the score again")
    try:
        return fromstring(content)
    except (ParseError, ValueError, LookupError, RecursionError) as error:
        raise ScoreError(f"{name} is not readable XML", "Export the score again") from error


class _PartReader:
    """Reads the measures of one part; what they say of divisions, transposition, meter and endings lasts."""

    def __init__(self, name: str, program: int) -> None:
        self.part = Part(name, program=program)
        self.divisions = Fraction(1)
        self.transposition = 0
        self.meter: tuple[int, int] | None = None
        self.endings: frozenset[int] = frozenset()
        self.at = self.last = Fraction(0)  # the place, and that of the last note, which a chord shares
        self.graces = 0  # before the next note

    def read(self, measures: list[Element]) -> Part:
        """The whole part."""
        for element in measures:
            self.part.measures.append(self._measure(element))
        return self.part

    def _measure(self, element: Element) -> Measure:
        """A measure is as long as its notes, and as its rests where these keep within the meter."""
        measure = Measure()
        self.at = self.last = longest = Fraction(0)
        self.graces = 0
        ends_bracket = False
        for item in element:
            match item.tag:
                case "note":
                    self._read_note(item, measure)
                case "backup":
                    self.at = max(self.at - self._duration(item), Fraction(0))
                case "forward":
                    self.at += self._duration(item)
                case "attributes":
                    self._read_attributes(item, measure)
                case "direction" | "sound":
                    _read_direction(item, measure, self.at)
                case "barline":
                    ends_bracket |= self._read_barline(item, measure)
            longest = max(longest, self.at)
        self.meter = measure.meter or self.meter
        within = min(longest, Fraction(4 * self.meter[0], self.meter[1])) if self.meter else longest
        measure.length = max([within, *(note.onset + note.length for note in measure.notes)])
        measure.endings = self.endings
        if ends_bracket:
            self.endings = frozenset()
        return measure

    def _read_note(self, item: Element, measure: Measure) -> None:
        is_grace, is_chord = item.find("grace") is not None, item.find("chord") is not None
        length = Fraction(0) if is_grace else self._duration(item)
        if not is_chord:
            self.last = self.at
            self.at += length
            self.graces = self.graces + 1 if is_grace else 0
        if (pitch := self._pitch(item)) is not None and (length or is_grace):
            grace = max(self.graces, 1) if is_grace else 0
            measure.notes.append(_written(item, self.last, length, pitch, grace))

    def _duration(self, item: Element) -> Fraction:
        """Quarters."""
        length = _number(item.findtext("duration"), 0) / self.divisions
        if not 0 <= length <= LONGEST_NOTE:
            raise ValueError(f"a note of {float(length):,.0f} quarters")
        return length

    def _pitch(self, note: Element) -> int | None:
        """As it sounds; None for a rest, an unpitched note, or what no piano tuned anyhow could play."""
        pitch = note.find("pitch")
        if pitch is None:
            return None
        step = STEPS[(pitch.findtext("step") or "").strip()]
        octave = int(_number(pitch.findtext("octave"), 4))
        sounding = 12 * (octave + 1) + step + round(_number(pitch.findtext("alter"), 0)) + self.transposition
        return sounding if 0 <= sounding <= 127 else None

    def _read_attributes(self, item: Element, measure: Measure) -> None:
        self.divisions = _number(item.findtext("divisions"), self.divisions)
        if self.divisions <= 0:
            raise ValueError(f"{self.divisions} divisions a quarter")
        if (transpose := item.find("transpose")) is not None:
            octaves = _number(transpose.findtext("octave-change"), 0)
            self.transposition = int(_number(transpose.findtext("chromatic"), 0) + 12 * octaves)
        beats, unit = item.findtext("time/beats"), item.findtext("time/beat-type")
        if beats and unit and re.fullmatch(r"[\d+ ]{1,12}", beats) and unit.strip() in ("1", "2", "4", "8", "16", "32"):
            count = sum(int(each) for each in beats.replace(" ", "").split("+") if each)
            measure.meter = (count, int(unit)) if 0 < count < 256 else None
        if (fifths := item.findtext("key/fifths")) is not None and abs(sharps := int(_number(fifths, 0))) <= 7:
            measure.key = sharps, (item.findtext("key/mode") or "").strip() == "minor"

    def _read_barline(self, item: Element, measure: Measure) -> bool:
        """Whether the bracket over the measures ends here."""
        if (repeat := item.find("repeat")) is not None:
            if repeat.get("direction") == "forward":
                measure.is_repeat_start = True
            else:
                measure.repeats = min(max(int(_number(repeat.get("times"), 2)), 2), MAX_REPEATS)
        ending = item.find("ending")
        if ending is None:
            return False
        if ending.get("type") == "start":
            numbers = {int(number) for number in re.findall(r"\d{1,3}", ending.get("number", ""))}
            self.endings = frozenset(number for number in numbers if 0 < number <= MAX_REPEATS)
            return False
        return True


def _written(item: Element, onset: Fraction, length: Fraction, pitch: int, grace: int) -> Written:
    is_tied = any(tie.get("type") == "start" for tie in item.iter() if tie.tag in ("tie", "tied"))
    return Written(onset, length, pitch, (item.findtext("voice") or "").strip(), is_tied, grace, _lyric(item))


def _lyric(note: Element) -> str:
    lyric = note.find("lyric")
    text = "".join(each.text or "" for each in lyric.iter("text")) if lyric is not None else ""
    if lyric is None or not text:
        return ""
    return text if lyric.findtext("syllabic") in ("begin", "middle") else f"{text} "


def _read_direction(item: Element, measure: Measure, at: Fraction) -> None:
    """Tempo and signs of a direction, or of a sound that stands alone."""
    speed = None
    signs: set[str] = set()
    for sound in item.iter("sound"):
        speed = _number(sound.get("tempo"), 0) or speed
        signs |= {sign for attribute, sign in SOUND_SIGNS.items() if sound.get(attribute)}
    if speed is None:
        speed = next((speed for each in item.iter("metronome") if (speed := _metronome(each))), None)
    if speed is not None and speed > 0:
        measure.tempos.append(Tempo(at, float(speed)))
    signs |= {tag for tag in (SEGNO, CODA) if next(item.iter(tag), None) is not None}
    for words in item.iter("words"):
        signs |= {sign for pattern, sign in WORD_SIGNS if pattern.search((words.text or "")[:80])}
    measure.signs |= signs


def _metronome(element: Element) -> Fraction | None:
    """Quarters a minute."""
    unit = BEAT_UNITS.get((element.findtext("beat-unit") or "").strip())
    found = re.search(r"\d{1,4}(\.\d{1,4})?", element.findtext("per-minute") or "")
    if unit is None or not found:
        return None
    dotted = Fraction(3, 2) if element.find("beat-unit-dot") is not None else 1
    return Fraction(found.group()) * unit * dotted


def _number(text: str | None, otherwise: Fraction | int) -> Fraction:
    """A number of a reasonable size. Raises ValueError where the text is none."""
    if text is None or not text.strip():
        return Fraction(otherwise)
    if not re.fullmatch(r"[+-]?\d{1,12}(\.\d{0,12})?", text.strip()):
        raise ValueError(f"{text.strip()[:20]!r} where a number should be")
    return Fraction(text.strip())
