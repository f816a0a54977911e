"""Commands that sound: render, play, ports."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.errors import PlaybackError
from studio.arguments import File, Json, performance_of
from studio.console import ProgressLine, print_json

if TYPE_CHECKING:
    from engine.playback import Status

POLL = 0.02  # seconds between two looks at the player

app = typer.Typer()


@app.command()
def render(
    file: File,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT.wav", help="The sound file to write.")],
) -> None:
    """Write a file's sound on the built-in piano as WAV."""
    from engine.playback.piano import render as render_piano

    performance = performance_of(file)
    line = ProgressLine("Rendering", performance.seconds)
    render_piano(performance, output, lambda share: line.show(share * performance.seconds))
    line.end(performance.seconds)
    typer.echo(output)


@app.command()
def play(
    file: File,
    port: Annotated[str | None, typer.Option(metavar="NAME", help="One of hommage ports; else the piano.")] = None,
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
        player.play()
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
    """List what can play: the built-in piano and MIDI ports."""
    from engine.playback import ports

    found = [{"name": port.name, "kind": port.kind, "is_present": port.is_present} for port in ports()]
    if as_json:
        print_json({"ports": found})
        return
    for port in found:
        typer.echo(port["name"])
