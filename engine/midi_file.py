"""Standard MIDI files as bytes: chunks, tracks, events. What is broken is mended as players do, and said.

Source: The Standard MIDI File 1.0 (RP-001). Where a file breaks it, or where it is silent:
- The header may stand anywhere (RMID, MacBinary) or be missing; tracks are read as long as there are any, not counted.
- A chunk that is no track is passed over by its length; where that leads to no chunk, the next `MTrk` is looked for.
- A track ends at its end-of-track, else at its length; a length of 0 is one that a recorder never came back to fill in.
- Running status lasts across meta events and system exclusives. A data byte over 127 counts as 127 (mido's `clip`).
- Data bytes without a status are passed over to the next status byte, with the byte before it as its delta time.
- Numbers may have any length, but more than five bytes hold counts as the most that they do.
- Texts are UTF-8 where they can be, else Shift-JIS where kana or kanji show, else Windows' Latin-1.
- Status bytes that no file may hold (F1-F6, F8-FE) are passed over with the data they have on a wire.
- An SMPTE division becomes beats of one second, with a frame's ticks times its frames as ticks a beat (TiMidity++).
"""

from __future__ import annotations

import os
import re
import struct
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.errors import MidiError

HEADER, TRACK, WRAPPER = b"MThd", b"MTrk", b"RIFF"
CHUNK = struct.Struct(">4sL")  # name, length of what follows
HEADER_FIELDS = struct.Struct(">4sLHHH")  # name, length, type, tracks, division
CHUNK_NAME = re.compile(rb"[ -~]{4}")
STATUS = re.compile(rb"[\x80-\xff]")
JAPANESE = re.compile(rb"[\x81-\x9f\xe0-\xef][\x80-\xfc]")  # kana and kanji in Shift-JIS, rare in Latin-1
TEXT, LAST_TEXT, END_OF_TRACK = 0x01, 0x0F, 0x2F  # meta events
META, EXCLUSIVE, EXCLUSIVE_GOES_ON = 0xFF, 0xF0, 0xF7
CLOSING = b"\xf7"
WIRE_BYTES = {0xF1: 1, 0xF2: 2, 0xF3: 1}  # data bytes of other system messages; the rest have none
NUMBER_BYTES = 5  # that count; the standard allows four
SMPTE_RATES = {24: (24, 1_000_000), 25: (25, 1_000_000), 29: (30, 1_001_000), 30: (30, 1_000_000)}
USUAL_TICKS = 480  # a beat, where the file doesn't say

MAX_DIVISION = 0x7FFF  # ticks a beat
MAX_DELTA = 0x0FFFFFFF  # ticks: the most that four bytes hold
MAX_BYTES = 16 * 2**20  # but RMID may have an instrument of any size behind its notes
MAX_CHUNKS = 1024
MAX_EVENTS = 500_000  # seven hours at ten notes a second
MAX_METAS = 100_000
FILE_MODE = 0o644

Event = tuple[int, bytes]  # tick; status and data


class Meta(NamedTuple):
    """A meta event. tick: since the file's begin; kind: its type byte; content: without the length."""

    tick: int
    kind: int
    content: bytes


@dataclass(frozen=True)
class RawTrack:
    """ticks, messages: (events,) int64, a message is status << 16 | first << 8 | second; end: the last event's tick."""

    ticks: NDArray[np.int64]
    messages: NDArray[np.int64]
    metas: tuple[Meta, ...]
    end: int

    @cached_property
    def kinds(self) -> NDArray[np.int64]:
        """Upper halves of the status bytes: 8 note off, 9 note on, 11 controller, 12 program."""
        return self.messages >> 20

    @cached_property
    def channels(self) -> NDArray[np.int64]:
        """0..15."""
        return self.messages >> 16 & 0xF

    @cached_property
    def firsts(self) -> NDArray[np.int64]:
        """First data bytes: pitch, controller, program."""
        return self.messages >> 8 & 0x7F

    @cached_property
    def values(self) -> NDArray[np.int64]:
        """Second data bytes: velocity, a controller's value."""
        return self.messages & 0x7F

    @property
    def strokes(self) -> int:
        """How many keys are struck."""
        return int(np.count_nonzero((self.kinds == 9) & (self.values > 0)))

    def with_ticks(self, moved: Callable[[NDArray[np.int64]], NDArray[np.int64]]) -> RawTrack:
        """The same events at other times."""
        ticks = moved(np.array([meta.tick for meta in self.metas], dtype=np.int64)).tolist()
        metas = (Meta(tick, kind, content) for tick, (_, kind, content) in zip(ticks, self.metas, strict=True))
        return replace(self, ticks=moved(self.ticks), metas=tuple(metas), end=int(moved(np.array([self.end]))[0]))


