"""How surprising each note of a performance is to a model that knows what came before it, in nats."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.autoencoder import Autoencoder, Window
from engine.codec import one_voice_a_key
from engine.decoding import Step, steps_of, tokens_of
from engine.performance import LOWEST, Note, Performance
from engine.situation import Melody
from engine.vocabulary import KEYS, PEDAL_DOWN, PEDAL_UP, STEPS_PER_SECOND

JOIN = 32  # notes after a border whose likelihood tells how well what was written before leads there

Floats = NDArray[np.float64]


@torch.inference_mode()
def surprises(model: Autoencoder, steps: Sequence[Step], style: NDArray[np.float32] | None, first: int = 0) -> Floats:
    """Nats of each field of the steps from number `first` on, (steps, 4). style: (width,) or None.

    Each is told with half a window before it at least, where there is as much.
    """
    window, hop = model.config.window, model.config.window // 2
    found: list[Floats] = []
    while first < len(steps):
        begin = max(first - hop, 0)
        part = steps[begin : begin + window]
        found.append(_nats(model, part, style, is_pedal_down(steps[:begin]))[first - begin :])
        first = begin + len(part)
    return np.concatenate([np.zeros((0, 4)), *found])


def note_surprises(model: Autoencoder, played: Performance, style: NDArray[np.float32] | None) -> dict[Note, float]:
    """Nats of each note on the piano's keys."""
    steps = steps_of(played)
    nats = surprises(model, steps, style).sum(1)
    by_stroke = {(step.at, step.symbol): float(each) for step, each in zip(steps, nats, strict=True)}
    strokes = ((note, (_step(note.start), note.pitch - LOWEST)) for note in played.notes)
    return {note: by_stroke[stroke] for note, stroke in strokes if stroke in by_stroke}


def join_surprise(
    model: Autoencoder, piece: Performance, border: float, style: NDArray[np.float32] | None
) -> float | None:
    """Nats a note of the first notes from `border` (seconds) on, given all before them; None where there are none."""
    steps = steps_of(piece)
    first = sum(step.at < _step(border) for step in steps)
    notes = [index for index, step in enumerate(steps) if index >= first and step.symbol < KEYS][:JOIN]
    if not notes:
        return None
    return float(surprises(model, steps[: notes[-1] + 1], style, first).sum()) / len(notes)


def is_pedal_down(steps: Sequence[Step]) -> bool:
    """Whether the pedal is down after these steps."""
    moves = [step.symbol for step in steps if step.symbol in (PEDAL_UP, PEDAL_DOWN)]
    return bool(moves) and moves[-1] == PEDAL_DOWN


def _step(seconds: float) -> int:
    return int(np.floor(seconds * STEPS_PER_SECOND + 0.5))


def _nats(model: Autoencoder, steps: Sequence[Step], style: NDArray[np.float32] | None, pedal: bool) -> Floats:
    """Nats of each field of steps that make one window, (steps, 4)."""
    at = np.array([step.at for step in steps])
    lasting = np.array([step.release - step.at for step in steps])
    tokens = np.array(tokens_of(steps, steps[0].at))
    everything = torch.ones(1, len(steps), dtype=torch.bool)
    window = Window(
        tokens=torch.from_numpy(tokens)[None],
        valid=everything,
        steps=torch.from_numpy(at - at[0])[None],
        releases=torch.from_numpy(at - at[0] + one_voice_a_key(at, tokens[:, 1], lasting))[None],
        struck=~everything,
        pedal=torch.tensor([pedal]),
    )
    one = torch.zeros(1, 1, dtype=torch.long)
    no_melody = Melody(one[..., None].expand(-1, -1, 3), one, one + 1, one, one.bool())
    given: Tensor = torch.zeros(1, model.config.block.width) if style is None else torch.from_numpy(style)[None]
    memory = model.remember(given, torch.tensor([style is not None]), no_melody)
    nats: Floats = model(window, memory, no_melody)[0].double().numpy()
    return nats
