"""The bundled SoundFont, and files that are none."""

import numpy as np
import pytest

from engine.assets import asset
from engine.errors import PlaybackError
from engine.playback.piano import SOUNDFONT
from engine.playback.soundfont import read_soundfont


@pytest.fixture(scope="module")
def regions():
    return read_soundfont(asset(*SOUNDFONT))


def test_every_key_at_every_velocity_has_one_stereo_wave(regions):
    for key in range(21, 109):
        for velocity in (1, 64, 65, 100, 127):
            fitting = [
                r for r in regions
                if r.keys[0] <= key <= r.keys[1] and r.velocities[0] <= velocity <= r.velocities[1]
            ]  # fmt: skip
            assert len(fitting) == 1
            assert np.abs(fitting[0].wave.real).max() > 0.3 and np.abs(fitting[0].wave.imag).max() > 0.3


def test_loops_lie_inside_their_waves_and_meet_without_a_step(regions):
    for region in regions:
        start, end = region.loop
        assert 0 <= start < end <= len(region.wave)
        steps = np.abs(np.diff(region.wave[start:end])).max()
        assert abs(region.wave[end - 1] - region.wave[start]) <= 1.5 * steps + 1e-3


def test_loud_notes_ring_on_longer_after_the_key_than_soft_ones(regions):
    at_a4 = sorted((r for r in regions if r.keys[0] <= 69 <= r.keys[1]), key=lambda r: r.velocities)
    releases = [region.release for region in at_a4]
    assert releases == sorted(releases, reverse=True) and releases[0] > 2 * releases[-1]


def test_waves_are_shared_between_velocities(regions):
    assert len({id(region.wave) for region in regions}) == 20


@pytest.mark.parametrize("content", [b"", b"RIFF", b"not a SoundFont at all", b"RIFF\x04\x00\x00\x00sfbk"])
def test_a_file_that_is_no_soundfont_is_one_sentence(tmp_path, content):
    path = tmp_path / "broken.sf2"
    path.write_bytes(content)
    with pytest.raises(PlaybackError, match=r"broken\.sf2 is not a usable SoundFont"):
        read_soundfont(path)


def test_a_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(PlaybackError, match="can't be read"):
        read_soundfont(tmp_path / "none.sf2")


def test_half_a_file_is_one_sentence(tmp_path):
    path = tmp_path / "half.sf2"
    whole = asset(*SOUNDFONT).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(PlaybackError):
        read_soundfont(path)
