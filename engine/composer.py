"""The engine's front door: load a model, hear a style, compose takes in it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engine.assets import model_folder
from engine.autoencoder import Autoencoder
from engine.checkpoint import load_model
from engine.decoding import MelodyNote, NoteWriter, steps_of
from engine.errors import ModelError, RequestError
from engine.event_decoding import EventWriter
from engine.gpu_decoder import Spared, gpu_decoders
from engine.kept_graphs import cache_folder
from engine.melody import top_line
from engine.onnx_decoder import onnx_decoders
from engine.performance import HIGHEST, LOWEST, Note, Pedal, Performance
from engine.sampling import SamplingOptions
from engine.torch_decoder import StepDecoder
from engine.vocabulary import STEPS_PER_SECOND

log = logging.getLogger(__name__)

STYLE_WINDOWS = {"notes": 256, "events": 1024}  # steps the performance encoder hears at once, as in training
WRITERS: dict[str, type[NoteWriter] | type[EventWriter]] = {"notes": NoteWriter, "events": EventWriter}
DECODERS: dict[str, Callable[[Autoencoder, Path | None], Callable[[], StepDecoder]]] = {  # by device: what makes them
    "cpu": onnx_decoders,
    "cuda": partial(gpu_decoders, "cuda"),
    "mps": partial(gpu_decoders, "mps"),
}
LEAST_STYLE_NOTES = 16
FREE_SECONDS = 30.0  # of a piece without a melody
LEGATO = 0.5  # seconds: a melody note lasts to the next where the rest between is no longer
LIMITS = {  # what a request may ask for
    "temperature": (0.05, 4.0),
    "top_p": (0.01, 1.0),
    "style_strength": (0.0, 4.0),
    "melody_strength": (0.0, 4.0),
    "takes": (1, 64),
    "seconds": (1.0, 3600.0),
}


@dataclass(frozen=True)
class Request:
    """What to compose. style: (width,) from `Composer.style`; seconds: None is as long as the melody, or half a minute.

    keep plays every melody note; guide lets the model choose. Take k uses seed + k. style_strength, melody_strength:
    1 is what suits the model best (the guidance of its configuration), 0 is as if the condition were not given.
    """

    style: NDArray[np.float32] | None = None
    melody: Performance | None = None
    seconds: float | None = None
    takes: int = 1
    seed: int = 0
    temperature: float = 1.0
    top_p: float = 0.95
    style_strength: float = 1.0
    melody_strength: float = 1.0
    melody_mode: str = "keep"


class Composer:
    """A loaded model. name: the model's; device: where it decodes; kept: the folder for what takes long to make;
    notice: what a person should know of how it goes on, "" if nothing; pause: called every few milliseconds of what
    takes longer; what it raises ends that.

    The encoders stay on the CPU: they are small and asked once a file and once a window, MPS lacks the float64 that
    rotations are made in, and so a GPU that fails leaves nothing behind there.
    """

    def __init__(self, model: Autoencoder, name: str, device: str, kept: Path | None = None) -> None:
        self.model, self.name, self.device, self.kept = model.cpu().eval(), name, device, kept
        self.notice = ""
        self.pause: Callable[[], None] = lambda: None

    @cached_property
    def make_decoder(self) -> Callable[[], StepDecoder]:
        """Makes the decoder of a take."""
        if self.device == "cpu":
            return DECODERS["cpu"](self.model, self.kept)
        try:
            make = DECODERS[self.device](self.model, self.kept)
        except RuntimeError as error:
            return self._leave_gpu(error)
        return lambda: Spared(make(), lambda error: self._leave_gpu(error)())

    def _leave_gpu(self, error: RuntimeError) -> Callable[[], StepDecoder]:
        """Makes the decoder of a take on the CPU, for this take and all that follow."""
        if self.device != "cpu":
            log.warning("the GPU is left", exc_info=error)
            is_full = "out of memory" in str(error).lower()
            self.notice = f"The GPU {'is out of memory' if is_full else 'failed'}: composing goes on on the CPU."
            self.device = "cpu"
            self.make_decoder = DECODERS["cpu"](self.model, self.kept)
        return self.make_decoder

    @classmethod
    def load(cls, model: str = "default", device: str = "auto") -> Composer:
        """A shipped model by name, or one in a folder. On the CPU one thread is used: more wait for each other.

        Raises ModelError where there is no such model or device.
        """
        chosen = _device(device)
        torch.set_num_threads(1)
        folder = model_folder(model)
        return cls(load_model(folder), folder.name, chosen, cache_folder())

    @torch.inference_mode()
    def style(self, *performances: Performance, weights: Sequence[float] | None = None) -> NDArray[np.float32]:
        """Style vector (width,) of performances: each the mean over its windows weighted by length, then their mean
        weighted by `weights`. Raises RequestError where a performance has too few notes to have a style."""
        if not performances:
            raise RequestError("A style needs a performance", "Give at least one")
        shares = np.ones(len(performances)) if weights is None else np.asarray(weights, np.float64)
        if len(shares) != len(performances) or shares.min() < 0 or not shares.sum() > 0:
            raise RequestError("The weights of the styles are not usable", "Give one number from 0 up for each")
        vectors = np.stack([self._style_of(performance) for performance in performances])
        return np.asarray((shares[:, None] * vectors).sum(0) / shares.sum(), np.float32)

    def _style_of(self, performance: Performance) -> NDArray[np.float64]:
        count = sum(LOWEST <= note.pitch <= HIGHEST for note in performance.notes)
        if count < LEAST_STYLE_NOTES:
            name = performance.name or "The style performance"
            raise RequestError(f"{name} has only {count} notes", f"A style needs at least {LEAST_STYLE_NOTES}")
        codec = self.model.codec
        total, length = np.zeros(self.model.config.block.width), 0
        for window in codec.windows(performance, STYLE_WINDOWS[codec.name]):
            self.pause()
            given = torch.from_numpy(window)[None]
            valid = torch.ones(given.shape[:2], dtype=torch.bool)
            total += len(window) * self.model.style(given, valid)[0].double().numpy()
            length += len(window)
        return total / length

    def length(self, request: Request) -> float:
        """Seconds that will be composed."""
        if request.seconds is not None:
            return request.seconds
        return request.melody.seconds if request.melody is not None else FREE_SECONDS

    def compose(self, request: Request, take: int = 0) -> Iterator[Note | Pedal]:
        """Notes and pedal movements of one take in order of time, each as soon as it is chosen; stop pulling to cancel.
        A model of events knows a note when it ends: its notes come in the order of their ends.

        A key struck again before its note's end ends that note (`Performance.with_repeats_cut` writes it so).
        Raises RequestError where the request can't be composed.
        """
        return (step.event() for step in self.writer(request, take).write())

    def writer(self, request: Request, take: int = 0) -> NoteWriter | EventWriter:
        """What writes the take: its steps, its seed and how it strikes the melody."""
        return WRITERS[self.model.codec.name](**self.given(request, self.length(request), take))

    def fill(
        self, played: Performance, start: float, end: float, request: Request, take: int = 0
    ) -> Iterator[Note | Pedal]:
        """New music for a stretch of a performance, from `start` up to `end` (seconds), that knows what stands on both
        sides of it; without anything after it, it goes on from there. The request's melody is that of the whole.

        Yields as `compose` does; `filled` puts it in its place. Raises RequestError where the stretch is none, or the
        model can't.
        """
        if not self.model.config.infills:
            raise RequestError(f"The model {self.name} can't write within a piece", "Choose the default model")
        if not 0 <= start < end:
            raise RequestError(
                f"From {start:g} to {end:g} seconds is no stretch of time", "Give a beginning and an end"
            )
        begin = round(start * STEPS_PER_SECOND)
        before, after = map(steps_of, sides(played, start, end))
        given = self.given(request, end, take)
        given["melody"] = [note for note in given["melody"] if note.step >= begin]
        writer = NoteWriter(**given, steps=before, begin=begin, after=after)
        return (step.event() for step in writer.write())

    def given(self, request: Request, length: float, take: int = 0) -> dict[str, Any]:
        """What any writer of one take is given. length: seconds. Raises RequestError where it can't be composed."""
        _check(request)
        options = SamplingOptions(
            request.temperature,
            request.top_p,
            request.style_strength * self.model.config.style_guidance,
            request.melody_strength * self.model.config.melody_guidance,
        )
        return {
            "decoder": self.make_decoder(),
            "style": None if request.style is None else torch.from_numpy(self._checked(request.style))[None],
            "melody": melody_notes(request.melody, length) if request.melody is not None else [],
            "length": round(length * STEPS_PER_SECOND),
            "options": options,
            "seed": request.seed + take,
            "keep": request.melody_mode == "keep",
            "pause": self.pause,
        }

    def need_notes(self) -> None:
        """Raises RequestError where the model writes events: among notes that are there it can't."""
        if self.model.codec.name != "notes":
            raise RequestError(f"The model {self.name} can't write among notes", "Choose the default model")

    def _checked(self, style: NDArray[np.float32]) -> NDArray[np.float32]:
        width = self.model.config.block.width
        if style.shape != (width,) or not np.isfinite(style).all():
            raise RequestError(f"The style is not one of this model's: it has {width} finite numbers", "Embed it again")
        return np.asarray(style, np.float32)


