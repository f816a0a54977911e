"""hommage bench: how fast a take is written, on one thread, beside torch and Hugging Face's `generate`, in one run.

What is compared takes turns, and each figure is a median over the turns of the time that the processor spent on it, so
that ratios hold on a machine that has other work. A step of ours is a note, chosen in four fields; one of theirs is a
token. Ratios are of a step to a token, without guidance, which they have not; what guidance costs is said beside them.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.errors import RequestError
from engine.performance import Note
from studio.arguments import Json, Model, performance_of
from studio.console import print_json, rounded, say

if TYPE_CHECKING:
    from engine.autoencoder import Autoencoder
    from engine.composer import Composer, Request
    from engine.decoding import NoteWriter
    from engine.event_decoding import EventWriter
    from engine.torch_decoder import StepDecoder

STYLE, MELODY = "prelude", "twinkle"  # bundled examples, of a minute and half a minute
CONTEXTS = {"": 1024, "_2048": 2048}  # steps before those that are timed, by the ending of the figure's name
TIMED = 24  # steps of one turn
MELODY_EVERY = 30  # steps between the melody notes to come after a long context
READS = 20  # of the memory whose bandwidth is measured
HOW = (
    "Seconds of one core, medians. Contexts longer than the model's window: its weights with a longer one. "
    "A ratio is of a step to a token, both after so many, without guidance; by_events: of what a step says in tokens "
    "of events (events_a_step) to a token; guidance_costs: a step with the model's guidance, beside one without. Takes "
    "(realtime, steps and notes a second) are with guidance, in a style with a melody. "
    "first_note_s: by the clock, the style not encoded before; resident_mb: the most held until takes were made."
)
HOW_GUI = (
    "By the clock, the window offscreen, one take of the bundled examples each time: the longest gap of all between "
    "timer ticks of 10 ms, here and in a program beside it that does nothing else; the longest from the key to idle."
)

app = typer.Typer()
bench_app = typer.Typer(help="Measure how fast this machine composes.", rich_markup_mode=None)
app.add_typer(bench_app, name="bench")


@bench_app.callback()
def bench() -> None:
    """Measure how fast this machine composes."""


@bench_app.command()
def decode(
    model: Model = "default",
    rounds: Annotated[int, typer.Option(metavar="N", min=1, help="Turns of each that is compared.")] = 5,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the JSON here.")] = None,
    as_json: Json = False,
) -> None:
    """Time a take, and a step beside torch's and a GPT-2 of the same size (pip install 'hommage[bench]')."""
    from engine.composer import Composer

    composer = Composer.load(model, "cpu")
    if composer.model.codec.name != "notes":
        raise RequestError(f"The model {composer.name} writes events", "Give one that writes notes")
    if find_spec("transformers") is None:
        say("There is no transformers to compare with: pip install 'hommage[bench]'")
    figures = _of_takes(composer, rounds) | {"resident_mb": _resident_mb()}
    spent: dict[str, Any] = {}
    for ending, context in CONTEXTS.items():
        turns = _turns(composer.model, context, rounds)
        spent[str(context)] = {name: 1000 * statistics.median(column) for name, column in turns.items()}
        for name in ("hf_generate", "eager"):
            figures[f"ratio_to_{name}{ending}"] = _ratio(turns.get(name), turns["ours"])
        figures[f"guidance_costs{ending}"] = _ratio(turns["guided"], turns["ours"])
    by_step, events = figures["ratio_to_hf_generate"], figures["events_a_step"]
    figures["ratio_to_hf_generate_by_events"] = by_step * events if by_step and events else None
    document = figures | {"ms_a_step": spent, "model": composer.name, "window": composer.model.config.window}
    document |= {"command": f"hommage bench decode --model {model} --rounds {rounds}", "how": HOW}
    if output is not None:
        _save(output, document)
    if as_json:
        print_json(document)
    elif output is None:
        _list(figures)


