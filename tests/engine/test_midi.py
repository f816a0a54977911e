"""MIDI files read and written: to the millisecond, and with one clear sentence where that can't be done."""

import struct

import mido
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import EngineError, MidiError
from engine.midi import from_pretty_midi, read_midi, to_pretty_midi, write_midi
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
    content = struct.pack(">4sLhhh", b"MThd", 6, kind, len(tracks), division)
    for track in tracks:
        events = b"".join(variable_length(ticks) + event for ticks, event in [*track, (0, b"\xff\x2f\x00")])
        content += struct.pack(">4sL", b"MTrk", len(events)) + events
    return content


def on(pitch, velocity=80, channel=0):
    return bytes([0x90 + channel, pitch, velocity])


def off(pitch, channel=0):
    return bytes([0x80 + channel, pitch, 0])


def tempo(microseconds_a_beat):
    return b"\xff\x51\x03" + microseconds_a_beat.to_bytes(3, "big")


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
    ("cut.mid", midi_bytes([(0, on(60)), (500, off(60))])[:-6], "is not a readable MIDI file"),
    ("head.mid", b"MThd", "is not a readable MIDI file"),
    ("silent.mid", midi_bytes([(0, tempo(400_000))]), "has no notes in it"),
    ("no tracks.mid", midi_bytes(), "has no notes in it"),
    ("drums.mid", midi_bytes([(0, on(36, channel=9)), (9, off(36, channel=9))]), "has no notes in it"),
    ("division.mid", midi_bytes([(0, on(60)), (9, off(60))], division=0), "Division 0 is not usable"),
    ("weeks.mid", midi_bytes([(0, on(60)), (2**28 - 1, off(60))], division=96), "lasts 388 hours"),
    ("ages.mid", midi_bytes([(0, on(60)), (2**1400, off(60))]), "hours"),
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

    def run_out_of_space(self, file):
        file.write(b"MThd")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mido.MidiFile, "save", lambda self, file: run_out_of_space(self, file))
    with pytest.raises(MidiError, match="No space left on device"):
        write_midi(path, Performance.of([Note(0, 1, 60, 80)]))
    monkeypatch.undo()
    assert read_midi(path).notes == WALTZ.notes
    assert list(tmp_path.iterdir()) == [path]


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
