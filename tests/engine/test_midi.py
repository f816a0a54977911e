"""MIDI files read and written: to the millisecond, and with one clear sentence where that can't be done."""

import struct

import mido
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import EngineError, MidiError
from engine.midi import (
    KeySignature,
    Meter,
    MidiFile,
    TempoMap,
    Text,
    Track,
    from_pretty_midi,
    read_file,
    read_midi,
    to_pretty_midi,
    write_file,
    write_midi,
)
from engine.performance import Note, Pedal, Performance

WALTZ = Performance.of(
    [
        Note(0, 0.75, 48, 70),
        Note(0.25, 0.5, 64, 55),
        Note(0.25, 0.5, 67, 58),
        Note(1, 2.125, 48, 127),
        Note(2, 3, 60, 1),
    ],
    [Pedal(0, 127), Pedal(0.9, 40), Pedal(1, 0, 67), Pedal(1.5, 0)],
    name="waltz",
)


def variable_length(number):
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(number & 0x7F | 0x80)
    return bytes(reversed(groups))


def midi_bytes(*tracks, kind=1, division=500):
    """A file from tracks of (ticks since the last event, its bytes); the end of each track is added."""
    return header(len(tracks), kind, division) + b"".join(chunk(b"MTrk", body(*track, END)) for track in tracks)


def header(tracks=1, kind=1, division=500):
    return struct.pack(">4sLHHH", b"MThd", 6, kind, tracks, division)


def chunk(name, content, length=None):
    return struct.pack(">4sL", name, len(content) if length is None else length) + content


def body(*events):
    return b"".join(variable_length(ticks) + event for ticks, event in events)


END = (0, b"\xff\x2f\x00")


def on(pitch, velocity=80, channel=0):
    return bytes([0x90 + channel, pitch, velocity])


def off(pitch, channel=0):
    return bytes([0x80 + channel, pitch, 0])


def tempo(microseconds_a_beat):
    return meta(0x51, microseconds_a_beat.to_bytes(3, "big"))


def meta(kind, content):
    return bytes([0xFF, kind]) + variable_length(len(content)) + content


@pytest.fixture
def read(tmp_path):
    def read_tracks(*tracks, **header):
        path = tmp_path / "small.mid"
        path.write_bytes(midi_bytes(*tracks, **header))
        return read_midi(path)

    return read_tracks


def test_what_is_written_is_read_again(tmp_path):
    write_midi(tmp_path / "waltz.mid", WALTZ)
    assert read_midi(tmp_path / "waltz.mid") == WALTZ


milliseconds = st.integers(0, 100_000).map(lambda time: time / 1000)


@st.composite
def performances(draw):
    """On whole milliseconds, each key up before it is struck again."""
    notes = []
    for pitch in draw(st.lists(st.integers(0, 127), min_size=1, max_size=6, unique=True)):
        times = sorted(draw(st.lists(milliseconds, min_size=2, max_size=8, unique=True)))
        keys = zip(times[::2], times[1::2], strict=False)
        notes += [Note(start, end, pitch, draw(st.integers(1, 127))) for start, end in keys]
    pedals = st.builds(Pedal, milliseconds, st.integers(0, 127), st.sampled_from([64, 66, 67]))
    return Performance.of(notes, draw(st.lists(pedals, max_size=8)), "round")


@given(performances())
def test_any_performance_comes_back_to_the_millisecond(tmp_path_factory, performance):
    path = tmp_path_factory.getbasetemp() / "round.mid"
    write_midi(path, performance)
    assert read_midi(path) == performance


def test_each_performance_is_a_track_of_its_own_and_keeps_its_keys(tmp_path):
    melody = Performance.of([Note(0, 1, 60, 80), Note(1, 2, 60, 80)])
    held = Performance.of([Note(0.5, 1, 60, 40), Note(1, 1.5, 62, 40)])
    write_midi(tmp_path / "both.mid", melody, held)
    assert len(mido.MidiFile(tmp_path / "both.mid").tracks) == 2
    assert set(read_midi(tmp_path / "both.mid").notes) == set(melody.notes + held.notes)


