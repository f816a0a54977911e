"""Exact likelihoods: what is counted, in bins and in notes, and the same music for both codecs."""

import math

import pytest
import torch

from engine.autoencoder import Window
from engine.checkpoint import CODECS
from engine.codec import NoteCodec
from engine.training.dataset import Dataset
from engine.training.event_windows import EventWindows
from engine.training.likelihood import (
    CONDITIONINGS,
    compare_codecs,
    likelihoods,
    naming,
    notes_struck,
    validation_batches,
)
from engine.training.windows import WindowConfig
from engine.vocabulary import DURATIONS, EVENT_FIELDS, GAPS, KEYS, NOTE_FIELDS, NOTE_OFF, PEDAL_UP
from tests.engine.small import made_up_data, small_model

WINDOWS = {"notes": WindowConfig(steps=32, style_steps=16), "events": WindowConfig(steps=128, style_steps=64)}
both = pytest.mark.parametrize("codec", CODECS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return made_up_data(tmp_path_factory.mktemp("data"))


def batches(folder, codec, count=6):
    return validation_batches(Dataset(folder, "validation"), WINDOWS[codec], count, 3, codec)


def knows_nothing(codec):
    """A model to which every value of every field is as likely."""
    model = small_model(codec)
    for parameter in model.decoder.head.parameters():
        parameter.data.zero_()
    return model


@both
def test_the_notes_of_a_window_are_counted(folder, codec):
    model = small_model(codec)
    for batch in batches(folder, codec):
        window = batch["window"]
        values = window.tokens[..., 1 if codec == "notes" else 0]
        expected = (values < KEYS) if codec == "notes" else (values >= 2) & (values < NOTE_OFF)
        assert torch.equal(notes_struck(model.codec, window), expected & window.valid)


def test_a_bin_of_several_steps_costs_the_nats_to_name_one():
    codec = NoteCodec()
    long_gap, long_duration = int(GAPS.table[500]), int(DURATIONS.table[1500])
    first, second = [0, 40, 3, 5], [long_gap, 40, 3, long_duration]
    pedal, padding = [long_gap, PEDAL_UP, 0, 0], [long_gap, 1, 1, 1]
    tokens, valid = torch.tensor([[first, second, pedal, padding]]), torch.tensor([[True, True, True, False]])
    none = torch.zeros(1, 4, dtype=torch.long)
    window = Window(tokens, valid, none, none, none.bool(), torch.tensor([False]))
    nats = naming(codec, window)[0]
    of_gap, of_duration = (math.log(b.after[i] - b.first[i]) for b, i in ((GAPS, long_gap), (DURATIONS, long_duration)))
    expected = torch.tensor([[0, 0, 0, 0], [of_gap, 0, 0, of_duration], [of_gap, 0, 0, 0], [0, 0, 0, 0]])
    torch.testing.assert_close(nats, expected)


@both
def test_a_model_that_knows_nothing_needs_the_nats_of_a_blind_choice(folder, codec):
    found = likelihoods(knows_nothing(codec), batches(folder, codec))
    assert set(found) == set(CONDITIONINGS)
    steps = notes = 0
    for batch in batches(folder, codec):
        steps += int(batch["window"].valid.sum())
        notes += int(notes_struck(small_model(codec).codec, batch["window"]).sum())
    blind = math.log(EVENT_FIELDS[0].size) * steps / notes
    if codec == "notes":
        gap, pitch, velocity, duration = (math.log(field.size) for field in NOTE_FIELDS)
        blind = (gap + pitch) * steps / notes + velocity + duration  # no bin here is wider than a step
    for likelihood in found.values():
        assert likelihood.a_note == pytest.approx(blind, rel=1e-4)


@both
def test_a_second_costs_its_notes(folder, codec):
    found = likelihoods(small_model(codec), batches(folder, codec))["none"]
    notes_a_second = found.a_second / found.a_note
    assert notes_a_second == pytest.approx(6, rel=0.2)  # the made-up music has six notes a second


@both
def test_the_conditions_make_a_difference(folder, codec):
    found = likelihoods(small_model(codec), batches(folder, codec))
    assert len({round(likelihood.a_note, 6) for likelihood in found.values()}) == 4


def test_validation_hears_the_same_music_in_both_codecs(folder):
    counts = {codec: [] for codec in CODECS}
    for codec, found in counts.items():
        for batch in batches(folder, codec):
            found += notes_struck(small_model(codec).codec, batch["window"]).sum(1).tolist()
    assert counts["events"] == pytest.approx(counts["notes"], abs=3)


def test_validation_windows_of_events_are_not_cut_by_the_training_length(folder):
    longest = max(batch["window"].tokens.shape[1] for batch in batches(folder, "events", 12))
    training = EventWindows(Dataset(folder, "train"), WINDOWS["events"], 1)
    assert max(len(training[index].tokens) for index in range(12)) == 128
    assert longest != 128


def test_models_are_compared_on_the_same_music(folder):
    models = {"ours": small_model("notes"), "paper's": small_model("events")}
    table = compare_codecs(models, Dataset(folder, "validation"), rows=32, count=4, batch=2)
    seconds = [found["none"].a_second / found["none"].a_note for found in table.values()]
    assert seconds[0] == pytest.approx(seconds[1], rel=0.1)
