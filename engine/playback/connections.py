"""The ports that the player has open, and what becomes of them when they vanish and return."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from engine.errors import PlaybackError
from engine.playback.messages import Output
from engine.playback.midi_input import Inputs, Listener
from engine.playback.ports import BUILT_IN, MidiPort, Watch, gone, ports
from engine.playback.sequencer import Sequencer
from engine.playback.silence import Silence
from engine.playback.sounding import Sounding
from engine.playback.status import FAULT, INPUT, INPUT_LOST, PORTS, Status

TRIES = 4  # looks at which an absent port is tried again after others came or went: it may not be ready at once


class Connections:
    """Outputs are the sequencer's; inputs are told to `heard`. Commands raise PlaybackError for a chosen output."""

    def __init__(
        self,
        sequencer: Sequencer,
        clock: Callable[[], float],
        report: Callable[[Any], None],
        heard: Listener,
    ) -> None:
        self._sequencer, self._lanes = sequencer, sequencer.lanes
        self._clock, self._report = clock, report
        self._inputs = Inputs(heard)
        self._watch = Watch()
        self._tries = 0
        self._has_audio = True
        self._volume: float | None = None
        self._lost: str | None = None  # name of the chosen output that is not there
        self._panics_on_return = False
        self.plays_on_return = False

    def set_audio(self, has_audio: bool) -> None:
        """Whether the piano, when it is chosen next, opens the audio device."""
        self._has_audio = has_audio

    def set_port(self, name: str) -> None:
        """Choose an output; one that is not there is waited for."""
        self.plays_on_return = False
        if name == self._lanes.output.name != BUILT_IN and self._lost is None:
            return
        for output in self._lanes.take_own({name}, self._clock()):
            output.close()  # some systems open a port only once
        try:
            self._replace(self._open_piano() if name == BUILT_IN else MidiPort(name))
        except PlaybackError:
            self._replace(Silence(name))
            self._lost, self._tries = name, TRIES
            raise

    def set_volume(self, volume: float) -> None:
        """Loudness of the chosen output, 0..1."""
        self._volume = min(max(volume, 0.0), 1.0)
        self._lanes.output.set_volume(self._volume)

    def set_lane(self, lane: int, port: str | None, channel: int) -> None:
        """Where a lane sounds."""
        self._sequencer.set_lane(lane, port, channel)
        self._open_own()

    def set_clock_out(self, name: str | None) -> None:
        """Where the clock is sent."""
        self._sequencer.set_clock_out(name)
        self._open_own()

    def want_input(self, purpose: str, name: str | None) -> None:
        """Listen to an input for a purpose."""
        error = self._inputs.want(purpose, name)
        self._tell_input(name or "", error)

    def purposes(self, input_name: str) -> list[str]:
        """What an input is wanted for."""
        return self._inputs.purposes(input_name)

    def check_output(self) -> None:
        """Raise PlaybackError where the chosen output is not there."""
        if self._lost is not None:
            raise gone(self._lost)

    def panic(self) -> None:
        """Let go every key on every MIDI output that the system has; those that are open went first."""
        self._panics_on_return = self._lost is not None
        for name in {port.name for port in ports()} - self._lanes.names() - {BUILT_IN}:
            with contextlib.suppress(PlaybackError):
                output = MidiPort(name)
                Sounding(output).panic(self._clock())
                output.close()

    def look(self) -> None:
        """Are the ports still there, or there again?"""
        if self._watch.has_changed():
            self._tries = TRIES
            self._report(Status(PORTS, self._sequencer.position))
        self._look_at_inputs()
        for output in self._lanes.look():
            self._report(Status(FAULT, self._sequencer.position, str(gone(output.name))))
            output.close()
        if self._tries:
            self._tries -= 1
            self._open_missing()
        if self._lost is None and not self._lanes.output.is_present():
            self._lose(self._lanes.output.name)

    def close(self) -> None:
        """Silence all outputs and give all ports back."""
        now = self._clock()
        self._lanes.release(now)
        for output in [self._lanes.output, *self._lanes.take_own(None, now)]:
            output.close()
        self._inputs.close()
        self._watch.close()

    def _open_missing(self) -> None:
        if self._lanes.missing():
            self._open_own(says_fault=False)
        if self._lost is not None:
            with contextlib.suppress(PlaybackError):
                self._return_to(MidiPort(self._lost))

    def _look_at_inputs(self) -> None:
        lost, back = self._inputs.look(tries=self._tries > 0)
        for name in lost:
            self._tell_input(name, gone(name))
        for name in back:
            self._tell_input(name, None)

    def _tell_input(self, name: str, error: PlaybackError | None) -> None:
        kind, text = (INPUT, name) if error is None else (INPUT_LOST, str(error))
        self._report(Status(kind, self._sequencer.position, text))

    def _lose(self, name: str) -> None:
        self.plays_on_return = self._sequencer.is_playing
        old = self._sequencer.set_output(Silence(name))
        self._lost = name
        self._sequencer.fail(
            str(PlaybackError(f"The MIDI port {name} is gone", "Connect it again, or choose another output"))
        )
        old.close()  # last: a system that has died takes its time

    def _return_to(self, port: MidiPort) -> None:
        plays, panics = self.plays_on_return, self._panics_on_return
        self._replace(port)
        if panics:
            self._sequencer.lanes.panic(self._clock())
        if plays:
            self._sequencer.play()

    def _replace(self, output: Output) -> None:
        self._lost, self._panics_on_return = None, False
        self._sequencer.set_output(output).close()
        self._open_own()
        if self._volume is not None:
            output.set_volume(self._volume)

    def _open_own(self, says_fault: bool = True) -> None:
        """Ports of lanes and of the clock: those that are wanted, no others. One that is missing is left out."""
        for output in self._lanes.take_own(self._lanes.unwanted(), self._clock()):
            output.close()
        for name in self._lanes.missing():
            try:
                self._lanes.add_own(MidiPort(name))
            except PlaybackError as error:
                if says_fault:
                    self._report(Status(FAULT, self._sequencer.position, str(error)))

    def _open_piano(self) -> Output:
        from engine.playback.piano import LivePiano  # loads its sounds: half a second that a MIDI port needn't wait

        if not self._has_audio:
            return Silence(BUILT_IN)
        try:
            return LivePiano(self._clock)
        except PlaybackError as error:
            self._report(Status(FAULT, self._sequencer.position, str(error)))
            return Silence(BUILT_IN)