def filled(played: Performance, events: Iterable[Note | Pedal], start: float, end: float) -> Performance:
    """A performance with what `fill` yielded in place of its notes from `start` up to `end`.

    What stands outside is as it was, to the bit: notes sound on over the borders, and where one outside sounds, no new
    one is struck on its key. At the end the pedal is put where the following music expects it.
    """
    before, after = sides(played, start, end)
    new = list(events)
    pedals = [*before.pedals, *(event for event in new if isinstance(event, Pedal))]
    for controller in {pedal.controller for pedal in [*played.pedals, *pedals]}:
        now, then = (_pedal_at(moves, controller, end) for moves in (pedals, played.pedals))
        if now != then:
            pedals.append(Pedal(end, then, controller))
    outside = Performance.of([*before.notes, *after.notes], [*pedals, *after.pedals], played.name)
    return added(outside, (event for event in new if isinstance(event, Note)))


def added(played: Performance, new: Iterable[Note]) -> Performance:
    """A performance with new notes, its own as they were: none is struck on a key that sounds, and each ends where its
    key is struck again."""
    of_key: dict[int, list[Note]] = {}
    for note in played.notes:
        of_key.setdefault(note.pitch, []).append(note)
    notes: list[Note] = []
    for note in new:
        around = of_key.get(note.pitch, [])
        if not any(other.start <= note.start < other.end for other in around):
            later = min((other.start for other in around if other.start > note.start), default=note.end)
            notes.append(note._replace(end=min(note.end, later)))
    new_ones = Performance.of(notes).with_repeats_cut().notes
    return Performance.of([*played.notes, *new_ones], played.pedals, played.name)


