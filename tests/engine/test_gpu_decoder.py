"""A GPU's decoder, on CPU tensors: it says what torch says and can be recorded; where it fails, the CPU goes on."""

from collections.abc import Callable
from copy import deepcopy
from itertools import islice, zip_longest
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from engine import composer as composing
from engine.autoencoder import Autoencoder
from engine.composer import Composer, Request
from engine.decoding import MelodyNote, NoteWriter, Step
from engine.event_decoding import EventWriter
from engine.gpu_decoder import GpuDecoder, gpu_decoders
from engine.onnx_decoder import _trial
from engine.sampling import SamplingOptions
from engine.torch_decoder import StepDecoder, TorchDecoder
from engine.transformer import Memory
from tests.engine.small import ROTARY, small_model

TUNE = [MelodyNote(80 * i + 7, 80 * i + 80, 50 + i * 5 % 12) for i in range(150)]
STYLE = torch.randn(1, 32, generator=torch.Generator().manual_seed(9))
GREEDY = {"temperature": 0.0, "top_p": 1.0}
EVENTS = {"block": ROTARY, "style_throughout": True, "combination": "concat"}


def take(made: StepDecoder, steps: int, melody: list[MelodyNote] = TUNE, **options: float) -> list[Step]:
    """The first steps of a long take."""
    write = NoteWriter if made.model.codec.name == "notes" else EventWriter
    given = {"melody": melody, "length": 12000, "seed": 3, "keep": write is NoteWriter}
    return list(islice(write(made, STYLE, options=SamplingOptions(**options), **given).write(), steps))


def decoder(model: Autoencoder, **options: Callable[..., object]) -> GpuDecoder:
    return GpuDecoder(model, model.decoder, **options)


