"""The decoder of ONNX Runtime: it says what torch says, goes on over windows, and is made again where a file is bad."""

import os
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from engine import onnx_decoder, step_graph
from engine.autoencoder import Autoencoder
from engine.composer import Composer, Request
from engine.decoding import MelodyNote, NoteWriter, Step, steps_of
from engine.event_decoding import EventWriter
from engine.kept_graphs import KEPT, cache_folder
from engine.onnx_decoder import OnnxDecoder, onnx_decoders, sessions
from engine.performance import Note, Performance
from engine.sampling import SamplingOptions
from engine.torch_decoder import StepDecoder, TorchDecoder
from tests.engine.small import ROTARY, made_up, small_model

if find_spec("onnxruntime") is None or find_spec("onnx") is None:
    pytest.skip("onnxruntime and onnx are not installed", allow_module_level=True)

ROOT = Path(__file__).parents[2]
TUNE = [MelodyNote(80 * i + 7, 80 * i + 80, 50 + i * 5 % 12) for i in range(150)]
STYLE = torch.randn(1, 64, generator=torch.Generator().manual_seed(9))
GREEDY = {"temperature": 0.0, "top_p": 1.0}
EVENTS = {"style_throughout": True, "combination": "concat"}


def rotary_model(codec: str = "notes", **changes: object) -> Autoencoder:
    """Small, of the default's kind: heads of the least width the graphs can have."""
    return small_model(codec, block=replace(ROTARY, width=64), **changes)


def decoder(model: Autoencoder, is_quantised: bool = False) -> OnnxDecoder:
    return OnnxDecoder(model, sessions(model, None, is_quantised))


def take(made: StepDecoder, steps: int, melody: list[MelodyNote] | None = None, **options: float) -> list[Step]:
    """The first steps of a long take."""
    write = NoteWriter if made.model.codec.name == "notes" else EventWriter
    given = {"melody": TUNE if melody is None else melody, "length": 20000, "seed": 3, "keep": write is NoteWriter}
    return list(islice(write(made, STYLE, options=SamplingOptions(**options), **given).write(), steps))


# What torch says


@pytest.mark.parametrize("melody", [TUNE, []], ids=["with a melody", "without"])
def test_greedy_steps_are_those_of_torch_over_many_windows(melody: list[MelodyNote]) -> None:
    model = rotary_model(window=64)
    made, reference = decoder(model), TorchDecoder(model)
    steps = take(made, 512, melody, **GREEDY)
    assert len(steps) == 512
    assert steps == take(reference, 512, melody, **GREEDY)
    torch.testing.assert_close(made.state, reference.state, atol=1e-5, rtol=0)


@pytest.mark.parametrize("is_melody_strong", [False, True])
def test_rows_of_guidance_are_those_of_torch(is_melody_strong: bool) -> None:
    model = rotary_model(window=48)
    strengths = {"style_strength": 2.0} | ({"melody_strength": 1.5} if is_melody_strong else {})
    made, reference = decoder(model), TorchDecoder(model)
    assert take(made, 120, **strengths) == take(reference, 120, **strengths)
    assert len(made.state) == 2 + is_melody_strong
    torch.testing.assert_close(made.state, reference.state, atol=1e-5, rtol=0)


def test_what_follows_a_gap_is_heard_as_torch_hears_it() -> None:
    model = rotary_model(window=64, infills=True)
    piece = steps_of(made_up(0, 20))
    given = {"steps": piece[:80], "begin": 900, "length": 1500, "after": [step for step in piece if step.at >= 1500]}
    written = [
        list(NoteWriter(made, STYLE, [], options=SamplingOptions(**GREEDY), seed=3, **copied(given)).write())
        for made in (decoder(model), TorchDecoder(model))
    ]
    assert written[0] == written[1] != []


def copied(given: dict[str, Any]) -> dict[str, Any]:
    return given | {"steps": list(given["steps"])}


@pytest.mark.parametrize("combination", ["concat", "tile"])
def test_other_ways_to_combine_the_conditions_are_those_of_torch(combination: str) -> None:
    model = rotary_model(window=48, combination=combination, style_throughout=False)
    strengths = {"melody_strength": 1.5}
    assert take(decoder(model), 80, **strengths) == take(TorchDecoder(model), 80, **strengths)


@pytest.mark.parametrize("strengths", [{}, {"melody_strength": 1.5}], ids=["one row", "two"])
def test_events_with_rotary_positions_are_those_of_torch(strengths: dict[str, float]) -> None:
    model = rotary_model("events", window=96, **EVENTS)
    assert take(decoder(model), 80, **strengths) == take(TorchDecoder(model), 80, **strengths)


