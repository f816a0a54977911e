"""The autoencoder: style vectors, conditions, causality, and models on disk."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from engine.autoencoder import Autoencoder, AutoencoderConfig
from engine.checkpoint import CODECS, codec_named, load_model, save_model
from engine.codec import NoteCodec
from engine.errors import ModelError
from engine.situation import COMING, REACHES, After, coming_keys
from engine.training.event_windows import WINDOWS
from engine.training.windows import WindowConfig, collate
from engine.vocabulary import DURATIONS, GAPS, KEYS, VELOCITY_BINS
from tests.engine.small import made_up_pieces, small_model

STEPS = {"notes": 40, "events": 120}
both = pytest.mark.parametrize("codec", CODECS)
every_combination = pytest.mark.parametrize("combination", ["sum", "concat", "tile"])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return made_up_pieces(tmp_path_factory.mktemp("data"), seconds=40)


@pytest.fixture(scope="module")
def samples(data):
    found = {}
    for codec, steps in STEPS.items():
        config = WindowConfig(steps, None, steps // 2, augment=False, infill=0, neither=0, melody_only=0, style_only=0)
        windows = WINDOWS[codec](data, config, 5)
        every = [windows[index] for index in range(40)]
        found[codec] = [sample for sample in every if len(sample.tokens) == steps][:3]
    return found


def nats(model, batch, has_style=True):
    style = model.style(batch["style"], batch["style_valid"])
    given = torch.full((len(style),), has_style)
    after = batch["after"] if model.config.infills else None
    return model(batch["window"], model.remember(style, given, batch["melody"], after), batch["melody"], after)


def with_music_after(sample, events=10):
    """The same window, of which it is known what follows it."""
    steps = np.arange(events) * 40 + sample.steps[-1]
    return replace(sample, after=(NoteCodec().melody_tokens(steps, 40 + np.arange(events) % 12, steps * 0 + 30), steps))


def without_melody(batch):
    melody, window = batch["melody"], batch["window"]
    return batch | {
        "melody": melody._replace(valid=torch.zeros_like(melody.valid)),
        "window": window._replace(struck=torch.zeros_like(window.struck)),
    }


def shortened(sample, steps):
    """The same window cut short, with less of its melody and of its style."""
    cut = {name: getattr(sample, name)[:steps] for name in ("tokens", "steps", "releases", "struck")}
    many = len(sample.melody[0]) * steps // len(sample.tokens) + 4
    return replace(sample, **cut, melody=tuple(part[:many] for part in sample.melody), style=sample.style[: steps // 2])


@both
@torch.inference_mode()
def test_padding_never_changes_a_style(samples, codec):
    model = small_model(codec)
    alone, long = samples[codec][0].style[:17], samples[codec][1].style
    batch = collate([replace(samples[codec][0], style=style) for style in (alone, long)])
    together = model.style(batch["style"], batch["style_valid"])
    for row, style in enumerate((alone, long)):
        one = model.style(torch.from_numpy(style)[None], torch.ones(1, len(style), dtype=torch.bool))
        torch.testing.assert_close(together[row], one[0], atol=1e-6, rtol=0)


@both
@torch.inference_mode()
def test_what_stands_in_the_padding_never_matters(samples, codec):
    model = small_model(codec)
    batch = collate([shortened(samples[codec][0], STEPS[codec] // 2), samples[codec][1]])
    other = batch["style"].masked_fill(~batch["style_valid"][..., None], 1)
    assert not torch.equal(other, batch["style"])
    vectors = [model.style(tokens, batch["style_valid"]) for tokens in (batch["style"], other)]
    assert torch.equal(vectors[0], vectors[1])


@both
@every_combination
@torch.inference_mode()
def test_padding_never_changes_a_likelihood(samples, codec, combination):
    model = small_model(codec, combination=combination)
    short, long = shortened(samples[codec][0], STEPS[codec] // 2), samples[codec][1]
    together = nats(model, collate([short, long]))
    for row, sample in enumerate((short, long)):
        alone = nats(model, collate([sample]))[0]
        torch.testing.assert_close(together[row, : len(alone)], alone, atol=1e-5, rtol=1e-6)
        assert not together[row, len(alone) :].any()


@both
@every_combination
@torch.inference_mode()
def test_the_conditions_are_heard_and_can_be_left_out(samples, codec, combination):
    model, batch = small_model(codec, combination=combination), collate(samples[codec])
    other_style = batch | {"style": batch["style"].flip(0)}
    melody = batch["melody"]
    other_melody = batch | {"melody": melody._replace(tokens=melody.tokens.flip(1), keys=melody.keys.flip(1))}
    whole = nats(model, batch)
    assert not torch.equal(whole, nats(model, other_style))
    assert not torch.equal(whole, nats(model, other_melody))
    assert torch.equal(nats(model, batch, has_style=False), nats(model, other_style, has_style=False))
    torch.testing.assert_close(nats(model, without_melody(batch)), nats(model, without_melody(other_melody)))
    assert not torch.equal(whole, nats(model, batch, has_style=False))
    assert not torch.equal(whole, nats(model, without_melody(batch)))


@both
@torch.inference_mode()
def test_one_without_a_melody_is_not_disturbed_by_others_with(samples, codec):
    model, batch = small_model(codec), collate(samples[codec])
    valid = batch["melody"].valid.clone()
    valid[0] = False
    struck = batch["window"].struck.clone()
    struck[0] = False
    mixed = batch | {
        "melody": batch["melody"]._replace(valid=valid),
        "window": batch["window"]._replace(struck=struck),
    }
    torch.testing.assert_close(nats(model, mixed)[0], nats(model, without_melody(batch))[0])
    torch.testing.assert_close(nats(model, mixed)[1:], nats(model, batch)[1:])


@both
@pytest.mark.parametrize("known", [1, 7, 30])
@torch.inference_mode()
def test_the_future_changes_no_earlier_likelihood(samples, codec, known):
    """All that comes after step `known` is another window's; up to it, nothing may notice."""
    model, batch = small_model(codec), collate(samples[codec][:1])
    ours, theirs = batch["window"], collate(samples[codec][1:2])["window"]
    length = min(ours.tokens.shape[1], theirs.tokens.shape[1])
    spliced = {
        name: torch.cat([getattr(ours, name)[:, :known], getattr(theirs, name)[:, known:length]], 1)
        for name in ("tokens", "steps", "releases", "struck", "valid")
    }
    changed = nats(model, batch | {"window": ours._replace(**spliced)})
    assert torch.equal(changed[:, :known], nats(model, batch)[:, :known])
    assert not torch.equal(changed[:, known:], nats(model, batch)[:, known:length])