@dataclass(frozen=True)
class RawFile:
    """All that a file holds. fixed_tempo: microseconds a beat where tempo events don't count (SMPTE), else None."""

    format: int
    ticks_per_beat: int
    fixed_tempo: int | None
    tracks: tuple[RawTrack, ...]
    repairs: tuple[str, ...]

    @cached_property
    def metas(self) -> tuple[Meta, ...]:
        """The meta events of all tracks in order of time."""
        return tuple(sorted((meta for track in self.tracks for meta in track.metas), key=lambda meta: meta.tick))

    @cached_property
    def end(self) -> int:
        """The tick of the last event."""
        return max((track.end for track in self.tracks), default=0)

    @cached_property
    def charset(self) -> str:
        """What its texts are most likely written in."""
        texts = b"\n".join(meta.content for meta in self.metas if TEXT <= meta.kind <= LAST_TEXT)
        for charset in ("utf-8", "cp932") if JAPANESE.search(texts) else ("utf-8",):
            with suppress(UnicodeDecodeError):
                texts.decode(charset)
                return charset
        return "cp1252"

    def text(self, meta: Meta) -> str:
        """What a meta event says; U+FFFD for what is no character."""
        return meta.content.decode(self.charset, "replace").strip("\0\ufeff")


def read_bytes(path: Path) -> bytes:
    """A file's bytes. Raises MidiError where there is none, or more than may be read."""
    try:
        if path.is_dir():
            raise MidiError(f"{path} is a folder", "Choose a MIDI file inside it")
        size = path.stat().st_size
        if size == 0:
            raise MidiError(f"{path.name} is empty", "Choose another file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES)
        if size > MAX_BYTES and not content.startswith(WRAPPER):
            bound = f"{MAX_BYTES // 2**20} MB is the most that can be read"
            raise MidiError(f"{path.name} has {size / 2**20:,.0f} MB: {bound}", "Choose a smaller file")
        return content
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MidiError(f"There is no file {path}", "Check the name") from error
    except PermissionError as error:
        raise MidiError(f"{path} can't be opened: no permission", "Check who may read it") from error
    except (OSError, ValueError) as error:  # a broken disk, a name that no file can have
        raise MidiError(f"{path.name} is not a readable MIDI file", "Choose a .mid file") from error


def write_bytes(path: Path, content: bytes) -> None:
    """Put the bytes into a file. Raises MidiError where that fails; the file is as it was then."""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".part", delete=False) as temporary:
            try:
                temporary.write(content)
                temporary.close()
                os.chmod(temporary.name, FILE_MODE)
                os.replace(temporary.name, path)
            except BaseException:
                Path(temporary.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise MidiError(f"{path} can't be written: {error.strerror}", "Choose another folder") from error


def join(ticks_per_beat: int, tracks: Iterable[Iterable[Event]]) -> bytes:
    """A type 1 file of tracks, each with its events in order of time."""
    bodies = [b"".join(_body(track)) for track in tracks]
    header = HEADER_FIELDS.pack(HEADER, 6, 1, len(bodies), ticks_per_beat)
    return header + b"".join(CHUNK.pack(TRACK, len(body)) + body for body in bodies)


def meta_event(kind: int, content: bytes) -> bytes:
    """A meta event without its delta time."""
    return bytes([META, kind]) + _variable_length(len(content)) + content


def _body(events: Iterable[Event]) -> Iterator[bytes]:
    last = 0
    for tick, event in events:
        while tick - last > MAX_DELTA:  # an empty text on the way
            last += MAX_DELTA
            yield _variable_length(MAX_DELTA) + meta_event(TEXT, b"")
        yield _variable_length(tick - last) + event
        last = tick
    yield b"\0" + meta_event(END_OF_TRACK, b"")


def _variable_length(number: int) -> bytes:
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(number & 0x7F | 0x80)
    return bytes(reversed(groups))


def parse(content: bytes, name: str) -> RawFile:
    """Read a file's bytes. Raises MidiError, with the file's name, where there is no MIDI file in them or too much."""
    return _Parser(content, name).parse()


class _Parser:
    """Reads one file from front to back. repairs: what was mended so far; ..._left: how many may still come."""

    def __init__(self, content: bytes, name: str) -> None:
        self.content = content
        self.name = name
        self.repairs: list[str] = []
        self.events_left = MAX_EVENTS
        self.metas_left = MAX_METAS

    def parse(self) -> RawFile:
        begin = self._begin()
        kind, count, division, position = self._header(begin)
        tracks = self._tracks(position)
        if (begin > 0 or count is None) and not any(track.strokes for track in tracks):
            raise self._not_readable()  # a text that happens to have a chunk's name in it
        if count is not None and count != len(tracks):
            self.repairs.append(f"its header says {counted(count, 'track')}: {len(tracks):,} found")
        if kind > 2 or (kind == 0 and len(tracks) > 1):
            self.repairs.append(f"type {kind} with {counted(len(tracks), 'track')} was read as type 1")
            kind = 1
        ticks_per_beat, fixed_tempo = self._ticks_per_beat(division)
        return RawFile(kind, ticks_per_beat, fixed_tempo, tuple(tracks), tuple(self.repairs))

    def _begin(self) -> int:
        """Where the header is, or the first track without one."""
        begin = self.content.find(HEADER)
        if begin < 0:
            begin = self.content.find(TRACK)
        if begin < 0 and self.content.startswith(b"SMF2CLIP"):
            raise MidiError(f"{self.name} is a MIDI 2.0 clip", "Export it as a Standard MIDI File")
        if begin < 0:
            raise self._not_readable()
        if begin > 0 and not self.content.startswith(WRAPPER):
            self.repairs.append(f"{counted(begin, 'byte')} before its header passed over")
        return begin

    def _header(self, begin: int) -> tuple[int, int | None, int, int]:
        """Type, number of tracks (None: unknown), division, and where the first chunk begins."""
        content = self.content
        first = content.find(TRACK, begin)
        limit = len(content) if first < 0 else first
        if not content.startswith(HEADER, begin) or limit < begin + HEADER_FIELDS.size:
            if first < 0:
                raise self._not_readable()
            self.repairs.append(f"its header is missing: {USUAL_TICKS} ticks a beat assumed")
            return 1, None, USUAL_TICKS, first
        _, length, kind, count, division = HEADER_FIELDS.unpack_from(content, begin)
        end = begin + 8 + length
        if length < 6 or (length > 6 and not self._is_boundary(end)):
            self.repairs.append(f"its header says a wrong length of {counted(length, 'byte')}")
            end = limit
        return kind, count, division, end

    def _ticks_per_beat(self, division: int) -> tuple[int, int | None]:
        """Ticks a beat and, of an SMPTE division (frames a second, ticks a frame), the microseconds of its beat."""
        frames, ticks = 0x100 - (division >> 8), division & 0xFF
        if 0 < division < 0x8000:
            return division, None
        if not ticks:
            self.repairs.append(f"its division is 0: {USUAL_TICKS} ticks a beat assumed")
            return USUAL_TICKS, None
        if frames not in SMPTE_RATES:
            self.repairs.append(f"{frames} frames a second is no SMPTE rate, but was taken as said")
        rate, beat = SMPTE_RATES.get(frames, (frames, 1_000_000))
        return rate * ticks, beat

    def _tracks(self, position: int) -> list[RawTrack]:
        """All tracks from a position on."""
        content = self.content
        tracks: list[RawTrack] = []
        for _ in range(MAX_CHUNKS):
            if not 0 <= position <= len(content) - CHUNK.size:
                return tracks
            name, length = CHUNK.unpack_from(content, position)
            begin = position + CHUNK.size
            if name == TRACK:
                track, position = self._track(len(tracks) + 1, begin, length)
                tracks.append(track)
            elif name == HEADER:
                self.repairs.append("another file follows in it and was left out")
                return tracks
            elif CHUNK_NAME.fullmatch(name) and self._is_boundary(begin + length):
                position = begin + length
            else:
                following = content.find(TRACK, position)
                if following >= 0:
                    passed = counted(following - position, "byte")
                    self.repairs.append(f"{passed} before track {len(tracks) + 1} passed over")
                position = following
        raise self._too_much(f"{MAX_CHUNKS:,} tracks")

    def _track(self, number: int, begin: int, length: int) -> tuple[RawTrack, int]:
        """The track whose events begin there, and where the next chunk does."""
        content = self.content
        end = said = begin + length
        if not self._is_boundary(said):
            following = content.find(TRACK, begin)
            limit = len(content) if following < 0 else following
            end = min(said, limit) if length else limit
        faults: Counter[str] = Counter()
        track, used, is_ended = self._events(content[begin:end], said <= len(content), faults)
        if is_ended and content.startswith(TRACK, begin + used):
            end = begin + used
        kept = f"{counted(track.strokes, 'note')} kept"
        if is_ended and used == length:
            pass
        elif not is_ended and end == len(content) < said:
            self.repairs.append(f"track {number} was cut short by {counted(said - end, 'byte')}: {kept}")
        elif end != said or not self._is_boundary(said):
            self.repairs.append(f"track {number} says a wrong length of {counted(length, 'byte')}: {kept}")
        elif not is_ended:
            self.repairs.append(f"track {number} has no end: {kept}")
        else:
            self.repairs.append(f"track {number} goes on after its end: {counted(length - used, 'byte')} passed over")
        self.repairs.extend(f"track {number}: {fault} ({counted(n, 'time')})" for fault, n in faults.items())
        return track, end

    def _events(self, body: bytes, is_whole: bool, faults: Counter[str]) -> tuple[RawTrack, int, bool]:
        """The events of a track, the bytes used, and whether its end-of-track was met.

        is_whole: no byte is missing, so that an event reaching beyond the end has a wrong length. faults: counted here.
        """
        ticks: list[int] = []
        messages: list[int] = []
        metas: list[Meta] = []
        at = tick = count = 0
        status = suspended = 0  # the running status, and the one before a system event
        is_ended = False
        try:
            for count in range(self.events_left):  # noqa: B007 - used after the loop
                begin = at
                delta = body[at]
                at += 1
                if delta > 0x7F:
                    delta, at = _number(body, begin, faults)
                tick += delta
                byte = body[at]
                if byte >= 0xF0:
                    status, suspended = 0, status or suspended
                    at, meta = _system_event(body, at, tick, is_whole, faults)
                    if meta:
                        if len(metas) == self.metas_left:
                            raise self._too_much(f"{MAX_METAS:,} texts, tempos and meters")
                        metas.append(meta)
                        if meta.kind == END_OF_TRACK:
                            is_ended = True
                            break
                    continue
                if byte > 0x7F:
                    status = byte
                    at += 1
                elif suspended and not status:
                    faults["a running status across a text or exclusive"] += 1
                    status = suspended
                elif not status:
                    faults["data without a status passed over"] += 1
                    at = _before_next_status(body, at)
                    continue
                first, second = body[at], 0
                at += 1
                if not 0xC0 <= status < 0xE0:  # all but program changes and channel pressure have two
                    second = body[at]
                    at += 1
                if first > 0x7F or second > 0x7F:
                    faults["a value over 127 taken as 127"] += 1
                    first, second = min(first, 0x7F), min(second, 0x7F)
                ticks.append(tick)
                messages.append(status << 16 | first << 8 | second)
            else:
                raise self._too_much(f"{MAX_EVENTS:,} events")
        except IndexError:  # the bytes end, in an event or before one
            at = len(body)
        self.events_left -= count
        self.metas_left -= len(metas)
        track = RawTrack(np.array(ticks, dtype=np.int64), np.array(messages, dtype=np.int64), tuple(metas), tick)
        return track, at, is_ended

    def _is_boundary(self, position: int) -> bool:
        """Whether a chunk may end here: nothing follows, or another chunk that is a track or ends within the file."""
        if position + CHUNK.size > len(self.content):
            return position == len(self.content)
        name, length = CHUNK.unpack_from(self.content, position)
        is_inside = position + CHUNK.size + length <= len(self.content)
        return name in (TRACK, HEADER) or (is_inside and CHUNK_NAME.fullmatch(name) is not None)

    def _too_much(self, bound: str) -> MidiError:
        return MidiError(f"{self.name} has more than {bound}", "Choose a smaller file")

    def _not_readable(self) -> MidiError:
        return MidiError(f"{self.name} is not a readable MIDI file", "Choose a .mid file")


def _number(body: bytes, at: int, faults: Counter[str]) -> tuple[int, int]:
    """A number of variable length, and the position after it."""
    last = at
    while body[last] > 0x7F:
        last += 1
    if last - at >= 4:
        faults["a number of more than four bytes"] += 1
    counting = max(at, last + 1 - NUMBER_BYTES)
    if any(byte & 0x7F for byte in body[at:counting]):
        return 2 ** (7 * NUMBER_BYTES) - 1, last + 1
    value = 0
    for byte in body[counting : last + 1]:
        value = value << 7 | byte & 0x7F
    return value, last + 1


def _system_event(body: bytes, at: int, tick: int, is_whole: bool, faults: Counter[str]) -> tuple[int, Meta | None]:
    """The position after a meta event, system exclusive or stray system message, and the meta event if it is one."""
    status = body[at]
    if status not in (META, EXCLUSIVE, EXCLUSIVE_GOES_ON):
        faults["a message that no file may hold passed over"] += 1
        return at + 1 + WIRE_BYTES.get(status, 0), None
    begin = at + 2 if status == META else at + 1
    length, at = _number(body, begin, faults)
    if at + length > len(body) and is_whole:
        faults["a text or exclusive reaching beyond the track passed over"] += 1
        at = _before_next_status(body, at)
        is_closed = status == EXCLUSIVE and body[at + 1 : at + 2] == CLOSING
        return at + 2 * is_closed, None
    return at + length, Meta(tick, body[begin - 1], body[at : at + length]) if status == META else None


def _before_next_status(body: bytes, at: int) -> int:
    """The position of the last byte before the next status byte: its delta time."""
    found = STATUS.search(body, at)
    return max(found.start() - 1, at) if found else len(body)


def counted(count: int, thing: str) -> str:
    """'1 note', '318 notes'."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"
