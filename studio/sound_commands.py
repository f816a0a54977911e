"""Commands that sound: render, play, ports."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.errors import PlaybackError
from studio.arguments import File, Json, performance_of
from studio.console import ProgressLine, print_json, say

if TYPE_CHECKING:
    from engine.playback import Status

POLL = 0.02  # seconds between two looks at the player

app = typer.Typer()


@app.command()
def render(
    file: File,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT.wav|OUT.flac", help="The sound to write.")],
) -> None:
    """Write a file's sound on the built-in piano as WAV or FLAC."""
    from engine.recording import render as render_piano

    performance = performance_of(file)
    line = ProgressLine("Rendering", performance.seconds)
    render_piano(performance, output, lambda share: line.show(share * performance.seconds))
    line.end(performance.seconds)
    typer.echo(output)


@app.command()
def play(
    file: File,
    port: Annotated[str | None, typer.Option(metavar="NAME", help="One of hommage ports; else the piano.")] = None,
    loop: Annotated[
        tuple[float, float] | None, typer.Option(metavar="A B", help="Round and round from A to B, in seconds.")
    ] = None,
    speed: Annotated[float, typer.Option(metavar="X", help="Times the tempo, 0.25 to 4.")] = 1.0,
) -> None:
    """Play a file on the built-in piano or a MIDI port."""
    from engine.playback import BUILT_IN, Player, ports

    performance = performance_of(file)
    name = port or BUILT_IN
    present = [each.name for each in ports() if each.is_present]
    if name not in present:
        raise PlaybackError(f"There is no port {name}", f"Choose one of: {', '.join(present)}")
    player = Player(name)
    try:
        player.load(performance)
        player.set_tempo_scale(speed)
        if loop is not None:
            player.set_loop(*loop)
        player.play(loop[0] if loop is not None else None)
        line = ProgressLine("Playing", performance.seconds)
        for status in until_ended(player.poll):
            line.show(status.position)
        line.end(performance.seconds)
    finally:
        player.close()


def until_ended(poll: Callable[[], Iterable[Status]]) -> Iterator[Status]:
    """What the player says until the piece has ended; a fault becomes an error."""
    while True:
        for status in poll():
            if status.kind == "fault":
                raise PlaybackError(status.text.rstrip("."), "hommage ports lists what can play")
            yield status
            if status.kind == "ended":
                return
        time.sleep(POLL)


@app.command("ports")
def list_ports(as_json: Json = False) -> None:
    """List what can play and what can be heard: the built-in piano and MIDI ports."""
    from engine.playback import inputs, ports

    found = [*ports(), *inputs()]
    if as_json:
        print_json({"ports": [{**asdict(port), "direction": port.direction} for port in found]})
        return
    for port in found:
        typer.echo(f"{port.direction:4}{port.name}")
    if sys.platform == "win32":
        say("To play into another program, install a loopback such as loopMIDI: its port is then listed here.")