@torch.inference_mode()
def test_the_music_after_a_gap_is_heard_where_it_is_given(samples):
    first, *others = samples["notes"]
    model = small_model("notes", infills=True)
    plain, knows = nats(model, collate([first, *others])), nats(model, collate([with_music_after(first), *others]))
    torch.testing.assert_close(knows[1:], plain[1:])  # those without are not disturbed
    assert not torch.isclose(knows[0], plain[0]).all(0).any()  # each field hears it
    alone = nats(model, collate([with_music_after(first)]))
    torch.testing.assert_close(alone[0], knows[0, : len(first.tokens)])
    batch = collate([with_music_after(first)])
    later = batch["after"]._replace(steps=batch["after"].steps + 50)
    assert not torch.allclose(nats(model, batch | {"after": later}), alone)


@torch.inference_mode()
def test_keys_of_the_music_after_a_gap_come_near():
    notes = torch.tensor([[[0, 40, 0], [0, 44, 0], [0, 40, 0]]])
    after = After(notes, torch.tensor([[100, 120, 300]]), torch.tensor([[True, True, False]]))
    coming = coming_keys(after, torch.tensor([[0, 80, 100, 110, 121]])).view(5, -1, KEYS)
    assert coming[:, 0, 40].tolist() == [0, 0, 1, 0, 0]
    for plane, reach in enumerate(REACHES, 1):
        expected = [math.exp(-wait / reach) for wait in (120, 40, 20, 10)]
        assert coming[:, plane, 44].tolist() == pytest.approx([*expected, 0], abs=4e-3)  # in bf16
    assert coming[4].count_nonzero() == 0  # the first two are over, the third is padding
    assert coming[:, :, [key for key in range(KEYS) if key not in (40, 44)]].count_nonzero() == 0
    assert coming_keys(None, torch.zeros(2, 3)).shape == (2, 3, COMING)


def test_padding_of_the_music_after_a_gap_changes_nothing(samples):
    first, second, _ = samples["notes"]
    model = small_model("notes", infills=True)
    pair = nats(model, collate([with_music_after(first, 10), with_music_after(second, 25)]))
    torch.testing.assert_close(pair[0], nats(model, collate([with_music_after(first, 10)]))[0])


def test_a_model_without_it_knows_no_music_after_a_gap(samples):
    model = small_model("notes")
    assert not any(name == "known" or "rest" in name for name, _ in model.named_parameters())


@both
@torch.inference_mode()
def test_a_forgotten_step_is_not_heard_by_those_after(samples, codec):
    """Another loudness (notes) or another event at step 5 is heard after it, and not where it is forgotten."""
    model, batch = small_model(codec), collate(samples[codec][:1])
    window = batch["window"]
    changed = window.tokens.clone()
    changed[:, 5, {"notes": 2, "events": 0}[codec]] += 3
    forgotten = torch.zeros_like(window.valid)
    for hides in (False, True):
        forgotten[:, 5] = hides
        pair = [window._replace(tokens=tokens, forgotten=forgotten) for tokens in (window.tokens, changed)]
        before, after = (nats(model, batch | {"window": one})[:, 6:] for one in pair)
        assert torch.equal(before, after) == hides


