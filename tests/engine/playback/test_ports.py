"""Ports by name, over stand-ins for the MIDI systems."""

import importlib

import pytest
import rtmidi

from engine.errors import PlaybackError
from engine.playback import BUILT_IN, VIRTUAL_OUT, Player, Port, ports
from engine.playback.ports import MidiPort

ports_module = importlib.import_module("engine.playback.ports")  # the package has a function of this name


class FakeMidiOut:
    """Two systems' worth of ports; ALSA's names carry numbers that change."""

    names = {  # noqa: RUF012
        rtmidi.API_LINUX_ALSA: ["Midi Through:Midi Through Port-0 14:0", "Piano:MIDI 1 20:0", "Piano:MIDI 1 24:0"],
        rtmidi.API_UNIX_JACK: ["synth:in", "Hommage-01:Hommage In"],
    }

    def __init__(self, api, name):
        self.api = api

    def get_ports(self):
        return self.names[self.api]

    def delete(self):
        pass


def no_system(api, name):
    raise rtmidi.SystemError("MidiOutAlsa::initialize: error creating ALSA sequencer client object.")


def test_a_machine_without_midi_has_just_the_piano(monkeypatch):
    monkeypatch.setattr(ports_module, "_systems", lambda: [rtmidi.API_LINUX_ALSA])
    monkeypatch.setattr(rtmidi, "MidiOut", no_system)
    assert ports() == [Port(BUILT_IN, "piano")]


def test_ports_of_all_systems_are_listed_without_passing_numbers(monkeypatch):
    monkeypatch.setattr(ports_module, "_systems", lambda: list(FakeMidiOut.names))
    monkeypatch.setattr(rtmidi, "MidiOut", FakeMidiOut)
    assert [port.name for port in ports()] == [
        BUILT_IN, "Midi Through:Midi Through Port-0", "Piano:MIDI 1", "Piano:MIDI 1 (2)", "synth:in", VIRTUAL_OUT,
    ]  # fmt: skip
    assert {port.kind for port in ports()[1:]} == {"output"}


def test_systems_that_do_not_run_are_not_tried(monkeypatch, tmp_path, capfd):
    monkeypatch.setattr(ports_module, "ALSA_SEQUENCER", tmp_path / "seq")
    monkeypatch.setattr(ports_module, "UNIX_SOCKETS", tmp_path / "unix")
    assert not {rtmidi.API_LINUX_ALSA, rtmidi.API_UNIX_JACK} & set(ports_module._systems())
    ports()
    assert capfd.readouterr() == ("", "")


def test_a_port_that_is_not_there_is_one_sentence():
    with pytest.raises(PlaybackError, match="The MIDI port no such is not there"):
        MidiPort("no such")
    with pytest.raises(PlaybackError, match="There is no MIDI port no such"):
        Player("no such")
