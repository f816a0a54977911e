"""How good a model is at what the program is for: the style kept, the tune kept in another's style, styles mixed.

Every evaluation is a list of cases that are measured one by one, seeded, on excerpts of a prepared data set; `measured`
keeps their rows in a file, one a line, so that it goes on where it was stopped. `engine.training.report` sums them up.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.autoencoder import Autoencoder
from engine.composer import LEAST_STYLE_NOTES, Composer, Request
from engine.errors import RequestError
from engine.features import feature_spreads, overlap, similarity
from engine.melody import extract_melody, melody_f1, melody_recall
from engine.originality import Hashes, longest_shared
from engine.performance import Note, Pedal, Performance
from engine.training.dataset import Dataset, performance_of
from engine.training.judge import Judge, note_statistics
from engine.training.likelihood import gap_likelihoods, likelihoods, notes_struck, validation_batch, window_config
from engine.vocabulary import STEPS_PER_SECOND

EXCERPT_SECONDS = 50.0
GAP = 32  # steps, about three seconds
LEAST_NOTES = 100  # of an excerpt
JURY = 20  # performances a take's own is looked for among
METRIC_FLOOR = 0.05  # of the mean variance: directions in which a player hardly wanders count no more than that allows
METRIC_STYLES = 200  # performances the metric is found from
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the second style in a mixture

Row = dict[str, Any]
Floats = NDArray[np.float64]


class Excerpt(NamedTuple):
    """A performance's part that is heard, and the part that follows it, as long."""

    own: Performance
    following: Performance
    piece: str


class Evaluation(Protocol):
    """Cases to measure. name: the evaluation's and its file's."""

    name: str

    def __len__(self) -> int: ...

    def row(self, case: int) -> Row:
        """What one case measures, as plain values."""


def loaded(model: str, device: str) -> Composer:
    """The composer to evaluate. Raises ModelError without such a model or device."""
    return Composer.load(model, device)


def measured(evaluation: Evaluation, folder: Path, settings: Row) -> Iterator[tuple[int, int]]:
    """Measure the cases that `folder` does not hold yet. Yields (done, all).

    settings: what the rows depend on; they stand in the file's first line. Raises RequestError where the file is of
    other settings.
    """
    file = folder / f"{evaluation.name}.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        file.write_text(json.dumps(settings) + "\n")
    head, rows = read_rows(file)
    if head != json.loads(json.dumps(settings)):
        raise RequestError(f"{file} is of another model or other options", "Give another folder, or delete the file")
    done = {row["case"] for row in rows}
    for case in range(len(evaluation)):
        if case not in done:
            line = json.dumps({"case": case, **evaluation.row(case)})
            with file.open("a") as out:
                out.write(line + "\n")
            done.add(case)
        yield len(done), len(evaluation)


def read_rows(file: Path) -> tuple[Row, list[Row]]:
    """Settings and rows of an evaluation's file; a last line that was cut short is cut off."""
    lines = file.read_text().splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        file.write_text("".join(lines[:-1]))
        return read_rows(file)
    head, *rows = (json.loads(line) for line in lines)
    return head, sorted(rows, key=lambda row: int(row["case"]))


def excerpts(
    data: Dataset, count: int, seed: int, seconds: float = EXCERPT_SECONDS, has_pieces_once: bool = True
) -> list[Excerpt]:
    """One excerpt each of `count` performances, of different pieces or not, with enough notes in both parts.

    Raises RequestError where there are not two.
    """
    random = np.random.default_rng(seed)
    found: dict[str, Excerpt] = {}
    for index in random.permutation(len(data.pieces)):
        piece = data.pieces[int(index)]
        key = piece.piece_id if has_pieces_once else piece.path
        events = np.asarray(data.events[piece.first : piece.after])
        last = int(events["onset"][-1]) - round(2 * seconds * 1000)
        if key in found or last <= 0:
            continue
        begin = int(random.integers(last))
        edges = np.searchsorted(events["onset"], [begin + round(part * seconds * 1000) for part in (0, 1, 2)])
        own, following = (performance_of(events[edges[i] : edges[i + 1]], piece.path) for i in (0, 1))
        if min(len(own), len(following)) >= LEAST_NOTES:
            found[key] = Excerpt(own, following, piece.piece_id)
        if len(found) == count:
            break
    if len(found) < 2:
        raise RequestError(
            f"The data set has not two performances of {2 * seconds:g} seconds to hear", "Evaluate on a larger one"
        )
    return list(found.values())


def stranger(styles: Sequence[Excerpt], case: int, away: int = 1) -> Excerpt:
    """The excerpt of another piece that stands `away` such places behind in the list."""
    behind = [styles[(case + step) % len(styles)] for step in range(1, len(styles))]
    others = [excerpt for excerpt in behind if excerpt.piece != styles[case].piece]
    if not others:
        raise RequestError("All performances are of one piece", "Evaluate on a data set of several")
    return others[(away - 1) % len(others)]


