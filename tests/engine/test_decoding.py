"""Writing takes: as the model was trained to hear them, the melody kept, windows, seeds, lengths, cancelling."""

from itertools import islice, pairwise

import numpy as np
import pytest
import torch

from engine.autoencoder import Window
from engine.codec import NoteCodec, one_voice_a_key
from engine.composer import Composer, Request
from engine.decoding import AFTER, BREATH, PART, MelodyNote, NoteWriter, Step, steps_of, tokens_of
from engine.errors import RequestError
from engine.event_codec import EventCodec
from engine.event_decoding import EventWriter
from engine.performance import LOWEST, Note, Pedal, Performance
from engine.sampling import SamplingOptions
from engine.situation import After, Melody
from engine.torch_decoder import TorchDecoder
from engine.vocabulary import EOS, GAPS, KEYS, MAX_GAP, MELODY, NOTE_OFF, NOTE_ON, PEDAL_DOWN, PEDAL_UP, RANK, VELOCITY
from tests.engine.small import made_up, small_model

TUNE = [MelodyNote(40 * i + 7, 40 * i + 40, 50 + i * 5 % 12) for i in range(40)]
STYLE = torch.randn(1, 32, generator=torch.Generator().manual_seed(9))
GAP, PITCH, VELOCITY_FIELD, DURATION = range(4)


def writer(model=None, melody=TUNE, length=1600, seed=3, **options):
    """A writer of notes. Options: of the sampling, or keep, style, begin and after."""
    own = {name: options.pop(name) for name in ("keep", "style", "begin", "after") if name in options}
    given = {"style": STYLE, "keep": True} | own
    decoder = TorchDecoder(model or small_model())
    return NoteWriter(decoder, melody=melody, length=length, seed=seed, options=SamplingOptions(**options), **given)


def event_writer(model=None, melody=(), length=1200, seed=3, style=STYLE, **options):
    decoder = TorchDecoder(model or small_model("events"))
    return EventWriter(decoder, style, list(melody), length, SamplingOptions(**options), seed)


class Recorded(TorchDecoder):
    """Keeps (field, log probabilities) of each answer. With `brief`, all notes last the shortest time, so that no held
    key is struck again (training shortens the earlier note)."""

    def __init__(self, model, brief=True):
        super().__init__(model)
        self.found: list[tuple[int, torch.Tensor]] = []
        self.brief = brief

    def _logits(self, index):
        scores = super()._logits(index)
        self.found.append((index, torch.log_softmax(scores[0], -1)))
        if self.brief and index == DURATION:
            scores[:, 1:] = float("-inf")
        return scores


def recorded(model, melody=TUNE, length=1600, **options) -> NoteWriter:
    """A writer of brief notes whose decoder keeps its answers."""
    return NoteWriter(Recorded(model), STYLE, melody, length, SamplingOptions(), **options)


def as_trained(
    take: NoteWriter, steps: list[Step], melody: list[MelodyNote], pedal: bool = False, after=()
) -> torch.Tensor:
    """Nats of each field of the steps, by the training's forward pass. (steps, 4)"""
    at = np.array([step.at for step in steps])
    gaps = [0] + [int(GAPS.table[min(b - a, MAX_GAP)]) for a, b in pairwise(at.tolist())]
    rows = [[gap, s.symbol, s.velocity, s.duration] for gap, s in zip(gaps, steps, strict=True)]
    releases = at + one_voice_a_key(at, np.array(rows)[:, 1], np.array([step.release for step in steps]) - at)
    window = Window(
        tokens=torch.tensor([rows]),
        valid=torch.ones(1, len(steps), dtype=torch.bool),
        steps=torch.from_numpy(at)[None],
        releases=torch.from_numpy(releases)[None],
        struck=torch.tensor([[step.is_melody for step in steps]]),
        pedal=torch.tensor([pedal]),
    )
    notes = np.array(melody or [(0, 1, 0)])
    columns = [torch.from_numpy(column)[None] for column in (notes[:, 0], notes[:, 1], notes[:, 2])]
    model = take.decoder.model
    tokens = torch.from_numpy(model.codec.melody_tokens(notes[:, 0], notes[:, 2], notes[:, 1] - notes[:, 0]))[None]
    given = Melody(tokens, *columns, torch.full((1, len(notes)), bool(melody)))
    with torch.inference_mode():
        known = None
        if after:
            notes = np.array([(step.at, step.symbol, step.release - step.at) for step in after if step.symbol < KEYS])
            begins = torch.from_numpy(notes[:AFTER, 0])[None]
            known = After(torch.from_numpy(model.codec.melody_tokens(*notes[:AFTER].T))[None], begins, begins >= 0)
        memory = model.remember(STYLE, torch.tensor([True]), given, known)
        return model(window, memory, given, known)[0]


