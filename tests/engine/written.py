"""Scores written for tests: notes and measures of MusicXML, and what is heard of a file."""

import io
import zipfile
from pathlib import Path

from engine.midi import MidiFile
from engine.music import (
    READERS,
    kind_of,
)

HEAD = (
    '<?xml version="1.0"?><score-partwise><part-list><score-part id="P1"><part-name>Voice</part-name></score-part>'
    "</part-list>"
)
BAR = "<attributes><divisions>2</divisions><time><beats>4</beats><beat-type>4</beat-type></time></attributes>"


def note(step: str, duration: int = 2, more: str = "", after: str = "") -> str:
    letter, octave = step[0], step[-1]
    alter = {"#": "<alter>1</alter>", "b": "<alter>-1</alter>"}.get(step[1:-1], "")
    return (
        f"<note>{more}<pitch><step>{letter}</step>{alter}<octave>{octave}</octave></pitch>"
        f"<duration>{duration}</duration><voice>1</voice>{after}</note>"
    )


def grace(step: str) -> str:
    return note(step, 0, "<grace/>").replace("<duration>0</duration>", "")


def xml(*measures: str) -> bytes:
    body = "".join(f'<measure number="{n}">{text}</measure>' for n, text in enumerate(measures, 1))
    return f'{HEAD}<part id="P1">{body}</part></score-partwise>'.encode()


def read(content: bytes, name: str) -> MidiFile:
    path = Path(name)
    return READERS[kind_of(content, path)](content, path)


def heard(file: MidiFile) -> list[tuple[float, float, int]]:
    """Start and end in beats of half a second, and pitch."""
    return [(round(n.start * 2, 3), round(n.end * 2, 3), n.pitch) for n in file.performance.notes]


def zipped(content: bytes, **more: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "META-INF/container.xml", '<container><rootfiles><rootfile full-path="s.xml"/></rootfiles></container>'
        )
        archive.writestr("s.xml", content)
        for name, text in more.items():
            archive.writestr(name, text)
    return file.getvalue()