def test_a_key_struck_while_it_is_down_is_written_as_lifted_first(tmp_path):
    write_midi(tmp_path / "again.mid", Performance.of([Note(0, 2, 60, 80), Note(1, 3, 60, 90)]))
    assert read_midi(tmp_path / "again.mid").notes == (Note(0, 1, 60, 80), Note(1, 3, 60, 90))


def test_one_key_is_struck_once_a_millisecond(tmp_path):
    write_midi(tmp_path / "twice.mid", Performance.of([Note(0, 2, 60, 80), Note(0, 1, 60, 90), Note(5, 6, 60, 70)]))
    assert read_midi(tmp_path / "twice.mid").notes == (Note(0, 1, 60, 90), Note(5, 6, 60, 70))


def test_a_note_shorter_than_a_millisecond_lasts_one(tmp_path):
    write_midi(tmp_path / "short.mid", Performance.of([Note(1, 1.0001, 60, 80)]))
    assert read_midi(tmp_path / "short.mid").notes == (Note(1, 1.001, 60, 80),)


def test_a_name_in_any_script_can_be_written(tmp_path):
    write_midi(tmp_path / "月光.mid", Performance.of(WALTZ.notes, name="月光 – été"))
    assert read_midi(tmp_path / "月光.mid").name == "月光"


def test_other_programs_find_the_tempo_in_the_file(tmp_path):
    write_midi(tmp_path / "waltz.mid", WALTZ)
    tempos = [
        message.tempo for message in mido.MidiFile(tmp_path / "waltz.mid").tracks[0] if message.type == "set_tempo"
    ]
    assert tempos == [500_000]


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "take.mid"
    path.write_text("what was here before")
    write_midi(path, WALTZ)
    assert read_midi(path).notes == WALTZ.notes
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", [0, 1])
def test_both_common_types_are_read(read, kind):
    assert read([(0, on(60)), (500, off(60))], kind=kind).notes == (Note(0, 0.5, 60, 80),)


def test_all_tracks_are_one_performance(read):
    performance = read([(0, on(60)), (500, off(60))], [(250, on(72)), (500, off(72))])
    assert performance.notes == (Note(0, 0.5, 60, 80), Note(0.25, 0.75, 72, 80))


def test_two_tracks_may_pass_a_key_on_in_one_tick(read):
    performance = read([(500, on(60)), (500, off(60))], [(0, on(60, 50)), (500, off(60))])
    assert performance.notes == (Note(0, 0.5, 60, 50), Note(0.5, 1, 60, 80))


def test_running_status_repeats_the_last_event(read):
    performance = read([(0, on(60)), (250, bytes([64, 70])), (250, bytes([60, 0])), (250, bytes([64, 0]))])
    assert performance.notes == (Note(0, 0.5, 60, 80), Note(0.25, 0.75, 64, 70))


def test_the_tempo_map_holds_for_every_track(read):
    tempos = [(0, tempo(500_000)), (1000, tempo(250_000)), (1000, tempo(1_000_000))]
    performance = read(tempos, [(500, on(60)), (1000, off(60)), (0, on(62)), (1000, off(62))])
    assert performance.notes == (Note(0.5, 1.25, 60, 80), Note(1.25, 2.5, 62, 80))


def test_a_repeated_key_ends_its_earlier_note(read):
    performance = read([(0, on(60)), (500, on(60, 90)), (500, off(60)), (500, off(60))])
    assert performance.notes == (Note(0, 0.5, 60, 80), Note(0.5, 1, 60, 90))


def test_a_stuck_key_ends_with_the_file(read):
    performance = read([(0, on(60)), (500, on(64)), (1500, off(64))])
    assert performance.notes == (Note(0, 2, 60, 80), Note(0.5, 2, 64, 80))


def test_a_stuck_key_at_the_very_end_is_still_heard(read):
    assert read([(0, on(60)), (500, off(60)), (0, on(64))]).notes[1] == Note(0.5, 1, 64, 80)