def nats_as_written(answers, steps, first=0):
    """(as written, step, field) of every free choice from step `first` on, in the order they were made."""
    following = iter(answers)
    for number, step in enumerate(steps[first:], first):
        gap = step.at - steps[number - 1].at if number else 0
        chosen = {GAP: int(GAPS.table[min(gap, MAX_GAP)]), PITCH: MELODY if step.is_melody else step.symbol}
        if step.symbol < KEYS:
            chosen |= {VELOCITY_FIELD: step.velocity, DURATION: step.duration}
        for field, value in chosen.items():
            found, scores = next(following)
            assert found == field
            if not (step.was_forced and field in (GAP, PITCH)) and (number or field != GAP):
                yield -scores[value].item(), number, field


@pytest.mark.parametrize("melody", [TUNE, []], ids=["with a melody", "without"])
@pytest.mark.parametrize("seed", [3, 4])
def test_step_by_step_is_as_trained(melody, seed):
    take = recorded(small_model(window=400), melody, seed=seed)
    steps = list(take.write())
    assert len(steps) > 10
    trained = as_trained(take, steps, melody)
    for nats, number, field in nats_as_written(take.decoder.found, steps):
        assert nats == pytest.approx(trained[number, field].item(), abs=1e-5)


def test_a_window_read_again_goes_on_as_it_was_written():
    """Reading all steps at once gives the state that writing them one by one gave."""
    take = writer(small_model(window=400))
    list(islice(take.write(), 40))
    state, due, pedal = take.decoder.state, take.next_note, take.pedal
    take.open_window(0)
    torch.testing.assert_close(take.decoder.state, state, atol=1e-5, rtol=0)
    assert (take.next_note, take.pedal) == (due, pedal)


@pytest.mark.parametrize("keep", [True, False])
def test_a_take_longer_than_the_window_goes_on(keep):
    take = writer(small_model(window=16), keep=keep, length=6000)
    steps = list(take.write())
    assert len(steps) > 32
    assert take.first > 16
    assert all(a.at <= b.at for a, b in pairwise(steps))
    assert take.struck == sorted(set(take.struck))


def test_a_prompt_longer_than_the_window_is_heard_from_its_last_half_window_on():
    prompt = [Step(9 * i, 9 * i + 20, 30 + i * 7 % 40, 20, 20, is_melody=False) for i in range(200)]
    long, short = (
        NoteWriter(TorchDecoder(small_model(window=48)), STYLE, [], 6000, SamplingOptions(), 3, steps=steps)
        for steps in (list(prompt), prompt[-24:])
    )
    assert long.first == 200 - 24
    assert [step for step, _ in zip(long.write(), range(30), strict=False)] == list(islice(short.write(), 30))


def test_a_new_window_goes_on_as_trained():
    """Steps 24 to 35 are written in the window of steps 12 to 35, which knows nothing of what was before."""
    take = recorded(small_model(window=24), seed=3)
    steps = list(islice(take.write(), 36))
    begin, struck_before = steps[12].at, sum(step.is_melody for step in steps[:12])
    window = [step._replace(at=step.at - begin, release=step.release - begin) for step in steps[12:]]
    melody = [MelodyNote(step - begin, end - begin, key) for step, end, key in TUNE[struck_before:]]
    moves = [step.symbol for step in steps[:12] if step.symbol >= KEYS]
    trained = as_trained(take, window, melody, pedal=moves[-1:] == [PEDAL_DOWN])
    compared = 0
    for nats, number, field in nats_as_written(take.decoder.found, steps):
        if number >= 24:
            assert nats == pytest.approx(trained[number - 12, field].item(), abs=1e-5)
            compared += 1
    assert compared > 24


def test_reading_a_long_window_can_be_ended_within():
    """The window is read in parts; before each one may stop."""
    prompt = [Step(9 * i, 9 * i + 20, 30 + i * 7 % 40, 20, 20, is_melody=False) for i in range(400)]
    left = 3

    def pause():
        nonlocal left
        left -= 1
        if left < 0:
            raise InterruptedError

    model = small_model(window=2 * 4 * PART)
    given = {"decoder": TorchDecoder(model), "style": STYLE, "melody": [], "length": 6000, "options": SamplingOptions()}
    with pytest.raises(InterruptedError):
        NoteWriter(**given, seed=3, steps=list(prompt[: 4 * PART]), pause=pause)
    assert given["decoder"].cache.length == 3 * PART + 1  # the beginning and three of four parts
    left = 8
    NoteWriter(**given, seed=3, steps=list(prompt[: 4 * PART]), pause=pause)
    assert left == 4


