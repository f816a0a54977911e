"""Broken MIDI files by the thousand: a performance or one sentence, soon, and what was read is written and read again.

A few seconds in the suite; HOMMAGE_FUZZ_SECONDS=7200 makes it hours, HOMMAGE_FUZZ_SEED other files.
"""

import os
import struct
import sys
import time
from collections.abc import Iterator
from random import Random

import pytest

from engine.errors import MidiError
from engine.midi import LONGEST, MidiFile, decode_file, encode_file
from tests.engine.test_midi import FILE, STRANGE, WHOLE, variable_length

try:
    import resource
except ImportError:  # on Windows
    resource = None

SECONDS = float(os.environ.get("HOMMAGE_FUZZ_SECONDS", "3"))
SEED = os.environ.get("HOMMAGE_FUZZ_SEED", "0")
LONGEST_READING = 2.0  # seconds
KEPT = ("tracks", "tempo_map", "meters", "key_signatures", "markers", "lyrics", "recipe")
MOST_MEMORY = 500  # MB more than before
ODD_NUMBERS = (0, 1, 5, 6, 7, 127, 128, 2**14 - 1, 2**14, 2**28 - 1, 2**28, 2**31 - 1, 2**31, 2**32 - 1)
ODD_BYTES = bytes([0, 1, 0x2F, 0x51, 0x58, 0x7F, 0x80, 0x90, 0xB0, 0xC0, 0xF0, 0xF1, 0xF7, 0xFE, 0xFF])


def flip(random: Random, content: bytearray, _: list[bytes]) -> None:
    for _bit in range(random.randint(1, 8)):
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)


def put_odd_bytes(random: Random, content: bytearray, _: list[bytes]) -> None:
    for _byte in range(random.randint(1, 4)):
        content[random.randrange(len(content))] = random.choice(ODD_BYTES)


def cut(random: Random, content: bytearray, _: list[bytes]) -> None:
    begin = random.randrange(len(content))
    del content[begin : begin + random.choice((1, 2, 3, len(content)))]


def double(random: Random, content: bytearray, _: list[bytes]) -> None:
    begin = random.randrange(len(content))
    part = content[begin : begin + random.randint(1, 64)]
    content[begin:begin] = part * random.choice((1, 2, 100))


def splice(random: Random, content: bytearray, corpus: list[bytes]) -> None:
    other = random.choice(corpus)
    begin = random.randrange(len(other))
    at = random.randrange(len(content))
    content[at : at + random.choice((0, 8, 64))] = other[begin : begin + random.randint(1, 200)]


def lie_about_a_chunk(random: Random, content: bytearray, _: list[bytes]) -> None:
    """Another length, type, number of tracks or division."""
    places = [at + 4 for name in (b"MThd", b"MTrk") for at in every(content, name)]
    if places:
        at = random.choice(places)
        content[at : at + 4] = struct.pack(">L", random.choice(ODD_NUMBERS))
    if random.random() < 0.3 and len(content) > 14:
        at = random.choice((8, 10, 12))
        content[at : at + 2] = struct.pack(">H", random.choice(ODD_NUMBERS) % 2**16)


def lie_about_an_event(random: Random, content: bytearray, _: list[bytes]) -> None:
    """Another length of a meta event or exclusive, or another delta time."""
    places = [at + 2 for at in every(content, b"\xff")] + [at + 1 for at in every(content, b"\xf0")]
    at = random.choice([*places, random.randrange(len(content))])
    content[at : at + 1] = variable_length(random.choice(ODD_NUMBERS))


def every(content: bytearray, part: bytes) -> Iterator[int]:
    at = content.find(part)
    while at >= 0:
        yield at
        at = content.find(part, at + 1)


BREAKINGS = (flip, put_odd_bytes, cut, double, splice, lie_about_a_chunk, lie_about_an_event)


def broken(number: int, corpus: list[bytes]) -> bytes:
    """The broken file of this number: the same for the same seed."""
    random = Random(f"{SEED} {number}")
    content = bytearray(random.choice(corpus))
    for _ in range(random.choice((1, 1, 2, 3, 6))):
        if content:
            random.choice(BREAKINGS)(random, content, corpus)
    return bytes(content)


def check(file: MidiFile) -> None:
    for track in file.tracks:
        assert 0 <= track.channel <= 15 and 0 <= track.program <= 127
        for note in track.notes:
            assert 0 <= note.start < note.end <= LONGEST
            assert 0 <= note.pitch <= 127 and 1 <= note.velocity <= 127
        for pedal in track.pedals:
            assert 0 <= pedal.value <= 127 and pedal.controller in (64, 66, 67)
    assert file.performance.notes == tuple(sorted(file.performance.notes, key=lambda note: (note.start, note.pitch)))
    assert all("\n" not in repair for repair in file.repairs)


def memory() -> float:
    """The most MB this process has had so far; 0 where that can't be told."""
    if resource is None:
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


@pytest.mark.timeout(SECONDS + 300)
def test_broken_files_give_a_performance_or_one_sentence_soon(capsys: pytest.CaptureFixture[str]) -> None:
    corpus = [FILE, encode_file(WHOLE), *(content for content, _ in STRANGE.values())]
    before = memory()
    until = time.monotonic() + SECONDS
    number = read = 0
    slowest = 0.0
    while time.monotonic() < until:
        number += 1
        is_sentence = True
        content = broken(number, corpus)
        begun = time.process_time()
        try:
            file = decode_file(content, "broken.mid")
            check(file)
            read += 1
            again = decode_file(encode_file(file), "broken.mid")
            assert all(getattr(again, part) == getattr(file, part) for part in KEPT)
        except MidiError as refusal:
            is_sentence = "\n" not in str(refusal)
        except Exception as error:
            raise AssertionError(f"file {number} of seed {SEED}: {content.hex()}") from error
        assert is_sentence
        slowest = max(slowest, time.process_time() - begun)
        assert slowest < LONGEST_READING, f"file {number} of seed {SEED} took {slowest:.1f} s"
    grown = memory() - before
    assert grown < MOST_MEMORY
    with capsys.disabled():
        print(f"\n{number:,} broken files, {read:,} of them read; slowest {slowest:.3f} s; {grown:.0f} MB")
