"""A SoundFont 2 file to playable regions: stereo waves with their keys, loop, tuning and envelope."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.errors import PlaybackError

Zone = dict[int, int]  # generator number -> amount
Range = tuple[int, int]
StereoWave = NDArray[np.complex64]  # (frames,) left + right·j: one look-up, one product for both channels

# Generators of the SoundFont 2.04 specification, section 8.1.2, that this piano listens to.
PAN, ATTACK, HOLD, DECAY, SUSTAIN, RELEASE = 17, 34, 35, 36, 37, 38
INSTRUMENT, KEYS, VELOCITIES, ATTENUATION = 41, 43, 44, 48
COARSE_TUNE, FINE_TUNE, SAMPLE, LOOPS, ROOT_KEY = 51, 52, 53, 54, 58
DEFAULTS: Zone = {ATTACK: -12000, HOLD: -12000, DECAY: -12000, RELEASE: -12000, ROOT_KEY: -1}
ANY: Range = (0, 127)
NOT_ADDED = (KEYS, VELOCITIES, SAMPLE, INSTRUMENT, ROOT_KEY, LOOPS)  # a preset can't offset these
RIGHT, LEFT, STEREO_PAIR = 2, 4, 6  # sample types; the last is left + right
SILENCE = 100.0  # decibels that decay and release times are stated for

RECORDS = {
    b"phdr": np.dtype([("name", "S20"), ("program", "<u2"), ("bank", "<u2"), ("bag", "<u2"), ("other", "<u4", 3)]),
    b"inst": np.dtype([("name", "S20"), ("bag", "<u2")]),
    b"pbag": np.dtype([("generator", "<u2"), ("modulator", "<u2")]),
    b"pgen": np.dtype([("kind", "<u2"), ("amount", "<i2")]),
    b"shdr": np.dtype(
        [
            ("name", "S20"), ("start", "<u4"), ("end", "<u4"), ("loop", "<u4", 2), ("rate", "<u4"),
            ("key", "u1"), ("cents", "i1"), ("link", "<u2"), ("type", "<u2"),
        ]
    ),
}  # fmt: skip
RECORDS |= {b"ibag": RECORDS[b"pbag"], b"igen": RECORDS[b"pgen"]}


@dataclass(frozen=True)
class Region:
    """A wave and the keys and velocities it sounds for. rate and loop count the wave's frames."""

    keys: Range
    velocities: Range
    wave: StereoWave
    loop: Range  # start and end; (frames, frames): none
    rate: float  # frames a second at which it sounds as `root`
    root: float  # key, with tuning as a fraction
    gain: float
    attack: float  # seconds
    hold: float  # seconds
    decay: float  # decibels a second after the hold
    release: float  # decibels a second once the damper falls


def read_soundfont(path: Path) -> list[Region]:
    """The regions of the file's first preset. Raises PlaybackError where the file is missing or not usable."""
    try:
        chunks = dict(_chunks(path.read_bytes()))
        tables = {name: np.frombuffer(chunks[name], record) for name, record in RECORDS.items()}
        samples = np.frombuffer(chunks[b"smpl"], "<i2")
        regions = list(_regions(tables, samples))
    except OSError as error:
        raise PlaybackError(f"The piano's sounds can't be read: {path.name}", "Install Hommage again") from error
    except (KeyError, IndexError, ValueError, struct.error) as error:
        raise PlaybackError(f"{path.name} is not a usable SoundFont", "Install Hommage again") from error
    if not regions:
        raise PlaybackError(f"{path.name} has no sounds in it", "Install Hommage again")
    return regions


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of each chunk, lists opened."""
    at = 0
    while at + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, at)
        inner = content[at + 8 : at + 8 + size]
        if name in (b"RIFF", b"LIST"):
            yield from _chunks(inner[4:])
        else:
            yield name, inner
        at += 8 + size + size % 2


Tables = dict[bytes, NDArray[np.void]]


def _zones(tables: Tables, header: bytes, bag: bytes, generator: bytes, index: int) -> list[Zone]:
    """The zones of a preset or an instrument, each with the global zone's values beneath its own."""
    bags = tables[bag]["generator"]
    first, last = tables[header]["bag"][index : index + 2]
    own = [
        {int(g["kind"]): int(g["amount"]) for g in tables[generator][bags[z] : bags[z + 1]]} for z in range(first, last)
    ]
    target = INSTRUMENT if header == b"phdr" else SAMPLE
    everywhere = own.pop(0) if own and target not in own[0] else {}
    return [everywhere | zone for zone in own if target in zone]


