"""How fast a MIDI file of 50,000 notes is read, beside mido and, where it is installed, symusic, in one run."""

import importlib.util
import time
from collections.abc import Callable
from pathlib import Path

import mido
import pytest

from engine.midi import read_midi, write_midi
from engine.performance import Note, Performance

NOTES = 50_000
LONGEST = 0.3  # seconds; measured: 0.09, beside a training on both cores
TIMES_MIDO = 3  # measured: 5

pytestmark = pytest.mark.benchmark


def seconds(work: Callable[[], object]) -> float:
    """The least of five runs."""
    spent = []
    for _ in range(5):
        begun = time.process_time()
        work()
        spent.append(time.process_time() - begun)
    return min(spent)


def test_50_000_notes_are_read_before_anybody_waits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "long.mid"
    performance = Performance.of(Note(n / 10, (n + 2) / 10, 21 + 7 * n % 88, 1 + n % 127) for n in range(NOTES))
    write_midi(path, performance)
    assert read_midi(path).notes == performance.notes
    figures = {
        "ours": seconds(lambda: read_midi(path)),
        "mido": seconds(lambda: mido.MidiFile(path)),
        "writing": seconds(lambda: write_midi(path, performance)),
    }
    if importlib.util.find_spec("symusic"):
        import symusic

        figures["symusic"] = seconds(lambda: symusic.Score(str(path)))
    with capsys.disabled():
        print("\n" + ", ".join(f"{name} {1000 * spent:.0f} ms" for name, spent in figures.items()))
    assert figures["ours"] <= LONGEST
    assert figures["mido"] > TIMES_MIDO * figures["ours"]