def test_a_stray_release_is_passed_over(read):
    assert len(read([(0, off(64)), (0, on(60)), (500, off(60))])) == 1


def test_drums_are_left_out_with_their_pedals(read):
    drums = [(0, on(36, channel=9)), (0, bytes([0xB9, 64, 127])), (500, off(36, channel=9))]
    performance = read([*drums, (0, on(60)), (500, off(60))])
    assert performance == Performance((Note(0.5, 1, 60, 80),), name="small")


def test_pedals_keep_their_half_way_values(read):
    pedals = [(0, bytes([0xB0, 64, 50])), (0, bytes([0xB0, 67, 127])), (10, bytes([0xB0, 7, 99]))]
    assert read([*pedals, (0, on(60)), (500, off(60))]).pedals == (Pedal(0, 50, 64), Pedal(0, 127, 67))


def test_a_performance_goes_to_pretty_midi_and_back():
    assert from_pretty_midi(to_pretty_midi(WALTZ), "waltz") == WALTZ


def test_pretty_midi_reads_what_is_written(tmp_path):
    pretty_midi = pytest.importorskip("pretty_midi")
    write_midi(tmp_path / "waltz.mid", WALTZ)
    piano = pretty_midi.PrettyMIDI(str(tmp_path / "waltz.mid")).instruments[0]
    read = Performance.of(Note(n.start, n.end, n.pitch, n.velocity) for n in piano.notes)
    assert all(a == pytest.approx(b) for a, b in zip(read.notes, WALTZ.notes, strict=True))
    assert len(piano.control_changes) == len(WALTZ.pedals)


def test_what_pretty_midi_writes_is_read(tmp_path):
    to_pretty_midi(WALTZ).write(str(tmp_path / "waltz.mid"))
    again = read_midi(tmp_path / "waltz.mid")
    assert len(again) == len(WALTZ) and len(again.pedals) == len(WALTZ.pedals)
    for a, b in zip(again.notes, WALTZ.notes, strict=True):
        assert a == pytest.approx(b, abs=0.0025)  # its ticks are 2.3 ms


UNREADABLE = [
    ("empty.mid", b"", "is empty"),
    ("text.mid", b"Clair de Lune, opening", "is not a readable MIDI file"),
    ("page.mid", b"<!doctype html><title>404</title>", "is not a readable MIDI file"),
    ("about.mid", b"A MIDI file begins with MThd, and then one MTrk after another.", "is not a readable MIDI file"),
    ("tracks.txt", b"Each MTrk has a length and its events.", "is not a readable MIDI file"),
    ("head.mid", b"MThd", "is not a readable MIDI file"),
    ("silent.mid", midi_bytes([(0, tempo(400_000))]), "has no notes in it"),
    ("no tracks.mid", midi_bytes(), "has no notes in it"),
    ("drums.mid", midi_bytes([(0, on(36, channel=9)), (9, off(36, channel=9))]), "has no notes in it"),
    ("syx.mid", b"\xf0\x7e\x7f\x06\x01\xf7", "is not a readable MIDI file"),
    ("clip.mid", b"SMF2CLIP" + bytes(16), "is a MIDI 2.0 clip"),
    ("days.mid", midi_bytes([(59 * 60_000, on(60)), (500, off(60))] * 30), "lasts 30 hours"),
    ("tracks.mid", midi_bytes(*[[]] * 1025), "has more than 1,024 tracks"),
    ("events.mid", header() + chunk(b"MTrk", b"\0\xb0\x01\0" + b"\0\x01\0" * 500_000), "more than 500,000 events"),
    ("texts.mid", header() + chunk(b"MTrk", b"\0\xff\x01\0" * 100_001), "more than 100,000 texts"),
    ("large.mid", header() + bytes(17 * 2**20), "has 17 MB: 16 MB is the most"),
]