def _regions(tables: Tables, samples: NDArray[np.int16]) -> Iterator[Region]:
    """Every preset zone over every zone of its instrument; zones of the same keys make one stereo region."""
    waves: dict[tuple[int, ...], StereoWave] = {}
    for preset in _zones(tables, b"phdr", b"pbag", b"pgen", 0):
        together: dict[tuple[Range, Range], list[Zone]] = defaultdict(list)
        for zone in _zones(tables, b"inst", b"ibag", b"igen", preset[INSTRUMENT]):
            keys = _common(_range(preset, KEYS), _range(zone, KEYS))
            velocities = _common(_range(preset, VELOCITIES), _range(zone, VELOCITIES))
            if keys and velocities:
                together[keys, velocities].append(_added(zone, preset))
        for (keys, velocities), zones in together.items():
            for pair in _pairs(zones, tables[b"shdr"]):
                used = tuple(zone[SAMPLE] for zone in pair)
                if used not in waves:
                    waves[used] = _stereo(pair, tables[b"shdr"], samples)
                yield _region(keys, velocities, waves[used], pair[0], tables[b"shdr"][used[0]])


def _range(zone: Zone, kind: int) -> Range:
    """A key or velocity range, low byte first."""
    return (zone[kind] & 0xFF, (zone[kind] >> 8) & 0xFF) if kind in zone else ANY


def _common(a: Range, b: Range) -> Range | None:
    low, high = max(a[0], b[0]), min(a[1], b[1])
    return (low, high) if low <= high else None


def _added(zone: Zone, preset: Zone) -> Zone:
    """An instrument zone's values with the preset's offsets on top."""
    values = DEFAULTS | zone
    return values | {kind: values.get(kind, 0) + n for kind, n in preset.items() if kind not in NOT_ADDED}


def _pairs(zones: list[Zone], headers: NDArray[np.void]) -> Iterator[list[Zone]]:
    """Left and right zones in pairs, others alone. The samples' own links are not used: in this font some are wrong."""
    by_type: dict[int, list[Zone]] = defaultdict(list)
    for zone in zones:
        by_type[int(headers[zone[SAMPLE]]["type"]) & STEREO_PAIR].append(zone)
    while by_type[LEFT] and by_type[RIGHT]:
        yield [by_type[LEFT].pop(0), by_type[RIGHT].pop(0)]
    yield from ([zone] for rest in by_type.values() for zone in rest)


def _stereo(zones: list[Zone], headers: NDArray[np.void], samples: NDArray[np.int16]) -> StereoWave:
    """The zones' samples, panned and summed: left + right·j, as long as the shortest."""
    spans = [headers[zone[SAMPLE]] for zone in zones]
    frames = min(int(span["end"]) - int(span["start"]) for span in spans)
    wave = np.zeros(frames, np.complex64)
    for zone, span in zip(zones, spans, strict=True):
        angle = (min(max(zone.get(PAN, 0), -500), 500) / 1000 + 0.5) * np.pi / 2  # -500 is left, 500 right
        mono = samples[int(span["start"]) : int(span["start"]) + frames] / np.float32(32768)
        wave += mono * np.complex64(complex(np.cos(angle), np.sin(angle)))
    return wave


def _region(keys: Range, velocities: Range, wave: StereoWave, zone: Zone, header: np.void) -> Region:
    start, end = (int(frame) - int(header["start"]) for frame in header["loop"])
    is_looped = zone.get(LOOPS, 0) & 1 and 0 <= start < end <= len(wave)
    root = int(header["key"]) if zone[ROOT_KEY] < 0 else zone[ROOT_KEY]
    tuning = zone.get(COARSE_TUNE, 0) + (zone.get(FINE_TUNE, 0) + int(header["cents"])) / 100
    has_decay = zone.get(SUSTAIN, 0) > 0
    return Region(
        keys=keys,
        velocities=velocities,
        wave=wave,
        loop=(start, end) if is_looped else (len(wave), len(wave)),
        rate=float(header["rate"]),
        root=root - tuning,
        gain=10 ** (-0.4 * zone.get(ATTENUATION, 0) / 200),  # centibels, counted as the EMU hardware did
        attack=_seconds(zone[ATTACK]),
        hold=_seconds(zone[HOLD]),
        decay=SILENCE / _seconds(zone[DECAY]) if has_decay else 0.0,
        release=SILENCE / _seconds(zone[RELEASE]),
    )


def _seconds(timecents: int) -> float:
    return float(2 ** (timecents / 1200))
