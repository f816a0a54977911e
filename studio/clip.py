"""A clip: the music on a card, read from files; and which card a dropped file belongs to. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from engine.errors import EngineError
from engine.melody import has_chords, top_line
from engine.midi import read_midi
from engine.performance import Performance

STYLE, MELODY = "style", "melody"
LONGEST_MELODY = 120.0  # seconds: what is longer was played, not typed in


@dataclass(frozen=True)
class Clip:
    """One card's music: a melody is one performance, a style one or more. is_top_line: chords were taken away."""

    name: str
    performances: tuple[Performance, ...]
    is_top_line: bool = False

    @cached_property
    def whole(self) -> Performance:
        """All of it, one after the other."""
        whole = self.performances[0]
        for performance in self.performances[1:]:
            whole = whole.join(performance, gap=1.0)
        return replace(whole, name=self.name)


@dataclass(frozen=True)
class Opened:
    """What came of some files: at most one clip for each card, and what was wrong with the rest."""

    style: Clip | None = None
    melody: Clip | None = None
    errors: tuple[EngineError, ...] = ()


def open_files(paths: Sequence[Path], role: str | None = None) -> Opened:
    """Read files for one card, or each for the card it belongs to. Several performances make one style."""
    performances, errors = _read(paths)
    of_role: dict[str, list[Performance]] = {STYLE: [], MELODY: []}
    for performance in performances:
        of_role[role or role_of(performance)].append(performance)
    styles, melodies = of_role[STYLE], of_role[MELODY]
    return Opened(
        style=_style(styles) if styles else None,
        melody=melody_clip(melodies[-1]) if melodies else None,
        errors=tuple(errors),
    )


def role_of(performance: Performance) -> str:
    """A short performance of one voice is a melody; a long or polyphonic one is a style."""
    is_long = performance.seconds > LONGEST_MELODY
    return STYLE if is_long or has_chords(performance) else MELODY


def melody_clip(performance: Performance) -> Clip:
    """A melody; of chords the top line."""
    if not has_chords(performance):
        return _warm(Clip(performance.name, (performance,)))
    line = replace(top_line(performance), name=performance.name)
    return _warm(Clip(performance.name, (line,), is_top_line=True))


def title_of(path: Path) -> str:
    """A file's name as a title: clair-de-lune.mid is "Clair de lune"."""
    words = path.stem.replace("_", " ").replace("-", " ").split()
    title = " ".join(words) or path.stem
    return title[:1].upper() + title[1:]


def _style(performances: Sequence[Performance]) -> Clip:
    names = [performance.name for performance in performances]
    name = names[0] if len(names) == 1 else f"{names[0]} + {len(names) - 1}"
    return _warm(Clip(name, tuple(performances)))


def _warm(clip: Clip) -> Clip:
    """Works out here, in the reader's thread, what painting asks for: the window never waits for it."""
    _ = clip.whole.arrays, clip.whole.seconds
    return clip


def _read(paths: Sequence[Path]) -> tuple[list[Performance], list[EngineError]]:
    performances: list[Performance] = []
    errors: list[EngineError] = []
    for path in paths:
        try:
            performance = read_midi(path)
            performances.append(replace(performance, name=title_of(path)))
        except EngineError as error:
            errors.append(error)
    return performances, errors
