"""The sound of the piano, measured: pitch, loudness, brightness, pedals, clicks, polyphony."""

import numpy as np
import pytest

from engine.playback.mixer import KNEE, POLYPHONY, RATE, Mixer, _limit
from engine.playback.piano import _pool
from engine.playback.room import Room

ON, OFF, CONTROL = 0x90, 0x80, 0xB0
SUSTAIN, SOSTENUTO, SOFT, ALL_SOUND_OFF = 64, 66, 67, 120
A4 = 69


@pytest.fixture
def piano():
    """Without its room, so that silence is silence."""
    return Mixer(_pool())


def seconds(mixer, length):
    return mixer.mix(int(length * RATE))


def loudness(sound):
    """Decibels of full scale, mean square."""
    return 10 * np.log10((sound**2).mean() + 1e-12)


def spectrum(sound):
    mono = sound.mean(axis=1)
    return np.abs(np.fft.rfft(mono * np.hanning(len(mono)))), np.fft.rfftfreq(len(mono), 1 / RATE)


def peak_frequency(sound, low, high):
    """Of the highest peak in a band, finer than a bin by a parabola through three of them."""
    size, frequency = spectrum(sound)
    inside = (frequency >= low) & (frequency <= high)
    top = int(np.argmax(size * inside))
    a, b, c = np.log(size[top - 1 : top + 2])
    return (top + (a - c) / (2 * (a - 2 * b + c))) * (frequency[1] - frequency[0])


def test_silence_is_silent(piano):
    assert not seconds(piano, 0.1).any() and piano.sounding == 0


def test_a4_peaks_at_440_hertz(piano):
    piano.send((ON, A4, 90))
    size, frequency = spectrum(seconds(piano, 2))
    assert abs(frequency[np.argmax(size)] - 440) < 1.5


@pytest.mark.parametrize("key", range(28, 105, 4))
def test_every_register_is_in_tune(piano, key):
    piano.send((ON, key, 90))
    right = 440 * 2 ** ((key - 69) / 12)
    cents = 1200 * np.log2(peak_frequency(seconds(piano, 1.5), right * 0.97, right * 1.03) / right)
    assert abs(cents) < 25  # a real piano is stretched so much towards its ends


def test_keys_outside_the_recordings_sound_too(piano):
    for key in (0, 20, 109, 127):
        piano.send((ON, key, 100))
        assert loudness(seconds(piano, 0.2)) > -60


def test_louder_strokes_are_louder_and_brighter(piano):
    measured = []
    for velocity in (20, 45, 60, 75, 95, 120):
        one = Mixer(_pool())
        one.send((ON, A4, velocity))
        sound = seconds(one, 1)
        size, frequency = spectrum(sound)
        measured.append((loudness(sound), (size * frequency).sum() / size.sum()))
    loud, bright = np.array(measured).T
    assert (np.diff(loud) > 2).all() and (np.diff(bright[1:]) > 0).all()


def test_a_released_note_dies_and_a_held_one_does_not(piano):
    piano.send((ON, 48, 90))
    held = loudness(seconds(piano, 1)[-2000:])
    piano.send((OFF, 48, 0))
    assert loudness(seconds(piano, 0.5)[-2000:]) < held - 25
    seconds(piano, 1.5)
    assert piano.sounding == 0


def after_release(value, controller=SUSTAIN, when="before"):
    """Decibels lost in half a second after the key goes up with a pedal at a value."""
    mixer = Mixer(_pool())
    mixer.send((ON, 48, 90))
    seconds(mixer, 0.5)
    mixer.send((CONTROL, controller, value))
    mixer.send((OFF, 48, 0))
    start = loudness(seconds(mixer, 0.05))
    return start - loudness(seconds(mixer, 0.5)[-2000:])


def test_the_sustain_pedal_holds_and_half_of_it_half_damps():
    lost = [after_release(value) for value in (0, 40, 55, 64, 127)]
    assert lost == sorted(lost, reverse=True)
    assert lost[0] > 20 and lost[-1] < 6 and lost[-1] + 3 < lost[1] < lost[0] - 3


def test_a_pedal_caught_late_keeps_what_still_sounds(piano):
    piano.send((ON, 48, 90))
    seconds(piano, 0.5)
    piano.send((OFF, 48, 0))
    seconds(piano, 0.1)
    piano.send((CONTROL, SUSTAIN, 127))
    before = loudness(seconds(piano, 0.05))
    assert loudness(seconds(piano, 0.5)[-2000:]) > before - 8


def test_the_sostenuto_holds_only_keys_that_were_down(piano):
    piano.send((ON, 48, 90))
    seconds(piano, 0.2)
    piano.send((CONTROL, SOSTENUTO, 127))
    piano.send((ON, 72, 90))
    for key in (48, 72):
        piano.send((OFF, key, 0))
    seconds(piano, 2)
    assert piano.sounding == 1
    piano.send((CONTROL, SOSTENUTO, 0))
    seconds(piano, 2)
    assert piano.sounding == 0


def test_the_soft_pedal_is_softer(piano):
    other = Mixer(_pool())
    other.send((CONTROL, SOFT, 127))
    for mixer in (piano, other):
        mixer.send((ON, A4, 80))
    assert loudness(seconds(other, 0.5)) < loudness(seconds(piano, 0.5)) - 3


def biggest_step(sound):
    return np.abs(np.diff(sound, axis=0)).max()