@bench_app.command()
def gui(
    rounds: Annotated[int, typer.Option(metavar="N", min=1, help="Takes that are composed, and then cancelled.")] = 5,
    as_json: Json = False,
) -> None:
    """Time the window while it composes: the longest gap in its event loop, and how soon it is idle once cancelled."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from studio.window_bench import measure_window

    figures = measure_window(rounds)
    if as_json:
        print_json({**figures, "rounds": rounds, "how": HOW_GUI})
        return
    _list(figures)


def _save(path: Path, document: dict[str, Any]) -> None:
    try:
        path.write_text(json.dumps(rounded(document), indent=2) + "\n")
    except OSError as error:
        raise RequestError(f"{path} can't be written: {error.strerror}", "Choose another place") from error


def _list(figures: Mapping[str, float | None]) -> None:
    for name, value in figures.items():
        typer.echo(f"{name.replace('_', ' '):32} {'-' if value is None else f'{value:.4g}'}")


def _of_takes(composer: Composer, rounds: int) -> dict[str, float | None]:
    """Figures of whole takes in a style, with a melody."""
    from engine.composer import Request
    from engine.event_codec import EventCodec
    from engine.vocabulary import KEYS

    style, melody = performance_of(STYLE), performance_of(MELODY)
    request = Request(composer.style(style), melody)
    _write(composer.writer(request))  # what takes long to make is made while files are chosen
    of_style, first, speeds, notes, realtime = [], [], [], [], []
    for seed in range(rounds):
        of_style.append(_wall(partial(composer.style, style)))
        first.append(_wall(partial(_first_note, composer, replace(request, seed=seed))))
        writer = composer.writer(request, seed)
        spent = _spent(partial(_write, writer))
        speeds.append(len(writer.steps) / spent)
        notes.append(sum(step.symbol < KEYS for step in writer.steps) / spent)
        realtime.append(composer.length(request) / spent)
    speed, size = statistics.median(speeds), _bytes_of_a_step(composer.model, len(writer.given), len(melody))
    bandwidth = _bandwidth(size)
    return {
        "realtime": statistics.median(realtime),
        "steps_per_second": speed,
        "notes_per_second": statistics.median(notes),
        "first_note_s": statistics.median(a + b for a, b in zip(of_style, first, strict=True)),
        "first_note_cached_s": statistics.median(first),
        "share_of_bandwidth_limit": speed * size / bandwidth,
        "bytes_a_step": size,
        "bandwidth_gb_s": bandwidth / 1e9,
        "events_a_step": len(EventCodec().encode(style)) / len(composer.model.codec.encode(style)),
    }


def _first_note(composer: Composer, request: Request) -> None:
    next(event for event in composer.compose(request) if isinstance(event, Note))


def _write(writer: NoteWriter | EventWriter, count: int | None = None) -> None:
    for _ in islice(writer.write(), count):
        pass


def _wall(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _spent(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def _bytes_of_a_step(model: Autoencoder, rows: int, notes: int) -> float:
    """What one step reads: the weights, and in each row of guidance keys and values of three quarters of a window (a
    window goes on at the half), in one byte each, and those of the melody, in four."""
    from engine.step_graph import build

    block, layers = model.config.block, model.config.decoder_layers
    weights = sum(map(len, build(model, is_quantised=True).values()))
    read = 3 / 4 * model.config.window * layers * block.kv_heads + 4 * notes * (layers + 1) * block.heads
    return weights + rows * read * (block.key_head + block.head)


def _bandwidth(size: float) -> float:
    """Bytes a second at which one core reads memory of so many bytes, at best."""
    import torch

    room = torch.ones(int(size) // 4)
    return room.numel() * 4 / min(_wall(room.sum) for _ in range(READS))


def _resident_mb() -> float | None:
    """The most memory that the process held so far; None where that is not known."""
    if sys.platform == "win32":
        return None
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)


def _turns(model: Autoencoder, context: int, rounds: int) -> dict[str, list[float]]:
    """Seconds a step after a context, of each that is compared, in each round."""
    from engine.onnx_decoder import onnx_decoders
    from engine.torch_decoder import TorchDecoder

    longer = _with_window(model, 2 * context + 2 * (rounds + 1) * TIMED)
    ours, guidance = onnx_decoders(longer, None), (model.config.style_guidance, model.config.melody_guidance)
    steppers = {
        "ours": _stepper(ours(), context),
        "guided": _stepper(ours(), context, guidance),
        "eager": _stepper(TorchDecoder(longer), context),
    }
    if find_spec("transformers") is not None:
        steppers["hf_generate"] = _generate(model, context)
    for step in steppers.values():
        step()
    turns = [{name: step() for name, step in steppers.items()} for _ in range(rounds)]
    return {name: [turn[name] for turn in turns] for name in steppers}


def _ratio(theirs: Iterable[float] | None, ours: Iterable[float]) -> float | None:
    return None if theirs is None else statistics.median(a / b for a, b in zip(theirs, ours, strict=True))


def _with_window(model: Autoencoder, window: int) -> Autoencoder:
    """The same model with another window: rotary positions have no weights."""
    from engine.autoencoder import Autoencoder

    longer = Autoencoder(replace(model.config, window=window), model.codec)
    longer.load_state_dict(model.state_dict())
    return longer.eval()


def _stepper(decoder: StepDecoder, context: int, guidance: tuple[float, float] = (1.0, 1.0)) -> Callable[[], float]:
    """Writes on after a context; each call gives the seconds of one step. Steps at which a window ends don't count.
    guidance: how much what style and melody change is enlarged."""
    writer = _writer_after(decoder, context, guidance)

    def step() -> float:
        nonlocal writer
        while True:
            first, spent = writer.first, _spent(partial(_write, writer, TIMED))
            if writer.first == first:
                return spent / TIMED
            writer = _writer_after(decoder, context, guidance)

    return step


def _writer_after(decoder: StepDecoder, context: int, guidance: tuple[float, float]) -> NoteWriter:
    """A writer of a take, with style and melody, that has written so many steps in its window."""
    import torch

    from engine.decoding import MelodyNote, NoteWriter, Step
    from engine.sampling import SamplingOptions

    steps = [Step(at, at + 20, 20 + at * 7 % 50, 16, 20, is_melody=False) for at in range(context)]
    begins = range(context + MELODY_EVERY, context + 6000, MELODY_EVERY)
    melody = [MelodyNote(at, at + MELODY_EVERY, 50 + at % 12) for at in begins]
    style = torch.zeros(1, decoder.model.config.block.width)
    options = SamplingOptions(style_strength=guidance[0], melody_strength=guidance[1])
    return NoteWriter(decoder, style, melody, 10**6, options, seed=0, steps=steps)


def _generate(model: Autoencoder, context: int) -> Callable[[], float]:
    """The same of a GPT-2 of as many layers of the same size, with random weights: what `generate` takes for the tokens
    after the first, with its cache."""
    import torch

    transformers, block = import_module("transformers"), model.config.block
    vocabulary = sum(field.size for field in model.codec.fields)
    config = transformers.GPT2Config(
        vocab_size=vocabulary,
        n_positions=context + TIMED + 1,
        n_embd=block.width,
        n_layer=model.config.decoder_layers,
        n_head=block.heads,
        n_inner=block.feed_forward,
        bos_token_id=None,
        eos_token_id=None,
    )
    gpt2, prompt = transformers.GPT2LMHeadModel(config).eval(), torch.arange(context)[None] % vocabulary
    given = {"attention_mask": torch.ones_like(prompt), "do_sample": True, "use_cache": True, "pad_token_id": 0}

    def spent(tokens: int) -> float:
        return _spent(lambda: gpt2.generate(prompt, min_new_tokens=tokens, max_new_tokens=tokens, **given))

    return lambda: (spent(TIMED + 1) - spent(1)) / TIMED
