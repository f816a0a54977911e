"""How likely real music is to a model: exact nats a note and a second, for the four conditionings and both codecs.

A token names a 10 ms step in both: where a bin of the notes' codec holds several, the nats to choose one are added.
What is told is not quite the same: notes tell key lengths and the pedal, events how long each note sounds, which
follows from the former but not the reverse. Event windows end within the music: their last note-offs are not in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from engine.autoencoder import PITCH_FIELD, Autoencoder, Window
from engine.codec import Codec
from engine.situation import Melody
from engine.training.dataset import Dataset
from engine.training.event_windows import TOKENS_A_ROW, WINDOWS
from engine.training.windows import WindowConfig, collate
from engine.vocabulary import DURATIONS, GAPS, KEYS, NOTE_OFF, NOTE_ON, STEPS_PER_SECOND

CONDITIONINGS = {  # is the melody given, is the style
    "none": (False, False),
    "melody": (True, False),
    "performance": (False, True),
    "melody_performance": (True, True),
}
NOTE_VALUES = {"notes": (PITCH_FIELD, 0, KEYS), "events": (0, NOTE_ON, NOTE_OFF)}  # field, first, after: a note struck


class Likelihood(NamedTuple):
    """Negative log-likelihood. fields: nats a note of each field of the codec; a_second: nats a second of music."""

    fields: tuple[float, ...]
    a_second: float

    @property
    def a_note(self) -> float:
        """Nats a note."""
        return sum(self.fields)


def notes_struck(codec: Codec, window: Window) -> Tensor:
    """Which steps of a window strike a note, (batch, time) bool."""
    field, first, after = NOTE_VALUES[codec.name]
    values = window.tokens[..., field]
    return (values >= first) & (values < after) & window.valid


def naming(codec: Codec, window: Window) -> Tensor:
    """Nats to name one 10 ms step within each bin, (batch, time, fields)."""
    nats = torch.zeros(window.tokens.shape)
    if codec.name == "notes":
        gap, _, _, duration = window.tokens.unbind(-1)
        nats[..., 0] = torch.from_numpy(GAPS.log_width).float()[gap] * window.valid
        nats[..., 3] = torch.from_numpy(DURATIONS.log_width).float()[duration] * notes_struck(codec, window)
    return nats


def validation_batches(
    data: Dataset, config: WindowConfig, count: int, batch: int, codec: str = "notes", is_within: bool = False
) -> list[dict[str, Any]]:
    """The first `count` fixed windows, so many at a time; see `validation_batch`."""
    return [
        validation_batch(data, config, range(first, min(first + batch, count)), codec, is_within)
        for first in range(0, count, batch)
    ]


def validation_batch(
    data: Dataset,
    config: WindowConfig,
    numbers: Iterable[int],
    codec: str = "notes",
    is_within: bool = False,
    has_after: bool = False,
) -> dict[str, Any]:
    """Fixed windows by number, not augmented, with both conditions given; of events, the music of notes' windows.

    is_within: the style is heard in the window itself, as the paper measures it, and not elsewhere in the performance;
    has_after: the music after the window is given too.
    """
    given: dict[str, Any] = {"neither": 0, "melody_only": 0, "style_only": 0, "infill": float(has_after)}
    given |= {"augment": False, "style_within": float(is_within)}
    plain = WindowConfig(**{**asdict(config), **given})
    if codec == "events":
        plain = replace(plain, rows=plain.rows or plain.steps // TOKENS_A_ROW)
    windows = WINDOWS[codec](data, plain, seed=77)
    return collate([windows[number] for number in numbers])


@torch.inference_mode()
def likelihoods(model: Autoencoder, batches: list[dict[str, Any]]) -> dict[str, Likelihood]:
    """Of the windows of `validation_batches`, for each conditioning."""
    totals = {name: torch.zeros(len(model.codec.fields)) for name in CONDITIONINGS}
    notes, seconds = 0, 0.0
    for batch in batches:
        style = model.style(batch["style"], batch["style_valid"])
        given, named = batch["window"], naming(model.codec, batch["window"])
        notes += int(notes_struck(model.codec, given).sum())
        seconds += float((given.steps * given.valid).amax(1).sum()) / STEPS_PER_SECOND
        for name, (has_melody, has_style) in CONDITIONINGS.items():
            window, melody = conditioned(given, batch["melody"], has_melody)
            memory = model.remember(style, torch.full((len(style),), has_style), melody)
            totals[name] += (model(window, memory, melody).float() + named).sum((0, 1))
    return {
        name: Likelihood(tuple((total / notes).tolist()), float(total.sum()) / seconds)
        for name, total in totals.items()
    }


@torch.inference_mode()
def gap_likelihoods(model: Autoencoder, batch: dict[str, Any], steps: int) -> tuple[int, float, float]:
    """Of the last `steps` steps of windows whose following music is given: notes, and nats without and with it."""
    window, melody, after = batch["window"], batch["melody"], batch["after"]
    style = model.style(batch["style"], batch["style_valid"])
    length = window.valid.sum(1, keepdim=True)
    place = torch.arange(window.valid.shape[1]).expand_as(window.valid)
    last = (place >= length - 1 - steps) & (place < length - 1) & after.valid[:, :1]  # the very last is given
    nats = []
    for known in (None, after):
        memory = model.remember(style, batch["has_style"], melody, known)
        nats.append(float((model(window, memory, melody, known) * last[..., None]).sum()))
    return int((notes_struck(model.codec, window) & last).sum()), nats[0], nats[1]


def window_config(codec: Codec, rows: int = 512) -> WindowConfig:
    """Windows of about so many notes and pedals, for either codec."""
    tokens = TOKENS_A_ROW if codec.name == "events" else 1
    return WindowConfig(steps=rows * tokens, style_steps=rows // 2 * tokens)


def conditioned(window: Window, melody: Melody, has_melody: bool) -> tuple[Window, Melody]:
    """The same window with its melody, or without."""
    if has_melody:
        return window, melody
    return (
        window._replace(struck=torch.zeros_like(window.struck)),
        melody._replace(valid=torch.zeros_like(melody.valid)),
    )


def compare_codecs(
    models: Mapping[str, Autoencoder], data: Dataset, rows: int = 512, count: int = 64, batch: int = 4
) -> dict[str, dict[str, Likelihood]]:
    """Likelihoods of models of either codec on the same music: `count` windows of so many notes and pedals."""
    return {
        name: likelihoods(
            model, validation_batches(data, window_config(model.codec, rows), count, batch, model.codec.name)
        )
        for name, model in models.items()
    }