def with_pedals_lifted(played: Performance) -> Performance:
    """A performance whose pedals, where they stay down, lift with the last key."""
    last = {pedal.controller: pedal for pedal in played.pedals}
    end = max([played.seconds, *(pedal.time for pedal in played.pedals)])
    lifts = [Pedal(end, 0, controller) for controller, pedal in last.items() if pedal.value]
    return Performance.of(played.notes, (*played.pedals, *lifts), played.name)


def sides(played: Performance, start: float, end: float) -> tuple[Performance, Performance]:
    """What is struck and pressed before a stretch, and from its end on."""
    notes, pedals = played.notes, played.pedals
    before = Performance.of((n for n in notes if n.start < start), (p for p in pedals if p.time < start))
    after = Performance.of((n for n in notes if n.start >= end), (p for p in pedals if p.time >= end))
    return before, after


def _pedal_at(pedals: Iterable[Pedal], controller: int, time: float) -> int:
    """Where a pedal stands before a moment."""
    values = [pedal.value for pedal in pedals if pedal.controller == controller and pedal.time < time]
    return values[-1] if values else 0


def melody_notes(melody: Performance, seconds: float) -> list[MelodyNote]:
    """The melody as the model is given it: its top line, on the piano, joined where the rests are short."""
    line = top_line(melody)
    notes = [n for n in line.notes if LOWEST <= n.pitch <= HIGHEST and n.start < seconds]
    if not notes:
        raise RequestError(f"{melody.name or 'The melody'} has no notes on the piano's keys", "Transpose it")
    following = [note.start for note in notes[1:]] + [notes[-1].end]
    given = []
    for note, after in zip(notes, following, strict=True):
        end = after if 0 < after - note.end <= LEGATO else min(note.end, max(after, note.start + 0.02))
        start = round(note.start * STEPS_PER_SECOND)
        given.append(MelodyNote(start, max(round(end * STEPS_PER_SECOND), start + 1), note.pitch - LOWEST))
    return given


def _check(request: Request) -> None:
    """Raises RequestError where a number is out of reach."""
    for name, (lowest, highest) in LIMITS.items():
        value = getattr(request, name)
        if value is not None and not lowest <= value <= highest:
            raise RequestError(
                f"{name.replace('_', ' ')} {value} is not usable", f"It must be from {lowest:g} to {highest:g}"
            )
    if request.melody_mode not in ("keep", "guide"):
        raise RequestError(f"melody mode {request.melody_mode} is not known", "It is keep or guide")


def _device(device: str) -> str:
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return next(name for name, is_there in available.items() if is_there)
    if device not in available:
        raise ModelError(f"There is no device called {device}", "It is auto, cuda, mps or cpu")
    if not available[device]:
        raise ModelError(f"This machine has no {device} device", "Use auto or cpu")
    return device