@pytest.mark.parametrize(("name", "content", "reason"), UNREADABLE, ids=[row[0] for row in UNREADABLE])
def test_a_file_that_is_no_performance_is_refused_in_one_sentence(tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MidiError) as caught:
        read_midi(tmp_path / name)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_file_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "file.mid").write_bytes(midi_bytes([(0, on(60)), (500, off(60))]))
    for path, reason in [
        (tmp_path, "is a folder"),
        (tmp_path / "nothing.mid", "There is no file"),
        (tmp_path / "file.mid" / "inside.mid", "There is no file"),
        (tmp_path / ("long" * 100), "is not a readable MIDI file"),
    ]:
        with pytest.raises(MidiError, match=reason):
            read_midi(path)


def test_a_place_that_cannot_be_written_is_named_and_nothing_is_left_there(tmp_path):
    (tmp_path / "file").write_text("a file, no folder")
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.rglob("*"))
    for path in [tmp_path / "file" / "take.mid", tmp_path / "nowhere" / "take.mid", tmp_path / "folder"]:
        with pytest.raises(MidiError, match="can't be written") as caught:
            write_midi(path, WALTZ)
        assert str(path) in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_write_that_fails_half_way_keeps_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "take.mid"
    write_midi(path, WALTZ)

    def run_out_of_space(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("engine.midi_file.os.replace", run_out_of_space)
    with pytest.raises(MidiError, match="No space left on device"):
        write_midi(path, Performance.of([Note(0, 1, 60, 80)]))
    monkeypatch.undo()
    assert read_midi(path).notes == WALTZ.notes
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def file_of(tmp_path):
    def read_bytes(content):
        path = tmp_path / "strange.mid"
        path.write_bytes(content)
        return read_file(path)

    return read_bytes


PLAYED = [(0, on(60)), (500, off(60)), (0, on(64)), (500, off(64))]
TWO = (Note(0, 0.5, 60, 80), Note(0.5, 1, 64, 80))
FILE = midi_bytes(PLAYED)
BODY = body(*PLAYED, END)


def of_body(content, length=None):
    return header() + chunk(b"MTrk", content, length)


SMPTE = [(0xE728, 0.5), (0xE828, 500 / 960), (0xE350, 500 * 1.001 / 2400), (0xE250, 500 / 2400), (0x9C0A, 0.5)]
STRANGE = {
    "a whole file": (FILE, ""),
    "MacBinary's prefix": (bytes(128) + FILE, "128 bytes before its header passed over"),
    "a byte order mark": (b"\xef\xbb\xbf" + FILE, "3 bytes before its header passed over"),
    "RMID": (b"RIFF" + bytes(4) + b"RMIDdata" + struct.pack("<L", len(FILE)) + FILE + b"LIST\4\0\0\0INFO", ""),
    "no header": (FILE[14:], "its header is missing: 480 ticks a beat assumed"),
    "half a header": (b"MThd\0\0\0\6" + FILE[14:], "its header is missing: 480 ticks a beat assumed"),
    "a longer header": (b"MThd\0\0\0\x08" + FILE[8:14] + b"\1\2" + FILE[14:], ""),
    "a header's wrong length": (b"MThd\0\0\1\6" + FILE[8:], "its header says a wrong length of 262 bytes"),
    "type 0 of two tracks": (midi_bytes(PLAYED[:2], [(500, on(64)), PLAYED[3]], kind=0), "was read as type 1"),
    "an unknown type": (midi_bytes(PLAYED, kind=7), "type 7 with 1 track was read as type 1"),
    "more tracks than said": (header(1) + midi_bytes(PLAYED, [])[14:], "its header says 1 track: 2 found"),
    "fewer tracks than said": (header(9) + FILE[14:], "its header says 9 tracks: 1 found"),
    "no tracks said": (header(0) + FILE[14:], "its header says 0 tracks: 1 found"),
    "an alien chunk": (header() + chunk(b"XFIH", b"MTr") + FILE[14:] + chunk(b"XFKM", b""), ""),
    "an alien chunk's wrong length": (header() + chunk(b"XFIH", b"abc", 999) + FILE[14:], "11 bytes before track 1"),
    "padding between chunks": (header() + b"\0" + FILE[14:], "1 byte before track 1 passed over"),
    "padding at the end": (FILE + bytes(99), ""),
    "text at the end": (FILE + b"TAG Clair de Lune", ""),
    "a second file behind it": (FILE + FILE, "another file follows in it and was left out"),
    "a length of 0": (of_body(BODY, 0), "track 1 says a wrong length of 0 bytes: 2 notes kept"),
    "a length of 4 GB": (of_body(BODY, 2**32 - 1), "track 1 says a wrong length of 4,294,967,295 bytes"),
    "a length over the next track": (
        header(2)
        + chunk(b"MTrk", body(PLAYED[0], PLAYED[1], END), 25)
        + chunk(b"MTrk", body((500, on(64)), *PLAYED[3:], END)),
        "track 1 says a wrong length of 25 bytes: 1 note kept",
    ),
    "no end of track": (of_body(body(*PLAYED)), "track 1 has no end: 2 notes kept"),
    "events after the end": (of_body(BODY + body((0, on(72)))), "track 1 goes on after its end: 4 bytes passed over"),
    "cut in its end of track": (FILE[:-1], "track 1 was cut short by 1 byte: 2 notes kept"),
    "running status": (of_body(b"\0\x90\x3c\x50\x83\x74\x3c\0\0\x40\x50\x83\x74\x40\0\0\xff\x2f\0"), ""),
    "running status across a text": (
        of_body(b"\0\x90\x3c\x50\0\xff\x01\x01a\x83\x74\x3c\0\0\x40\x50\x83\x74\x40\0\0\xff\x2f\0"),
        "track 1: a running status across a text or exclusive (1 time)",
    ),
    "data without a status": (of_body(b"\0\x3c\x40" + BODY), "track 1: data without a status passed over"),
    "a velocity over 127": (midi_bytes([(0, on(60)), (0, bytes([0xB0, 7, 200])), *PLAYED[1:]]), "taken as 127"),
    "a number of five bytes": (of_body(b"\x80\x80\x80\x80\0" + BODY[1:]), "track 1: a number of more than four bytes"),
    "a text reaching beyond the track": (of_body(b"\0\xff\x01\x7fabc" + BODY), "reaching beyond the track passed over"),
    "an exclusive reaching beyond the track": (of_body(b"\0\xf0\x7fabc\xf7" + BODY), "beyond the track passed over"),
    "an exclusive in parts": (midi_bytes([(0, b"\xf0\2\x43\x12"), (0, b"\xf7\2\x43\xf7"), *PLAYED]), ""),
    "messages for wires": (
        midi_bytes([(0, b"\xf1\x7f"), (0, b"\xf2\x7f\x7f"), (0, b"\xf3\x7f"), (0, b"\xf8"), (0, b"\xfe"), *PLAYED]),
        "track 1: a message that no file may hold passed over (5 times)",
    ),
    "a tempo of 0": (midi_bytes([(0, tempo(0)), *PLAYED]), "1 impossible tempo passed over"),
    "half a tempo": (midi_bytes([(0, meta(0x51, b"\7")), *PLAYED]), "1 impossible tempo passed over"),
    "an impossible meter": (midi_bytes([(0, meta(0x58, b"\4\xff\x18\x08")), *PLAYED]), "1 impossible meter"),
    "an impossible key": (midi_bytes([(0, meta(0x59, b"\x40\x07")), *PLAYED]), "1 impossible key signature"),
    "an unknown meta event": (midi_bytes([(0, meta(0x4B, b"\4\xff")), *PLAYED]), ""),
    "a pedal left down": (midi_bytes([(0, bytes([0xB0, 64, 127])), *PLAYED]), "track 1: the pedal is never lifted"),
    "a note of no length": (midi_bytes([(0, on(72)), (0, off(72)), *PLAYED]), "track 1: 1 note of no length left out"),
    "a note never released": (
        midi_bytes(PLAYED[:3], [(1000, off(1))]),
        "track 1: 1 note never released, held to the end",
    ),
    "All Notes Off": (midi_bytes([*PLAYED[:3], (500, bytes([0xB0, 123, 0])), (500, off(64))]), ""),
}


@pytest.mark.parametrize(("content", "repair"), STRANGE.values(), ids=list(STRANGE))
def test_a_strange_file_is_read_as_players_do_and_each_repair_is_said(file_of, content, repair):
    file = file_of(content)
    assert [note.pitch for note in file.performance.notes] == [60, 64]
    if "480 ticks" not in repair:
        assert file.performance.notes == TWO
    assert repair in " ".join(file.repairs)
    assert bool(file.repairs) == bool(repair)


def test_a_division_of_0_is_taken_as_the_usual_one(file_of):
    file = file_of(midi_bytes([(0, on(60)), (480, off(60))], division=0))
    assert file.performance.notes == (Note(0, 0.5, 60, 80),)
    assert file.repairs == ("its division is 0: 480 ticks a beat assumed",)


@pytest.mark.parametrize(("division", "seconds"), SMPTE)
def test_an_smpte_division_is_in_frames_whatever_the_tempo(file_of, division, seconds):
    file = file_of(midi_bytes([(0, tempo(123_456)), (0, on(60)), (500, off(60))], division=division))
    assert file.performance.seconds == pytest.approx(seconds)


def test_the_tracks_of_type_2_follow_one_another_each_at_its_own_tempo(file_of):
    file = file_of(midi_bytes([(0, tempo(1_000_000)), *PLAYED], PLAYED, kind=2))
    assert [note.start for note in file.performance.notes] == [0, 1, 2, 2.5]
    assert file.tempo_map.changes == ((0, 1_000_000), (1000, 500_000))


def test_what_comes_behind_the_notes_of_rmid_may_be_large(file_of, monkeypatch):
    monkeypatch.setattr("engine.midi_file.MAX_BYTES", 100)
    wrapped = b"RIFF" + bytes(4) + b"RMIDdata" + struct.pack("<L", len(FILE)) + FILE
    assert file_of(wrapped + b"LIST" + bytes(1000)).performance.notes == TWO


def test_a_file_cut_short_keeps_what_came_before(file_of):
    file = file_of(FILE[:-7])
    assert file.performance.notes == TWO
    assert file.repairs[0] == "track 1 was cut short by 7 bytes: 2 notes kept"


def test_a_track_is_read_to_the_length_it_says_where_it_has_no_end_before(file_of):
    assert len(file_of(of_body(BODY, len(BODY) - 12)).performance) == 1


@pytest.mark.parametrize("ticks", [2**28 - 1, 2**34, 2**1400])
def test_hours_of_silence_are_cut_from_a_file_of_days(file_of, ticks):
    file = file_of(midi_bytes([(0, on(60)), (500, off(60)), (ticks, on(64)), (500, off(64))], division=96))
    assert len(file.performance) == 2
    assert file.performance.seconds < 10
    assert "hours in which nothing happens were cut" in " ".join(file.repairs)


def test_a_value_over_127_counts_as_127(file_of):
    file = file_of(midi_bytes([(0, bytes([0x90, 200, 201])), (500, bytes([0x80, 200, 0]))]))
    assert file.performance.notes == (Note(0, 0.5, 127, 127),)


@pytest.mark.parametrize(
    ("title", "charset"),
    [
        ("Prélude", "utf-8"),
        ("Prélude", "latin-1"),
        ("Für Elise", "latin-1"),
        ("éléphant", "latin-1"),
        ("月光", "shift-jis"),
    ],
)
def test_a_name_is_read_in_the_charset_that_fits(file_of, title, charset):
    assert file_of(midi_bytes([(0, meta(3, title.encode(charset))), *PLAYED])).tracks[0].name == title


def test_all_that_is_said_of_the_music_is_kept(file_of):
    conductor = [
        (0, meta(3, b"Waltz\0 ")),
        (0, meta(0x58, b"\6\3\x24\x08")),
        (0, meta(0x59, b"\xfd\1")),
        (0, meta(6, b"A")),
        (500, tempo(250_000)),
        (500, meta(5, b"la ")),
    ]
    file = file_of(midi_bytes(conductor, [(0, b"\xc3\x05"), (0, on(60, channel=3)), (1000, off(60, channel=3))]))
    assert file.meters == (Meter(0, 6, 8),)
    assert file.key_signatures == (KeySignature(0, -3, True),)
    assert file.markers == (Text(0, "A"),)
    assert file.lyrics == (Text(0.75, "la "),)
    assert file.tempo_map == TempoMap(500, ((0, 500_000), (500, 250_000)))
    assert file.tracks == (Track("Waltz"), Track("", 3, 5, (Note(0, 0.75, 60, 80),)))
    assert file.format == 1 and not file.repairs


def test_drums_are_kept_as_a_track_of_their_own(file_of):
    file = file_of(midi_bytes([*PLAYED, (0, on(36, channel=9)), (9, off(36, channel=9))]))
    assert [track.channel for track in file.tracks] == [0, 9]
    assert file.performance.notes == TWO


def test_the_texts_of_a_karaoke_file_are_its_lyrics(file_of):
    words = [
        (0, meta(1, b"@KMIDI KARAOKE FILE")),
        (0, meta(1, b"@TTune")),
        (0, meta(1, b"\\Twin")),
        (500, meta(1, b"kle")),
    ]
    assert file_of(midi_bytes(words, PLAYED)).lyrics == (Text(0, "\\Twin"), Text(0.5, "kle"))
    assert file_of(midi_bytes([(0, meta(1, b"a comment"))], PLAYED)).lyrics == ()


def test_a_tempo_map_turns_ticks_to_seconds_and_back():
    tempo_map = TempoMap(96, ((0, 500_000), (96, 1_000_000), (192, 3)))
    ticks = [0, 1, 95, 96, 97, 191, 192, 193, 10_000]
    assert tempo_map.ticks(tempo_map.seconds(ticks)).tolist() == ticks
    assert tempo_map.seconds([96, 192]).tolist() == [0.5, 1.5]
    assert tempo_map.ticks(-1.0) == 0


WHOLE = MidiFile(
    name="whole",
    tracks=(
        Track("melody", 0, 73, (Note(0, 0.25, 72, 80), Note(0.5, 1, 72, 90))),
        Track("演奏", 1, 0, WALTZ.notes, (Pedal(0, 127), Pedal(1.5, 63, 67), Pedal(1.5, 0))),
        Track("drums", 9, 0, (Note(0, 0.5, 36, 100),)),
    ),
    tempo_map=TempoMap(480, ((0, 500_000), (960, 750_000))),
    meters=(Meter(0, 3, 4), Meter(1.75, 6, 8)),
    key_signatures=(KeySignature(0, 2, False),),
    markers=(Text(0, "début"), Text(1.75, "B")),
    lyrics=(Text(0, "la"),),
    recipe={"seed": 7, "styles": ["プレリュード"], "settings": {"temperature": 0.9}, "melody": None},
)


def test_a_whole_file_is_read_as_written(tmp_path):
    write_file(tmp_path / "once.mid", WHOLE)
    once = read_file(tmp_path / "once.mid")
    assert once.tracks[0] == WHOLE.tracks[0] and not once.repairs
    assert [(track.name, track.channel, len(track.notes)) for track in once.tracks] == [
        (track.name, track.channel, len(track.notes)) for track in WHOLE.tracks
    ]
    said = ("tempo_map", "meters", "key_signatures", "markers", "lyrics", "recipe")
    assert all(getattr(once, name) == getattr(WHOLE, name) for name in said)
    write_file(tmp_path / "once.mid", once)
    assert read_file(tmp_path / "once.mid") == once


@pytest.mark.parametrize("content", [content for content, _ in STRANGE.values()], ids=list(STRANGE))
def test_what_was_read_is_the_same_when_written_and_read_again(file_of, tmp_path, content):
    file = file_of(content)
    write_file(tmp_path / "strange.mid", file)
    again = read_file(tmp_path / "strange.mid")
    assert again.tracks == file.tracks
    assert again.tempo_map == file.tempo_map
    assert (again.meters, again.key_signatures, again.markers) == (file.meters, file.key_signatures, file.markers)


def test_a_take_is_written_on_the_bars_of_its_melody_to_the_millisecond(tmp_path):
    like = MidiFile(tempo_map=TempoMap(96, ((0, 600_000), (192, 400_000))), meters=(Meter(0, 3, 4),))
    melody = Performance.of([Note(0, 0.6, 60, 80), Note(0.6, 1.2, 62, 80), Note(1.2, 1.6, 64, 80)], name="melody")
    write_midi(tmp_path / "take.mid", melody, WALTZ, like=like, recipe={"seed": 7})
    read = read_file(tmp_path / "take.mid")
    assert read.tempo_map == TempoMap(672, ((0, 600_000), (1344, 400_000)))
    assert read.meters == like.meters and read.recipe == {"seed": 7}
    assert [(track.name, track.channel) for track in read.tracks] == [("melody", 0), ("waltz", 1)]
    assert read.tempo_map.ticks([note.start for note in read.tracks[0].notes]).tolist() == [0, 672, 1344]
    for note, played in zip(read.tracks[1].notes, WALTZ.notes, strict=True):
        assert note == pytest.approx(played, abs=0.0005)


def test_other_programs_read_the_same_ticks(tmp_path):
    write_file(tmp_path / "whole.mid", WHOLE)
    other = mido.MidiFile(tmp_path / "whole.mid", charset="utf-8")
    assert other.type == 1 and other.ticks_per_beat == 480
    assert [track.name for track in other.tracks] == ["melody", "演奏", "drums"]
    assert sum(message.type == "note_on" for message in other.tracks[1]) == len(WALTZ)
    assert [message.tempo for message in other.tracks[0] if message.type == "set_tempo"] == [500_000, 750_000]


def test_a_time_longer_than_the_standard_counts_is_written_in_parts(tmp_path):
    tempo_map = TempoMap(32767, ((0, 1000),))
    file = MidiFile(tracks=(Track(notes=(Note(0, 1, 60, 80), Note(20, 21, 60, 80))),), tempo_map=tempo_map)
    write_file(tmp_path / "fine.mid", file)
    assert read_file(tmp_path / "fine.mid").tracks == file.tracks
    assert len(mido.MidiFile(tmp_path / "fine.mid").tracks[0]) > 8


def test_what_midi_cannot_count_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="must be 0"):
        write_midi(tmp_path / "high.mid", Performance.of([Note(0, 1, 128, 80)]))
    assert not list(tmp_path.iterdir())