def take_of(events: Sequence[Note | Pedal], name: str = "") -> Performance:
    """The performance of what `compose` yielded."""
    notes = [event for event in events if isinstance(event, Note)]
    pedals = [event for event in events if isinstance(event, Pedal)]
    return Performance.of(notes, pedals, name).with_repeats_cut()


def _density(performance: Performance, seconds: float) -> float:
    return len(performance) / max(seconds, 1e-9)


@dataclass
class Likelihoods:
    """Nats of each of `count` windows of about 512 notes and pedals, for the four conditionings.

    is_within: the style is heard in the window itself, as the paper measures it, and not elsewhere in the performance.
    """

    model: Autoencoder
    data: Dataset
    count: int
    is_within: bool
    name: str = "likelihood"

    def __len__(self) -> int:
        return self.count

    def row(self, case: int) -> Row:
        """Notes, seconds, and for each conditioning the nats of each field; of the last `GAP` steps, where the model
        infills, the nats without and with the music that follows."""
        codec = self.model.codec
        batch = validation_batch(self.data, window_config(codec), [case], codec.name, self.is_within)
        found = likelihoods(self.model, [batch])
        notes = int(notes_struck(codec, batch["window"]).sum())
        gap: Row = {}
        if self.model.config.infills:
            known = validation_batch(self.data, window_config(codec), [case], codec.name, self.is_within, True)
            gap = dict(zip(("notes", "without", "with"), gap_likelihoods(self.model, known, GAP), strict=True))
        return {
            "gap": gap,
            "notes": notes,
            "seconds": float(batch["window"].steps.max()) / STEPS_PER_SECOND,
            **{name: [nats * notes for nats in one.fields] for name, one in found.items()},
        }