def test_nothing_clicks_when_notes_end_or_are_struck_again_or_cut(piano):
    """Low notes, whose waves are slow: a jump would stand out."""
    piano.send((ON, 33, 110))
    steady = biggest_step(seconds(piano, 1)[RATE // 4 :])
    piano.send((OFF, 33, 0))
    ended = seconds(piano, 0.3)
    piano.send((ON, 33, 110))
    seconds(piano, 0.4)
    last = piano.mix(1)
    piano.send((CONTROL, ALL_SOUND_OFF, 0))
    cut = np.concatenate([last, seconds(piano, 0.1)])
    assert biggest_step(ended) <= 1.2 * steady
    assert biggest_step(cut) <= 1.2 * steady


def test_all_sound_off_is_silence_within_twenty_milliseconds_of_fading(piano):
    piano.send((CONTROL, SUSTAIN, 127))
    for key in range(40, 80):
        piano.send((ON, key, 100))
    seconds(piano, 0.5)
    piano.send((CONTROL, ALL_SOUND_OFF, 0))
    seconds(piano, 0.02)
    assert np.abs(seconds(piano, 0.01)).max() < 1e-3
    assert piano.sounding == 0


def test_more_notes_than_voices_fade_the_quietest_without_a_click(piano):
    piano.send((CONTROL, SUSTAIN, 127))
    for key in range(20, 20 + POLYPHONY):
        piano.send((ON, key, 30 if key == 60 else 70))
        piano.mix(200)
    assert piano.sounding >= POLYPHONY - 2
    before = biggest_step(seconds(piano, 0.3))
    for key in range(20, 60):
        piano.send((ON, key, 20))
        assert biggest_step(piano.mix(500)) < 2 * before
    seconds(piano, 0.2)
    assert piano.sounding <= POLYPHONY


def test_five_thousand_notes_at_once_are_survived(piano):
    for i in range(5000):
        piano.send((ON, i % 128, 127))
    sound = seconds(piano, 0.2)
    assert np.isfinite(sound).all() and np.abs(sound).max() < 1


def test_the_loudest_never_clips(piano):
    for key in range(30, 100):
        piano.send((ON, key, 127))
    assert KNEE < np.abs(seconds(piano, 1)).max() < 1


def test_below_the_knee_the_limiter_changes_nothing():
    sound = np.linspace(-KNEE, KNEE, 100, dtype=np.float32).reshape(-1, 2)
    assert _limit(sound) is sound


def test_the_same_music_in_other_blocks_sounds_the_same():
    whole, pieces = Mixer(_pool()), Mixer(_pool())
    for mixer in (whole, pieces):
        mixer.send((ON, 60, 100))
    one = whole.mix(8192)
    two = np.concatenate([pieces.mix(frames) for frames in (256, 512, 1280, 2048, 4096)])
    assert np.allclose(one, two, atol=1e-5)


def test_the_volume_changes_without_a_step(piano):
    piano.send((ON, 33, 110))
    steady = biggest_step(seconds(piano, 1)[RATE // 4 :])
    last = piano.mix(1)
    piano.volume = 0.0
    assert biggest_step(np.concatenate([last, piano.mix(441)])) < 1.2 * steady
    assert not piano.mix(441).any()


def test_a_volume_brings_the_sound_down_by_its_square(piano):
    piano.volume = 0.5
    piano.mix(10)
    other = Mixer(_pool())
    for mixer in (piano, other):
        mixer.send((ON, 60, 90))
    assert loudness(seconds(other, 0.5)) - loudness(seconds(piano, 0.5)) == pytest.approx(6.02, abs=0.1)


def test_the_room_answers_late_on_both_sides_and_dies_away():
    room = Room(RATE)
    impulse = np.zeros(2 * RATE, np.complex64)
    impulse[100] = 1 + 1j
    wet = np.concatenate([room.answer(block) for block in np.split(impulse, 100)])
    assert not wet[:1000].any()
    early, late = wet[1100:12000], wet[-RATE // 2 :]
    assert 0.15 < np.sqrt((early.real**2).sum()) < 0.3
    assert abs(np.corrcoef(early.real, early.imag)[0, 1]) < 0.1
    assert np.abs(late).max() < 1e-4


def test_the_room_is_the_same_for_blocks_of_any_length():
    noise = np.random.default_rng(0).standard_normal(9000).astype(np.complex64)
    one, other = Room(RATE), Room(RATE)
    whole = one.answer(noise)
    pieces = np.concatenate([other.answer(part) for part in np.split(noise, [1, 700, 1500, 5000])])
    assert np.allclose(whole, pieces, atol=1e-5)


def test_the_room_falls_silent_and_costs_nothing_then():
    piano = Mixer(_pool(), Room(RATE))
    piano.send((ON, 60, 100))
    seconds(piano, 0.3)
    piano.send((OFF, 60, 0))
    seconds(piano, 4)
    assert piano.sounding == 0 and not seconds(piano, 0.5).any()
    piano.send((ON, 60, 100))
    assert loudness(seconds(piano, 0.3)) > -40


def test_cutting_off_all_sound_cuts_the_room_too_without_a_click():
    piano = Mixer(_pool(), Room(RATE))
    piano.send((ON, 33, 110))
    steady = biggest_step(seconds(piano, 1)[RATE // 4 :])
    last = piano.mix(1)
    piano.send((CONTROL, ALL_SOUND_OFF, 0))
    cut = np.concatenate([last, seconds(piano, 0.05)])
    assert biggest_step(cut) < 1.2 * steady
    seconds(piano, 0.1)
    assert np.abs(seconds(piano, 0.5)).max() < 1e-3
