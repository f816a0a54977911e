"""What lies on the cards when the studio is opened: a tune everyone knows, and a performance."""

from __future__ import annotations

from pathlib import Path

from engine.assets import asset
from studio.clip import MELODY, STYLE

EXAMPLES = {STYLE: ("nocturne.mid",), MELODY: ("twinkle.mid",)}


def example_files() -> dict[str, list[Path]]:
    """The example files of each card that are there."""
    files = {role: [asset("examples", name) for name in names] for role, names in EXAMPLES.items()}
    return {role: paths for role, paths in files.items() if all(path.exists() for path in paths)}