@dataclass
class Tunes:
    """Every tune in every style: the first use of the program. options: of the `Request`."""

    composer: Composer
    styles: Sequence[Excerpt]
    tunes: Sequence[Performance]
    seed: int
    options: Row = field(default_factory=dict)
    name: str = "tunes"

    def __len__(self) -> int:
        return len(self.styles) * len(self.tunes)

    def row(self, case: int) -> Row:
        """Melody kept, density and overlap, and seconds of music a second of this process's time."""
        own, tune = self.styles[case // len(self.tunes)].own, self.tunes[case % len(self.tunes)]
        other = stranger(self.styles, case // len(self.tunes)).own
        request = Request(style=self.composer.style(own), melody=tune, seed=self.seed, **self.options)
        begun = time.process_time()
        take, forced = played(self.composer, request)
        spent = time.process_time() - begun
        return {
            "tune": tune.name,
            "style": own.name,
            **_kept(tune, take, forced),
            "density": _density(take, self.composer.length(request)) / _density(own, own.seconds),
            "overlap": similarity(own, take)["average"],
            "overlap_other": similarity(other, take)["average"],
            "realtime": self.composer.length(request) / spent,
        }


def played(composer: Composer, request: Request, take: int = 0) -> tuple[Performance, float]:
    """A take, and the share of the struck melody notes that the deadline struck."""
    steps = list(composer.writer(request, take).write())
    struck = [step for step in steps if step.is_melody]
    return take_of([step.event() for step in steps]), sum(step.was_forced for step in struck) / max(len(struck), 1)


def _kept(melody: Performance, take: Performance, forced: float) -> Row:
    return {"melody_recall": melody_recall(melody, take), "melody_f1": melody_f1(melody, take), "forced": forced}


@dataclass
class Style:
    """The paper's Table 4, with the controls it lacks: how alike a take sounds to what it was given, by conditioning.

    none, melody, performance, melody_performance: takes; following: the performance's own next part, the ceiling;
    stranger: another piece's performance, the floor. index: of the training music, to find passages shared with it.
    """

    composer: Composer
    styles: Sequence[Excerpt]
    index: Hashes
    seed: int
    takes: int = 1
    options: Row = field(default_factory=dict)
    name: str = "style"

    def __len__(self) -> int:
        return len(self.styles)

    def row(self, case: int) -> Row:
        """Overlaps of each conditioning's takes and of the controls, and what is heard in takes and people."""
        own, following, _ = self.styles[case]
        vector, melody = self.composer.style(own), extract_melody(own)
        spreads = feature_spreads(own)
        row: Row = {"style": own.name, "human": self._heard(own)}
        conditionings: dict[str, Row] = {
            "none": {},
            "melody": {"melody": melody},
            "performance": {"style": vector},
            "melody_performance": {"melody": melody, "style": vector},
        }
        for name, given in conditionings.items():
            request = Request(seconds=own.seconds, seed=self.seed + case * self.takes, **given, **self.options)
            takes = [played(self.composer, request, number)[0] for number in range(self.takes)]
            row[name] = [overlap(spreads, feature_spreads(take)) for take in takes]
            row[f"{name}_heard"] = self._heard(takes[0])
        row["following"] = [overlap(spreads, feature_spreads(following))]
        row["stranger"] = [overlap(spreads, feature_spreads(stranger(self.styles, case).own))]
        return row

    def _heard(self, performance: Performance) -> Row:
        return {**note_statistics(performance), "shared_notes": longest_shared(performance, self.index).notes}


@dataclass
class Transfer:
    """Another piece's melody in the style of a performance, and whether the performance is known again from the take:
    by the model's own style vector and by an independent judge, among `JURY` performances.

    metric: (width, width) from `style_metric`; vectors are compared after it.
    """

    composer: Composer
    styles: Sequence[Excerpt]
    metric: Floats
    seed: int
    takes: int = 1
    options: Row = field(default_factory=dict)
    name: str = "transfer"
    vectors: dict[int, NDArray[np.float32]] = field(default_factory=dict)  # of the styles, as they are needed

    def __len__(self) -> int:
        return len(self.styles)

    def row(self, case: int) -> Row:
        """One list of figures a take, and whether the judge knows the performance's own next part again."""
        own, following, _ = self.styles[case]
        melody = extract_melody(stranger(self.styles, case, away=7).own).slice(0, own.seconds)
        jury = [(case + place) % len(self.styles) for place in range(min(JURY, len(self.styles)))]  # its own is first
        vectors, judge = [self._vector(one) for one in jury], Judge([self.styles[one].own for one in jury])
        spreads, after = feature_spreads(own), feature_spreads(following)
        other = feature_spreads(stranger(self.styles, case).own)
        request = Request(
            style=vectors[0],
            melody=melody,
            seconds=own.seconds,
            seed=self.seed + case * self.takes,
            **self.options,
        )
        row: Row = {"style": own.name, "melody": melody.name, "takes": []}
        for number in range(self.takes):
            take, forced = played(self.composer, request, number)
            heard = feature_spreads(take)
            row["takes"].append(
                {
                    **_kept(melody, take, forced),
                    "density": _density(take, own.seconds) / _density(own, own.seconds),
                    "overlap": overlap(spreads, heard)["average"],
                    "overlap_following": overlap(after, heard)["average"],
                    "overlap_other": overlap(other, heard)["average"],
                    "nearest": self._nearest(vectors, take) == 0,
                    "judged": judge.verdict(take) == 0,
                }
            )
        row["human_judged"] = judge.verdict(following) == 0
        row["human_nearest"] = self._nearest(vectors, following) == 0
        return row

    def _vector(self, number: int) -> NDArray[np.float32]:
        if number not in self.vectors:
            self.vectors[number] = self.composer.style(self.styles[number].own)
        return self.vectors[number]

    def _nearest(self, vectors: Sequence[NDArray[np.float32]], take: Performance) -> int:
        if len(take) < LEAST_STYLE_NOTES:
            return -1
        vector = self.composer.style(take)
        return int(np.argmin([_distance(vector @ self.metric, one @ self.metric) for one in vectors]))


@dataclass
class Interpolation:
    """Takes in mixtures of two styles: as the share of the second grows, it should be heard the more."""

    composer: Composer
    styles: Sequence[Excerpt]
    seed: int
    options: Row = field(default_factory=dict)
    name: str = "interpolation"

    def __len__(self) -> int:
        return len(self.styles)

    def row(self, case: int) -> Row:
        """Overlap with the first and with the second style at each of `SHARES`."""
        one, two = self.styles[case].own, stranger(self.styles, case).own
        first, second = feature_spreads(one), feature_spreads(two)
        row: Row = {"first": one.name, "second": two.name, "overlap_first": [], "overlap_second": []}
        for share in SHARES:
            vector = self.composer.style(one, two, weights=[1 - share, share])
            take, _ = played(
                self.composer, Request(style=vector, seconds=one.seconds, seed=self.seed + case, **self.options)
            )
            heard = feature_spreads(take)
            row["overlap_first"].append(overlap(first, heard)["average"])
            row["overlap_second"].append(overlap(second, heard)["average"])
        return row


def style_metric(composer: Composer, styles: Sequence[Excerpt]) -> Floats:
    """(width, width): after it, a style differs as much in every direction between two parts of one performance.

    Such a distance says how far two styles are apart beside how far one player wanders. styles: of the training split.
    """
    pairs = np.stack([[composer.style(excerpt.own), composer.style(excerpt.following)] for excerpt in styles])
    apart = (pairs[:, 0] - pairs[:, 1]).astype(np.float64)
    within = apart.T @ apart / len(apart)
    size, direction = np.linalg.eigh(within + METRIC_FLOOR * np.trace(within) / len(within) * np.eye(len(within)))
    return np.asarray(direction / np.sqrt(size))


def transposed_styles(composer: Composer, styles: Sequence[Performance], semitones: int = 3) -> float:
    """Share of performances whose vector, transposed either way, is nearer to the original's than to another's.

    The other is the next of the list; both ways are counted.
    """
    own = np.stack([composer.style(style) for style in styles])
    hits: list[bool] = []
    for index, style in enumerate(styles):
        other = own[(index + 1) % len(styles)]
        for shift in (-semitones, semitones):
            moved = composer.style(style.transpose(shift))
            hits.append(_distance(moved, own[index]) < _distance(moved, other))
    return float(np.mean(hits))


def _distance(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    return float(np.linalg.norm(a - b))
