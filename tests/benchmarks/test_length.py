"""Length without end: the tenth minute costs what the second did, and where a window moves nothing is to be heard."""

import resource
import statistics
import time
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.assets import asset
from engine.composer import Composer, Request
from engine.decoding import NoteWriter
from engine.event_decoding import EventWriter
from engine.midi import read_midi
from engine.performance import Note, Performance
from engine.vocabulary import STEPS_PER_SECOND

MINUTES, BRIEF = 10, 30.0
GROWTH = 1.1  # of a step's cost, from the second to the fourth minute, to the last three
MORE_MEMORY = 16  # MiB, likewise
TAKES, TAKE_SECONDS = 12, 180.0
TUNES = ("twinkle", "amazing-grace", "auld-lang-syne", "clair-de-lune", "greensleeves", "ode-to-joy")
STYLES = ("prelude", "nocturne", "etude")
AROUND = 4.0  # seconds around a seam
BETWEEN = (64, 128, 192)  # steps after a seam: what seams are compared with
SPREAD = 0.25  # of the standard deviation between: how far the mean at seams may be off

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def composer() -> Composer:
    return Composer.load(device="cpu")


def again_and_again(tune: Performance, seconds: float) -> Performance:
    """A tune repeated, with a rest of a second between."""
    period = tune.seconds + 1
    notes = [
        Note(note.start + begin, note.end + begin, note.pitch, note.velocity)
        for begin in np.arange(0, seconds, period).tolist()
        for note in tune.notes
    ]
    return Performance.of(notes)


def long_request(composer: Composer, seconds: float, tune: str, style: str, seed: int = 0) -> Request:
    melody = again_and_again(read_midi(asset("examples", f"{tune}.mid")), seconds)
    return Request(composer.style(read_midi(asset("examples", f"{style}.mid"))), melody, seconds=seconds, seed=seed)


def resident() -> float:
    """The most memory the process has held, in MiB (Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def written(writer: NoteWriter | EventWriter, until: float) -> tuple[int, float]:
    """Steps written until a second of the music, and the processor's seconds they took."""
    assert isinstance(writer, NoteWriter)
    before, begun = len(writer.steps), time.process_time()
    while writer.now < until * STEPS_PER_SECOND and writer.write_step() is not None:
        pass
    return len(writer.steps) - before, time.process_time() - begun


def test_a_step_costs_the_same_however_long_the_piece(composer: Composer, capsys: pytest.CaptureFixture[str]) -> None:
    """A brief piece is cheaper by what reading its windows again costs: it has one or none."""
    requests = {seconds: long_request(composer, seconds, "twinkle", "prelude") for seconds in (BRIEF, 60.0 * MINUTES)}
    brief = [written(composer.writer(requests[BRIEF], take), BRIEF) for take in range(MINUTES)]
    writer = composer.writer(requests[60.0 * MINUTES])
    minutes, memory = [], []
    for minute in range(MINUTES):
        minutes.append(written(writer, 60.0 * (minute + 1)))
        memory.append(resident())
    early, late = (statistics.median(spent / steps for steps, spent in part) for part in (minutes[1:4], minutes[-3:]))
    of_step, of_second = (
        (sum(spent for _, spent in minutes) / whole) / (sum(spent for _, spent in brief) / part)
        for whole, part in (
            (sum(steps for steps, _ in minutes), sum(steps for steps, _ in brief)),
            (60.0 * MINUTES, BRIEF * len(brief)),
        )
    )
    with capsys.disabled():
        print(
            f"\n{1000 * early:.2f} ms a step in minutes 2 to 4, {1000 * late:.2f} ms in the last three; "
            f"beside pieces of {BRIEF:.0f} s a step costs {of_step:.2f} times, a second of music "
            f"{of_second:.2f} times as much; memory grew by {memory[-1] - memory[1]:.1f} MiB"
        )
    assert late <= GROWTH * early
    assert memory[-1] - memory[1] <= MORE_MEMORY


class Take(NamedTuple):
    """steps: (seconds, velocity bin) of each note or pedal movement; seams: steps written as its window moved."""

    steps: NDArray[np.float64]
    seams: list[int]

    def around(self, numbers: Iterable[int]) -> NDArray[np.float64]:
        """Notes a second and mean velocity in the seconds around each step, (steps, 2); none near the take's end."""
        times, velocities = self.steps.T
        centres = times[[number for number in numbers if number < len(times)]]
        near = np.abs(times - centres[centres < TAKE_SECONDS - AROUND / 2, None]) < AROUND / 2
        return np.stack([near.sum(1) / AROUND, (near * velocities).sum(1) / near.sum(1)], 1)


def made_take(composer: Composer, seed: int) -> Take:
    tune, style = TUNES[seed % len(TUNES)], STYLES[seed % len(STYLES)]
    writer = composer.writer(long_request(composer, TAKE_SECONDS, tune, style, seed))
    assert isinstance(writer, NoteWriter)
    seams, first = [], writer.first
    while writer.write_step() is not None:
        if writer.first != first:
            seams.append(len(writer.steps))
            first = writer.first
    return Take(np.array([(step.at / STEPS_PER_SECOND, step.velocity) for step in writer.steps]), seams)


def test_a_window_moves_unheard(composer: Composer, capsys: pytest.CaptureFixture[str]) -> None:
    """Seams are beside steps between them: windows move by steps, so there are more seams where the music is dense."""
    takes = [made_take(composer, seed) for seed in range(TAKES)]
    seams = np.concatenate([take.around(take.seams) for take in takes])
    rest = np.concatenate([take.around(seam + more for seam in take.seams for more in BETWEEN) for take in takes])
    off = (seams.mean(0) - rest.mean(0)) / rest.std(0)
    low, high = np.quantile(rest, [0.025, 0.975], axis=0)
    inside = ((seams >= low) & (seams <= high)).mean(0)
    with capsys.disabled():
        print(
            f"\n{len(seams)} seams, {len(rest)} moments between: off by {off[0]:+.2f} (density) and {off[1]:+.2f} "
            f"(velocity) of the spread between; {inside[0]:.0%} and {inside[1]:.0%} within 95 % of the moments"
        )
    assert np.abs(off).max() <= SPREAD
    assert inside.min() >= 0.9
