"""The piano's voices mixed to stereo blocks: MIDI messages in, frames out; knows no clock and no device.

A damper is a rate: a key that is up loses `release` decibels a second times what the pedals leave of the damper, so a
half-pressed pedal, a pedal caught late and the sostenuto need no states of their own. Every change of loudness is a
ramp, so nothing clicks. Polyphony is bounded by fading the quietest voice.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.performance import PEDAL_DOWN, SOFT, SOSTENUTO, SUSTAIN
from engine.playback.messages import ALL_NOTES_OFF, ALL_SOUND_OFF, CONTROL, NOTE_OFF, NOTE_ON, Message
from engine.playback.pool import BLOCK, LEVEL_FRAMES, Pool
from engine.playback.room import PART, SECONDS, Room

RATE = 44100  # frames a second
POLYPHONY = 96  # voices that sound at once; the quietest is faded for the next
SLOTS = 2 * POLYPHONY  # with those that fade
GAIN = 0.75  # loud piano music then peaks between a half and full scale
INAUDIBLE = 2e-5  # of full scale: a voice below this ends
FADE = 100 / 0.02  # decibels a second: all sound off, and a stolen voice
RESTRIKE = 100 / 0.2  # decibels a second: the hammer damps what its string still does
PEDAL_BEGINS, PEDAL_LIFTED = 20, 90  # where the dampers begin to leave the strings, and have left them
SOFT_VELOCITY = 0.3  # share of the velocity that the soft pedal takes away
KNEE, CEILING = 0.8, 0.98  # of full scale: what is above the knee is bent to stay below the ceiling

ROOM_FRAMES = int(SECONDS * RATE) + 2 * PART  # after a sound, until the room is silent

VOICE = np.dtype(
    [
        ("position", "f8"),  # in the pool, frames
        ("step", "f8"),  # frames of the pool a frame
        ("loop_end", "f8"),
        ("loop_frames", "f8"),
        ("amplitude", "f4"),  # 0: this slot is free
        ("age", "f8"),  # seconds
        ("attack", "f8"),  # seconds
        ("hold", "f8"),  # seconds
        ("decay", "f8"),  # decibels a second, after the hold
        ("release", "f8"),  # decibels a second, under the damper
        ("cut", "f8"),  # decibels a second, whatever the key and the pedals do
        ("lost", "f8"),  # decibels, to damper and cut
        ("key", "i4"),
        ("is_up", "?"),
        ("is_held", "?"),  # by the sostenuto
    ]
)
RAMP = np.arange(BLOCK, dtype=np.float32)


class Mixer:
    """The piano at RATE frames a second."""

    def __init__(self, pool: Pool, room: Room | None = None) -> None:
        self._pool = pool
        self._room = room
        self._voices = np.zeros(SLOTS, VOICE)
        self._sustain = 0
        self._soft = 0
        self._is_room_cut = False
        self._silent_frames = 0  # since the last voice ended
        self.volume = 1.0
        self._volume_now = 1.0

    @property
    def sounding(self) -> int:
        """Number of voices."""
        return int(np.count_nonzero(self._voices["amplitude"]))

    def send(self, message: Message, at: float = 0.0) -> None:
        """Apply a MIDI message from the next frame on, whenever it was due."""
        status, number, value = message[0] & 0xF0, message[1], message[2]
        if status == NOTE_ON and value:
            self._strike(number, value)
        elif status in (NOTE_ON, NOTE_OFF):
            self._voices["is_up"][self._voices["key"] == number] = True
        elif status == CONTROL:
            self._control(number, value)

    def _control(self, number: int, value: int) -> None:
        voices = self._voices
        if number == SUSTAIN:
            self._sustain = value
        elif number == SOFT:
            self._soft = value
        elif number == SOSTENUTO:
            voices["is_held"] = (voices["is_held"] | ~voices["is_up"]) & (value >= PEDAL_DOWN)
        elif number == ALL_NOTES_OFF:
            voices["is_up"] = True
        elif number == ALL_SOUND_OFF:
            voices["cut"] = FADE
            self._is_room_cut = True

    def _strike(self, key: int, velocity: int) -> None:
        voices = self._voices
        same = np.flatnonzero((voices["key"] == key) & (voices["amplitude"] > 0))
        voices["amplitude"][same[voices["age"][same] == 0]] = 0  # not heard yet: this stroke is instead of that one
        voices["cut"][same] = np.maximum(voices["cut"][same], RESTRIKE)
        softened = velocity * (1 - SOFT_VELOCITY * self._soft / 127)
        strike = self._pool.strike(key, round(softened))
        region = strike.region
        amplitude = GAIN * region.gain * (softened / 127) ** 2
        envelope = (region.attack, region.hold, region.decay, region.release)
        place = (strike.start, strike.step, strike.loop_end, strike.loop_frames, amplitude)
        voices[self._free_slot()] = (*place, 0.0, *envelope, 0.0, 0.0, key, False, False)

    def _free_slot(self) -> int:
        """A slot for a new voice; at full polyphony the quietest voice that isn't fading yet begins to fade."""
        voices = self._voices
        staying = np.flatnonzero((voices["amplitude"] > 0) & (voices["cut"] < FADE))
        if len(staying) >= POLYPHONY:
            voices["cut"][staying[np.argmin(self._loudness(voices[staying]))]] = FADE
        free = np.flatnonzero(voices["amplitude"] == 0)
        return int(free[0]) if len(free) else int(np.argmin(self._loudness(voices)))

    def _loudness(self, voices: NDArray[np.void]) -> NDArray[np.float64]:
        """What each voice adds to the sound now; full for one that has only begun."""
        gain = np.where(voices["age"] > 0, _gain(voices), voices["amplitude"])
        level: NDArray[np.float64] = gain * self._pool.levels[voices["position"].astype(np.int64) // LEVEL_FRAMES]
        return level

    def mix(self, frames: int) -> NDArray[np.float32]:
        """The next frames: (frames, 2), within -1..1."""
        blocks = [self._mix_block(min(BLOCK, frames - at)) for at in range(0, frames, BLOCK)]
        stereo = np.concatenate(blocks) if blocks else np.zeros(0, np.complex64)
        if self._room:
            stereo = stereo + self._in_room(self._room, stereo)
        if self.volume != self._volume_now:
            stereo *= np.linspace(self._volume_now, self.volume, len(stereo), dtype=np.float32)
            self._volume_now = self.volume
        else:
            stereo *= np.float32(self.volume)
        return _limit(stereo.view(np.float32).reshape(-1, 2))

    def _in_room(self, room: Room, stereo: NDArray[np.complex64]) -> NDArray[np.complex64]:
        """What the room adds; it fades within this block where all sound is cut off."""
        self._silent_frames = 0 if self.sounding else self._silent_frames + len(stereo)
        if self._silent_frames > ROOM_FRAMES:
            self._is_room_cut = False
            return np.zeros_like(stereo)  # it has long died away: an idle piano costs nothing
        wet = room.answer(stereo)
        if self._is_room_cut:
            wet *= np.linspace(1, 0, len(wet), dtype=np.float32)
            room.clear()
            self._is_room_cut = False
        return wet

    def _mix_block(self, frames: int) -> NDArray[np.complex64]:
        """All voices, linearly interpolated, each with a straight ramp from its gain before to its gain after."""
        live = np.flatnonzero(self._voices["amplitude"])
        if not len(live):
            return np.zeros(frames, np.complex64)
        voices = self._voices[live]
        before = _gain(voices)
        first = np.floor(voices["position"])
        place = (voices["position"] - first).astype(np.float32)[:, None]
        place = place + voices["step"].astype(np.float32)[:, None] * RAMP[:frames]
        whole = np.floor(place)
        second = place - whole  # weight of the next frame
        index = whole.astype(np.int64) + first.astype(np.int64)[:, None]  # the type that looks up fastest
        self._advance(voices, frames)
        after = _gain(voices)
        slope = ((after - before) / frames).astype(np.float32)
        gain = before.astype(np.float32)[:, None] + slope[:, None] * RAMP[:frames]
        second *= gain
        gain -= second
        block: NDArray[np.complex64] = (gain * self._pool.waves[index]).sum(axis=0)
        block += (second * self._pool.waves[index + 1]).sum(axis=0)
        voices["amplitude"][self._loudness(voices) < INAUDIBLE] = 0
        self._voices[live] = voices
        return block

    def _advance(self, voices: NDArray[np.void], frames: int) -> None:
        """Move voices on in time: age, damping, place in the wave and in its loop."""
        lift = (self._sustain - PEDAL_BEGINS) / (PEDAL_LIFTED - PEDAL_BEGINS)
        damper = (1 - min(max(lift, 0.0), 1.0)) ** 3
        seconds = frames / RATE
        is_damped = voices["is_up"] & ~voices["is_held"]
        voices["age"] += seconds
        voices["lost"] += seconds * (voices["cut"] + is_damped * damper * voices["release"])
        voices["position"] += voices["step"] * frames
        over = np.maximum(voices["position"] - voices["loop_end"], -1.0)
        voices["position"] -= (np.floor(over / voices["loop_frames"]) + 1) * voices["loop_frames"]


def _gain(voices: NDArray[np.void]) -> NDArray[np.float64]:
    """Gain of each voice at its age: the attack's ramp, then the hold, then decibels a second."""
    lost = voices["lost"] + voices["decay"] * np.maximum(voices["age"] - voices["hold"], 0)
    attack = np.minimum(voices["age"] / voices["attack"], 1)
    gain: NDArray[np.float64] = voices["amplitude"] * attack * 10 ** (lost / -20)
    return gain


def _limit(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """The sound with what is above the knee bent below the ceiling; untouched where all is below it."""
    size = np.abs(sound)
    if size.size == 0 or size.max() <= KNEE:
        return sound
    bent = KNEE + (CEILING - KNEE) * np.tanh((size - KNEE) / (CEILING - KNEE))
    return np.where(size > KNEE, np.copysign(bent, sound), sound).astype(np.float32)