def test_a_damaged_recipe_is_passed_over(file_of):
    for content in (
        b"hommage recipe {",
        b"hommage recipe []",
        b"hommage recipe 7",
        b"hommage recipe " + b"[" * 100_000,
    ):
        file = file_of(midi_bytes([(0, meta(1, content)), *PLAYED]))
        assert file.recipe in (None, {}) and len(file.performance) == 2


SMALL = midi_bytes(
    [
        (0, tempo(400_000)),
        (0, b"\xff\x03\x05waltz"),
        (9, b"\xff\x58\x04\x03\x02\x18\x08"),
        (0, b"\xff\x59\x02\x00\x00"),
    ],
    [(0, on(60)), (7, bytes([0xB0, 64, 127])), (200, bytes([64, 0])), (5, b"\xf0\x03\x43\x10\xf7"), (300, off(60))],
)
flips = st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(1, 255)), min_size=1, max_size=8)


@settings(max_examples=500)
@given(flips, st.integers(0, len(SMALL)), st.binary(max_size=4))
def test_broken_bytes_give_a_performance_or_one_sentence(tmp_path_factory, flipped, cut, put):
    content = bytearray(SMALL)
    for position, change in flipped:
        content[position] ^= change
    path = tmp_path_factory.getbasetemp() / "broken.mid"
    path.write_bytes(content[:cut] + put + content[cut:])
    try:
        performance = read_midi(path)
    except EngineError:
        return
    for note in performance.notes:
        assert 0 <= note.start < note.end <= 24 * 3600
        assert 0 <= note.pitch <= 127 and 1 <= note.velocity <= 127