# Within a piece


def piece_with_a_gap(has_melody):
    """A writer of what is missing of a piece of brief notes between 3 and 6 s: (it, steps before, steps after)."""
    piece = [step._replace(release=step.at + 1, duration=0) for step in steps_of(made_up(0, 9))]
    before, after = ([step for step in piece if is_there(step.at)] for is_there in ((300).__gt__, (600).__le__))
    melody = [note for note in TUNE if has_melody and 300 <= note.step < 600]
    model = small_model(window=400, infills=True)
    take = recorded(model, melody, seed=9, steps=list(before), begin=300, length=600, after=after)
    return take, before, after


@pytest.mark.parametrize("has_melody", [True, False])
def test_within_a_gap_it_writes_as_trained(has_melody):
    take, before, after = piece_with_a_gap(has_melody)
    take.decoder.found.clear()
    take.open_window(0)
    list(take.write())
    trained = as_trained(take, take.steps, take.melody, after=after)
    pairs = [
        (nats, trained[number, field].item())
        for nats, number, field in nats_as_written(take.decoder.found, take.steps, len(before))
    ]
    assert len(pairs) >= 8
    assert [nats for nats, _ in pairs] == pytest.approx([nats for _, nats in pairs], abs=1e-4)


def test_within_a_gap_nothing_else_is_touched():
    take, before, _ = piece_with_a_gap(has_melody=True)
    written = list(take.write())
    assert take.steps == before + written
    assert min(step.at for step in written) >= 300
    assert max(step.at for step in written) < 600
    assert [step.symbol for step in written if step.is_melody] == [note.key for note in take.melody]


def test_what_follows_is_heard_only_by_a_model_that_infills():
    after = [Step(700, 760, 40, 20, 30, False), Step(740, 800, 44, 20, 30, False)]
    for infills in (True, False):
        model = small_model(infills=infills)
        knows, plain = (list(writer(model, [], 600, after=given).write()) for given in (after, ()))
        assert (knows != plain) == infills


def test_a_gap_at_the_beginning_is_written_from_its_begin_on():
    after = [Step(900, 960, 40, 20, 30, False)]
    written = list(writer(small_model(infills=True), [], 900, begin=300, after=after).write())
    assert len(written) > 2
    assert written[0].at >= 300 and written[-1].at < 900


def test_a_performance_as_steps_is_what_the_codec_says():
    performance = made_up(0, 10)
    steps = steps_of(performance)
    rows = NoteCodec().encode(performance)
    assert tokens_of(steps, steps[0].at)[1:] == rows[1:-1].tolist()  # but for the end
    heard = [(step.event().start, step.symbol) for step in steps if step.symbol < KEYS]
    assert heard == [
        (pytest.approx(note.start, abs=0.006), note.pitch - LOWEST)
        for note in sorted(performance.notes, key=lambda note: (round(note.start * 100), -note.pitch))
    ]


# The melody


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("window", [24, 400])
def test_keep_strikes_every_melody_note_within_a_breath(seed, window):
    take = writer(small_model(window=window, seed=seed), seed=seed)
    struck = [step for step in take.write() if step.is_melody]
    assert [step.symbol for step in struck] == [note.key for note in TUNE]
    assert max(abs(step.at - note.step) for step, note in zip(struck, TUNE, strict=True)) <= BREATH


def test_keep_strikes_a_melody_note_at_the_very_end():
    late = [MelodyNote(0, 50, 40), MelodyNote(298, 300, 45)]
    for seed in range(8):
        struck = [step for step in writer(melody=late, length=300, seed=seed).write() if step.is_melody]
        assert [step.symbol for step in struck] == [40, 45]
        assert struck[-1].at < 300


def test_keep_bridges_a_long_rest_of_the_melody():
    far = [MelodyNote(0, 50, 40), MelodyNote(6500, 6550, 45)]
    model = small_model()
    model.decoder.head[0].weight.data.zero_()  # gaps of all lengths
    struck = [step for step in writer(model, far, 6600).write() if step.is_melody]
    assert [step.symbol for step in struck] == [40, 45]
    assert abs(struck[1].at - 6500) <= BREATH


