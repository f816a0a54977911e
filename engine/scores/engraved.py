"""MEI and Humdrum scores, through the engraving library verovio.

It runs in a process of its own, so a score that it can't bear ends in a sentence: `python -m` reads a score from its
standard input and writes a MIDI file to its standard output.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path

from engine.errors import ScoreError
from engine.midi import MidiFile, decode_file

MEI, HUMDRUM = "mei", "humdrum"
ROOT = Path(__file__).resolve().parents[2]
LONGEST_READING = 60.0  # seconds; a symphony's movement takes two
MAX_MEMORY = 2 * 2**30  # bytes, where the system can hold it to that
MAX_OUTPUT = 64 * 2**20  # bytes


def read_engraved(content: bytes, name: str, notation: str) -> MidiFile:
    """What a score in MEI or HUMDRUM sounds like. Raises ScoreError where it can't be read."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    try:
        found = subprocess.run(
            (sys.executable, "-P", "-m", "engine.scores.engraved", notation),
            input=content,
            capture_output=True,
            timeout=LONGEST_READING,
            check=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except subprocess.TimeoutExpired as error:
        raise ScoreError(f"{name} takes too long to read", "Export it as MusicXML") from error
    except (subprocess.CalledProcessError, OSError) as error:
        raise ScoreError(f"{name} is not a readable score", "Export it as MusicXML, or as MIDI") from error
    return decode_file(found.stdout[:MAX_OUTPUT], name)


def _midi_of(content: bytes, notation: str) -> bytes:
    """The score's sound as the bytes of a MIDI file. Raises ValueError where it is none."""
    import verovio

    verovio.enableLog(verovio.LOG_OFF)
    toolkit = verovio.toolkit()
    toolkit.setOptions({"inputFrom": notation, "expandAlways": True})
    if not toolkit.loadData(content.decode("utf-8-sig", "replace")):
        raise ValueError("no score")
    return base64.b64decode(toolkit.renderToMIDI())


def _limit_memory() -> None:
    if sys.platform == "linux":  # elsewhere the limit is not kept
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))


if __name__ == "__main__":
    _limit_memory()
    try:
        midi = _midi_of(sys.stdin.buffer.read(), sys.argv[1])
    except Exception:
        sys.exit(1)
    sys.stdout.buffer.write(midi)