@pytest.mark.parametrize("codec", ["notes", "events"])
def test_products_of_8_bits_say_almost_what_torch_says(codec: str) -> None:
    model = rotary_model(codec, **(EVENTS if codec == "events" else {}))
    said, expected = onnx_decoder._trial(decoder(model, is_quantised=True)), onnx_decoder._trial(TorchDecoder(model))
    assert len(said) == len(model.codec.fields)
    for one, other in zip(said, expected, strict=True):
        assert torch.cosine_similarity(one, other) > 0.999


def test_a_seed_repeats_bit_for_bit() -> None:
    model = rotary_model(window=48)
    made = decoder(model, is_quantised=True)
    first, state = take(made, 150), made.state.clone()
    again = decoder(model, is_quantised=True)
    assert take(again, 150) == first
    assert torch.equal(again.state, state)


def test_a_decoder_has_no_part_in_another_that_is_under_way() -> None:
    model = rotary_model(window=48)
    ready = sessions(model, None)
    alone = take(OnnxDecoder(model, ready), 60)
    writers = [
        NoteWriter(OnnxDecoder(model, ready), STYLE, TUNE, 12000, SamplingOptions(), seed).write() for seed in (3, 4)
    ]
    assert [step for step, _ in islice(zip(*writers, strict=False), 60)] == alone


# Where there are no graphs


def test_without_onnxruntime_torch_decodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert isinstance(onnx_decoders(rotary_model(), None)(), TorchDecoder)


@pytest.mark.parametrize("model", ["relative", "narrow heads"])
def test_for_other_kinds_of_attention_torch_decodes(model: str) -> None:
    chosen = small_model("events") if model == "relative" else small_model()
    assert isinstance(onnx_decoders(chosen, None)(), TorchDecoder)


def test_graphs_that_do_not_say_what_torch_says_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    build = step_graph.build
    monkeypatch.setattr(step_graph, "build", lambda model, *rest: build(rotary_model(seed=1), *rest))
    assert isinstance(onnx_decoders(rotary_model(), None)(), TorchDecoder)


def test_each_device_has_its_decoder_and_a_composer_uses_it() -> None:
    model = rotary_model()
    composer = Composer(model, "small", "cpu")
    assert isinstance(composer.make_decoder(), OnnxDecoder)
    tune = Performance.of(Note(i / 2, i / 2 + 0.4, 60 + i, 80) for i in range(6))
    request = Request(style=composer.style(made_up(0)), melody=tune, style_strength=1.5, seed=4)
    assert list(composer.compose(request)) == list(composer.compose(request))


def test_onnxruntime_leaves_no_number_of_the_machine_and_no_reports(tmp_path: Path) -> None:
    """Since 1.29 it keeps both in the cache folder, and sends them, unless told before it is loaded."""
    code = "from engine.onnx_decoder import quiet_onnxruntime; quiet_onnxruntime().SessionOptions()"
    kept = {name: value for name, value in os.environ.items() if name not in ("CI", "ORT_DISABLE_TELEMETRY")}
    places = {name: str(tmp_path) for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    subprocess.run([sys.executable, "-c", code], env=kept | places, cwd=ROOT, check=True)
    assert not list(tmp_path.iterdir())


# The files


def made_from_a_file(model: Autoencoder, folder: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether nothing had to be built."""
    built: list[bool] = []
    build = step_graph.build
    with monkeypatch.context() as patch:
        patch.setattr(step_graph, "build", lambda *given: built.append(True) or build(*given))
        assert isinstance(onnx_decoders(model, folder)(), OnnxDecoder)
    return not built


def test_graphs_are_made_once_for_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, other = rotary_model(), rotary_model(seed=1)
    assert [made_from_a_file(each, tmp_path / "new", monkeypatch) for each in (model, model, other, model)] == [
        False,
        True,
        False,
        True,
    ]


@pytest.mark.parametrize("damage", ["cut", "changed", "emptied", "another's", "a folder"])
def test_a_file_that_is_not_what_was_written_is_made_again(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = rotary_model()
    onnx_decoders(model, tmp_path)
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    if damage == "another's":
        onnx_decoders(rotary_model(seed=1), tmp_path / "other")
        next((tmp_path / "other").iterdir()).replace(file)
    elif damage == "a folder":
        file.unlink()
        file.mkdir()
    else:
        middle = len(content) // 2
        changed = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        file.write_bytes({"cut": content[:middle], "changed": changed, "emptied": b""}[damage])
    assert not made_from_a_file(model, tmp_path, monkeypatch)
    assert damage == "a folder" or file.read_bytes() == content


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "taken").write_text("a file")
    assert not made_from_a_file(rotary_model(), tmp_path / "taken", monkeypatch)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_the_folder_keeps_a_few_models(tmp_path: Path) -> None:
    for seed in range(KEPT + 2):
        onnx_decoders(rotary_model(seed=seed), tmp_path)
    assert len(list(tmp_path.iterdir())) == KEPT


def test_the_folder_is_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "hommage"