def test_guide_forces_nothing():
    steps = list(writer(keep=False).write())
    assert not any(step.was_forced for step in steps)
    missed = len(TUNE) - sum(step.is_melody for step in steps)
    assert missed > 0  # a random model hardly plays it


def test_a_melody_note_passed_over_is_not_waited_for():
    take = writer(keep=False)
    list(take.write())
    assert take.next_note > len(take.struck)


def test_a_take_in_keep_has_the_chord_order_and_pedal_order_of_training():
    for seed in range(4):
        steps = list(writer(small_model(seed=seed), seed=seed).write())
        for a, b in pairwise(steps):
            if a.at == b.at:
                assert RANK[a.symbol] < RANK[b.symbol]
        moves = [step.symbol for step in steps if step.symbol >= KEYS]
        assert moves == [PEDAL_DOWN, PEDAL_UP] * (len(moves) // 2) + [PEDAL_DOWN] * (len(moves) % 2)


# Seeds, lengths, strengths, cancelling; both codecs


WRITERS = {"notes": writer, "events": event_writer}
both = pytest.mark.parametrize("write", WRITERS.values(), ids=list(WRITERS))


@both
def test_a_seed_repeats_and_another_differs(write):
    first, same, other = (list(write(seed=seed).write()) for seed in (1, 1, 2))
    assert first == same
    assert first != other


@both
@pytest.mark.parametrize("length", [100, 333, 1000])
def test_nothing_begins_beyond_the_length(write, length):
    steps = list(write(melody=[], length=length).write())
    assert steps
    assert all(0 <= step.at < length for step in steps)


@both
def test_pulling_no_more_writes_no_more(write):
    take = write()
    some = list(islice(take.write(), 5))
    assert take.steps == some


@both
@pytest.mark.parametrize(
    "strengths", [{"style_strength": 2.0}, {"melody_strength": 2.0}, {"style_strength": 0.0, "melody_strength": 3.0}]
)
def test_strengths_change_what_is_written(write, strengths):
    melody = {} if write is writer else {"melody": TUNE}
    plain, pulled = list(write(**melody).write()), list(write(**melody, **strengths).write())
    assert plain != pulled


@both
def test_a_strength_of_one_leaves_out_nothing(write):
    assert len(write(melody=TUNE).given) == 1
    assert len(write(melody=TUNE, style_strength=2.0, melody_strength=2.0).given) == 3
    assert len(write(melody=[], style=None, style_strength=2.0, melody_strength=2.0).given) == 1


@both
def test_rows_of_a_strength_are_those_of_a_take_without_the_condition(write):
    """The row without style is what a take without style would hear; likewise without melody."""
    rows = write(melody=TUNE, style_strength=2.0, melody_strength=2.0).decoder.state
    for row, given in enumerate(({}, {"style": None}, {"melody": []})):
        alone = write(**{"melody": TUNE} | given).decoder.state[0]
        torch.testing.assert_close(rows[row], alone, atol=1e-5, rtol=0)


# Events


def events_of(take: EventWriter) -> list[int]:
    """Every event the writer chooses, with the take written to its end."""
    events: list[int] = []
    choose = take.choose

    def record():
        events.append(token := choose())
        return token

    take.choose = record
    list(take.write())
    return events[:-1]


def test_event_by_event_is_as_trained():
    decoder = Recorded(small_model("events", window=400), brief=False)
    take = EventWriter(decoder, STYLE, TUNE, 900, SamplingOptions(), seed=3)
    events = events_of(take)
    assert len(events) > 60
    with torch.inference_mode():
        tokens = torch.tensor(events)[None, :, None]
        empty = torch.zeros(1, len(events))
        valid = torch.ones(1, len(events), dtype=torch.bool)
        window = Window(tokens, valid, empty.long(), empty.long(), empty.bool(), torch.tensor([False]))
        trained = decoder.model(window, decoder.memory, take._melody())[0, :, 0]
    written = torch.stack([-scores[event] for (_, scores), event in zip(decoder.found, events, strict=False)])
    torch.testing.assert_close(written, trained, atol=1e-5, rtol=0)


def test_the_take_is_what_its_events_say():
    take = event_writer(small_model("events", window=4000), length=600)
    events = events_of(take)
    on_held_keys = [note for note in take.steps if note.release == 600]
    decoded = EventCodec().decode(np.array(events))
    starts = sorted((step.at, step.symbol) for step in take.steps)
    assert starts == sorted((round(note.start * 100), note.pitch - LOWEST) for note in decoded.notes) or on_held_keys


def test_notes_come_as_they_end_and_none_hangs_or_sounds_twice():
    for seed in range(3):
        steps = list(event_writer(seed=seed, length=3000).write())
        assert all(a.release <= b.release for a, b in pairwise(steps))
        assert all(step.at < step.release <= min(step.at + 2100, 3000) for step in steps)
        by_key = sorted(steps, key=lambda step: (step.symbol, step.at))
        assert all(a.release <= b.at for a, b in pairwise(by_key) if a.symbol == b.symbol)
        assert all(isinstance(step.event(), Note) for step in steps)


def test_events_that_the_tokens_do_not_allow_are_not_drawn():
    events = events_of(event_writer(small_model("events", window=4000)))
    velocity, down = None, set()
    for event, following in pairwise(events):
        if event >= VELOCITY:
            assert event != velocity and NOTE_ON <= following < NOTE_OFF
            velocity = event
        elif NOTE_ON <= event < NOTE_OFF:
            down.add(event - NOTE_ON)
        elif NOTE_OFF <= event < NOTE_OFF + KEYS:
            assert event - NOTE_OFF in down
            down.remove(event - NOTE_OFF)
        assert event > EOS


@pytest.mark.parametrize("window", [16, 48, 96])
def test_a_take_of_events_longer_than_the_window_goes_on(window):
    take = event_writer(small_model("events", window=window), melody=TUNE, length=1600)
    steps = list(take.write())
    assert len(steps) > window / 2
    assert take.origin > 0
    assert len(take.context) < window


def test_a_new_window_of_events_has_the_notes_that_sound_and_the_time_that_passed():
    take = event_writer(small_model("events", window=4000), length=3000)
    list(islice(take.write(), 60))
    onsets = sorted(step.at for step in take.steps)
    origin = onsets[len(onsets) // 2]
    take.open_window(origin)
    heard = EventCodec().decode(np.array(take.context))
    notes = [*(step for step in take.steps if step.release > origin), *take.sounding.values()]
    expected = {(max(step.at, origin) - origin, step.symbol + LOWEST) for step in notes if step.at < take.now}
    assert {(round(note.start * 100), note.pitch) for note in heard.notes} == expected
    assert heard.seconds == pytest.approx((take.now - origin) / 100) or not take.sounding


def test_a_melody_cannot_be_kept_by_a_model_of_events():
    with pytest.raises(RequestError, match="guide"):
        EventWriter(TorchDecoder(small_model("events")), STYLE, TUNE, 1000, SamplingOptions(), 0, keep=True)


# The composer, with either codec


@pytest.mark.parametrize(("codec", "mode"), [("notes", "keep"), ("notes", "guide"), ("events", "guide")])
def test_a_composer_composes_with_either_codec(codec, mode):
    composer = Composer(small_model(codec), "small", "cpu")
    style = composer.style(made_up(0), made_up(1), weights=[1, 3])
    melody = Performance.of(Note(i / 2, i / 2 + 0.4, 60 + i, 80) for i in range(6))
    events = list(composer.compose(Request(style=style, melody=melody, melody_mode=mode, seed=5)))
    notes = [event for event in events if isinstance(event, Note)]
    assert len(notes) > 3
    assert all(isinstance(event, Note | Pedal) for event in events)
    assert all(21 <= note.pitch <= 108 and 1 <= note.velocity <= 127 and note.end > note.start for note in notes)
    assert composer.compose(Request(seed=3, seconds=2.0), take=1) is not None


@pytest.mark.parametrize("codec", ["notes", "events"])
@torch.inference_mode()
def test_a_style_is_the_mean_of_its_windows_by_length(codec):
    composer = Composer(small_model(codec), "small", "cpu")
    performance = made_up(0, seconds=120)
    windows = composer.model.codec.windows(performance, {"notes": 256, "events": 1024}[codec])
    assert len(windows) > 2
    total = sum(
        len(window) * composer.model.style(torch.from_numpy(window)[None], torch.ones(1, len(window)).bool())[0]
        for window in windows
    )
    expected = total / sum(map(len, windows))
    np.testing.assert_allclose(composer.style(performance), expected.numpy(), atol=1e-5)


def test_a_take_of_notes_repeats_bit_for_bit_through_the_composer():
    composer = Composer(small_model(), "small", "cpu")
    request = Request(style=composer.style(made_up(0)), seconds=5, seed=7)
    assert list(composer.compose(request)) == list(composer.compose(request))
    assert list(composer.compose(request, take=1)) == list(
        composer.compose(Request(style=request.style, seconds=5, seed=8))
    )