@torch.inference_mode()
def test_a_pedal_or_the_end_has_no_velocity_and_no_duration(samples):
    loss = nats(small_model(), batch := collate(samples["notes"]))
    is_note = batch["window"].tokens[..., 1] < 88
    assert (~is_note).any()
    assert not loss[..., 2:][~is_note].any()
    assert (loss[is_note] > 0).all()


@torch.inference_mode()
def test_a_model_that_knows_nothing_gives_every_value_the_same_chance(samples):
    model = small_model()
    for parameter in model.decoder.head.parameters():
        parameter.zero_()
    batch = collate(samples["notes"])
    loss = nats(model, batch)[batch["window"].tokens[..., 1] < 88]
    sizes = torch.tensor([len(GAPS.first), 92, VELOCITY_BINS, len(DURATIONS.first)])
    torch.testing.assert_close(loss, sizes.log().expand_as(loss))


@both
def test_every_part_learns(samples, codec):
    model = small_model(codec, infills=codec == "notes")
    batch = collate([with_music_after(sample) if codec == "notes" else sample for sample in samples[codec]])
    (nats(model, batch).sum() + nats(model, without_melody(batch), has_style=False).sum()).backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


# Configurations and models on disk


@pytest.mark.parametrize("config", [AutoencoderConfig.default(), AutoencoderConfig.paper()], ids=["default", "paper"])
def test_a_configuration_survives_json(config):
    assert AutoencoderConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_the_papers_configuration_has_the_released_codes_size():
    """40.6 M parameters at six layers; our encoders know relative positions both ways, theirs only the past."""
    with torch.device("meta"):
        model = Autoencoder(AutoencoderConfig.paper(), codec_named("events"))
    ahead = 12 * 8 * 1023 * 64
    assert sum(parameter.numel() for parameter in model.parameters()) - ahead == pytest.approx(40.6e6, rel=0.005)


@both
@torch.inference_mode()
def test_a_saved_model_is_the_same_in_bf16(samples, tmp_path, codec):
    model, batch = small_model(codec), collate(samples[codec])
    save_model(tmp_path, model)
    loaded = load_model(tmp_path)
    assert loaded.config == model.config
    assert loaded.codec.name == codec
    assert not loaded.training
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value.bfloat16().float())
    torch.testing.assert_close(nats(loaded, batch), nats(model, batch), atol=0.1, rtol=0.02)
    assert torch.equal(nats(loaded, batch), nats(load_model(tmp_path), batch))


def changed(**values):
    def change(folder):
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | values))

    return change


def foreign(folder):
    save_file({"some.weight": torch.zeros(3)}, folder / "weights.safetensors")


def another_size(folder):
    config = json.loads((folder / "config.json").read_text())
    config["model"]["decoder_layers"] = 7
    (folder / "config.json").write_text(json.dumps(config))


BREAKS = {
    "no config": lambda folder: (folder / "config.json").unlink(),
    "no weights": lambda folder: (folder / "weights.safetensors").unlink(),
    "a config that is not JSON": lambda folder: (folder / "config.json").write_text("{"),
    "a config that is a list": lambda folder: (folder / "config.json").write_text("[]"),
    "a config without a model": lambda folder: (folder / "config.json").write_text("{}"),
    "a model of another kind": changed(model={"layers": 3}),
    "a codec that is not known": changed(codec={"name": "words", "fingerprint": ""}),
    "a codec with other tokens": changed(codec={"name": "notes", "fingerprint": "0000000000000000"}),
    "weights that are text": lambda folder: (folder / "weights.safetensors").write_text("weights"),
    "weights cut short": lambda folder: (folder / "weights.safetensors").write_bytes(b"\x08"),
    "foreign weights": foreign,
    "another model's weights": lambda folder: (
        save_model(folder / "other", small_model(seed=1))
        or (folder / "other" / "weights.safetensors").replace(folder / "weights.safetensors")
    ),
    "a size that is not the weights'": another_size,
}


@pytest.mark.parametrize("broken", BREAKS)
def test_a_broken_or_foreign_model_is_refused_in_one_sentence(tmp_path, broken):
    save_model(tmp_path, small_model())
    BREAKS[broken](tmp_path)
    with pytest.raises(ModelError) as caught:
        load_model(tmp_path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_a_model_that_is_not_there_says_so(tmp_path):
    with pytest.raises(ModelError, match="There is no model"):
        load_model(tmp_path / "nowhere")