def recorded(compute: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """The tensor operations of one run, to be repeated on the same tensors, as a CUDA graph repeats them."""
    return make_fx(lambda: compute())()


# What torch says


@pytest.mark.parametrize("melody", [TUNE, []], ids=["with a melody", "without"])
def test_greedy_steps_are_those_of_torch_over_many_windows(melody: list[MelodyNote]) -> None:
    model = small_model(window=16)
    made, reference = decoder(model), TorchDecoder(model)
    steps = take(made, 200, melody, **GREEDY)
    assert len(steps) > 32
    assert steps == take(reference, 200, melody, **GREEDY)
    torch.testing.assert_close(made.state, reference.state, atol=1e-5, rtol=0)


def test_rows_of_guidance_are_those_of_torch() -> None:
    model, strengths = small_model(window=48), {"style_strength": 2.0, "melody_strength": 1.5}
    made, reference = decoder(model), TorchDecoder(model)
    assert take(made, 80, **strengths) == take(reference, 80, **strengths)
    assert len(made.state) == 3
    torch.testing.assert_close(made.state, reference.state, atol=1e-5, rtol=0)


@pytest.mark.parametrize("changes", [{"combination": "tile", "style_throughout": False}, {"infills": True}])
def test_other_kinds_of_models_are_those_of_torch(changes: dict[str, object]) -> None:
    model = small_model(window=48, **changes)
    assert take(decoder(model), 80) == take(TorchDecoder(model), 80)


def test_events_with_rotary_positions_are_those_of_torch() -> None:
    model = small_model("events", window=96, **EVENTS)
    assert take(decoder(model), 60, melody_strength=1.5) == take(TorchDecoder(model), 60, melody_strength=1.5)


def test_in_bf16_it_says_almost_what_torch_says() -> None:
    model = small_model()
    made = GpuDecoder(model, deepcopy(model.decoder).to(torch.bfloat16))
    for said, expected in zip(_trial(made), _trial(TorchDecoder(model)), strict=True):
        assert said.dtype == torch.float32
        assert torch.cosine_similarity(said, expected) > 0.999


# Recordings


@pytest.mark.parametrize("codec", ["notes", "events"])
def test_a_recording_of_each_question_answers_for_all_steps(codec: str) -> None:
    model = small_model(codec, window=48, **(EVENTS if codec == "events" else {}))
    assert take(decoder(model, record=recorded), 100, **GREEDY) == take(TorchDecoder(model), 100, **GREEDY)


def test_what_is_recorded_serves_windows_that_need_no_more_room() -> None:
    recordings: list[Callable[[], Tensor]] = []
    model = small_model(window=32)
    steps = take(decoder(model, record=lambda compute: recordings.append(compute) or compute), 120)
    assert len(steps) == 120  # some seven windows
    assert len(recordings) == 4


# Where the GPU fails


class Failing(TorchDecoder):
    """A decoder whose GPU is full, or fails otherwise, at a question."""

    def __init__(self, model: Autoencoder, at: int, error: RuntimeError) -> None:
        super().__init__(model)
        self.left, self.error = at, error

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise self.error

    def begin(self, memory: Memory) -> None:
        self._count()
        super().begin(memory)

    def _logits(self, index: int) -> Tensor:
        self._count()
        return super()._logits(index)


def failing(monkeypatch: pytest.MonkeyPatch, model: Autoencoder, at: int, error: RuntimeError) -> Composer:
    """A composer on a GPU that fails at a question."""
    monkeypatch.setitem(composing.DECODERS, "cuda", lambda model, kept: lambda: Failing(model, at, error))
    return Composer(model, "small", "cuda")


FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB")


@pytest.mark.parametrize("codec", ["notes", "events"])
@pytest.mark.parametrize("at", [0, 1, *range(90, 98), 130])  # in 90..97 each kind of question, a window's first too
def test_a_take_goes_on_on_the_cpu_when_the_gpu_is_full(at: int, codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, request = small_model(codec, window=24), Request(seconds=60, seed=3, style_strength=1.5)
    expected = list(Composer(model, "small", "cpu").compose(request))
    composer = failing(monkeypatch, model, at, FULL)
    assert composer.notice == ""
    assert list(composer.compose(request)) == expected
    assert composer.device == "cpu"
    assert "out of memory" in composer.notice and "CPU" in composer.notice


def test_takes_under_way_together_all_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    model, request = small_model(window=24), Request(seconds=30)
    expected = [list(Composer(model, "small", "cpu").compose(request, take)) for take in range(2)]
    composer = failing(monkeypatch, model, 60, FULL)
    takes = [composer.compose(request, take) for take in range(2)]
    found: list[list[object]] = [[], []]
    for pair in zip_longest(*takes):
        for events, event in zip(found, pair, strict=True):
            events += [event] if event is not None else []
    assert found == expected


def test_a_gpu_that_fails_otherwise_is_left_too(monkeypatch: pytest.MonkeyPatch) -> None:
    composer = failing(monkeypatch, small_model(), 20, RuntimeError("MPS backend: unspecified launch failure"))
    assert list(composer.compose(Request(seconds=20)))
    assert composer.notice == "The GPU failed: composing goes on on the CPU."


def test_a_gpu_too_full_for_the_weights_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(model: Autoencoder, kept: Path | None) -> Callable[[], StepDecoder]:
        raise FULL

    monkeypatch.setitem(composing.DECODERS, "mps", fails)
    composer = Composer(small_model(), "small", "mps")
    assert list(composer.compose(Request(seconds=5)))
    assert composer.device == "cpu"
    assert composer.notice


def test_what_fails_on_the_cpu_too_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    composer = failing(monkeypatch, small_model(), 5, FULL)
    monkeypatch.setitem(composing.DECODERS, "cpu", lambda model, kept: lambda: Failing(model, 5, FULL))
    with pytest.raises(torch.OutOfMemoryError):
        list(composer.compose(Request(seconds=20)))


def test_a_model_without_rotary_positions_is_decoded_by_torch() -> None:
    assert isinstance(gpu_decoders("cpu", small_model("events"), None)(), TorchDecoder)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_it_says_almost_what_torch_says() -> None:
    model = small_model()
    for said, expected in zip(_trial(gpu_decoders("cuda", model, None)()), _trial(TorchDecoder(model)), strict=True):
        assert torch.cosine_similarity(said, expected) > 0.999
