"""The command that records: a keyboard's playing into a MIDI file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.errors import PlaybackError, RequestError
from engine.performance import Performance
from studio.arguments import Json
from studio.console import print_json, say

if TYPE_CHECKING:
    from engine.playback import Player
    from engine.playback.recorder import Recorder

POLL = 0.02  # seconds between two looks at the player

app = typer.Typer()


@app.command()
def record(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT.mid", help="The MIDI file to write.")],
    port: Annotated[str | None, typer.Option(metavar="NAME", help="The keyboard's input; else the first.")] = None,
    to: Annotated[str | None, typer.Option(metavar="NAME", help="Where it sounds; else the piano.")] = None,
    seconds: Annotated[float | None, typer.Option(metavar="S", help="Stop then; else Ctrl+C stops.")] = None,
    count_in: Annotated[int, typer.Option(metavar="BARS", min=0, max=8, help="Bars clicked before.")] = 0,
    metronome: Annotated[bool, typer.Option("--metronome", help="Click while recording.")] = False,
    tempo: Annotated[float, typer.Option(metavar="BPM", min=20, max=300, help="Beats a minute.")] = 120.0,
    beats: Annotated[int, typer.Option(metavar="N", min=1, max=16, help="Beats in a bar.")] = 4,
    as_json: Json = False,
) -> None:
    """Record what is played on a MIDI keyboard, with its pedals."""
    if seconds is not None and not 1 <= seconds <= 36000:
        raise RequestError(f"--seconds {seconds:g} can't be used", "Give 1 to 36000 seconds")
    if output.is_dir() or not output.parent.is_dir():  # said before anything is played, not after
        raise RequestError(f"{output} can't be written", "Give a file in a folder that is there")

    from engine.midi import Meter, MidiFile, TempoMap, write_midi
    from engine.playback import BUILT_IN, Player, inputs
    from engine.playback.metronome import Metronome, keys_on
    from engine.playback.recorder import Recorder

    name = port or next((each.name for each in inputs() if each.is_present), None)
    if name is None:
        raise PlaybackError("There is no MIDI keyboard", "Connect one, and see it with: hommage ports")
    where = to or BUILT_IN
    recorder = Recorder(Metronome(tempo, beats, keys_on(where)), count_in, is_free=not (count_in or metronome))
    with Player(where) as player:
        player.listen(name)
        played = recorded(player, recorder, seconds, metronome)
    if not played.notes:
        raise RequestError(f"Nothing was played on {name}", "Choose another input with --port")
    bars = MidiFile(tempo_map=TempoMap(changes=((0, round(6e7 / tempo)),)), meters=(Meter(0.0, beats, 4),))
    write_midi(output, played, like=bars)
    if as_json:
        described = {"notes": len(played), "pedals": len(played.pedals), "seconds": played.seconds}
        print_json({"path": str(output), "port": name, **described})
    else:
        typer.echo(output)


def recorded(player: Player, recorder: Recorder, seconds: float | None, clicks: bool) -> Performance:
    """What is played until so many seconds after the count-in, or Ctrl+C. Raises PlaybackError where the input isn't
    there to begin with; one that goes is waited for."""
    from engine.midi import DRUM_CHANNEL
    from engine.playback import status as kinds
    from engine.playback.recorder import COUNT_IN, METRONOME

    player.load(Performance())
    for lane in (COUNT_IN, METRONOME):
        player.set_lane(lane, None, DRUM_CHANNEL)
    player.set_mute(METRONOME, not clicks)
    player.add(recorder.count_in(), COUNT_IN)
    player.add(recorder.more_clicks(0.0), METRONOME)
    player.play()
    position, has_input = 0.0, False
    try:
        while seconds is None or position < recorder.begin + seconds:
            for status in player.poll():
                position = status.position
                if status.kind == kinds.INPUT and not has_input:
                    has_input = True
                    say(f"Recording from {status.text}" + (". Ctrl+C ends it." if seconds is None else "."))
                elif status.kind == kinds.INPUT_LOST and not has_input:
                    raise PlaybackError(status.text.split(". ")[0].rstrip("."), "hommage ports lists what there is")
                elif status.kind in (kinds.FAULT, kinds.INPUT_LOST):
                    say(status.text)
            _hear(player, recorder)
            player.add(recorder.more_clicks(position), METRONOME)
            time.sleep(POLL)
    except KeyboardInterrupt:
        say("Stopped.")
    _hear(player, recorder)
    return recorder.performance(position)


def _hear(player: Player, recorder: Recorder) -> None:
    for heard in player.heard():
        recorder.hear(heard.position, heard.message)
