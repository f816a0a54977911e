"""A clip: the music on a card, read from files; and which card a dropped file belongs to. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from engine.candidates import Candidate, candidates
from engine.errors import EngineError, ScoreError
from engine.melody import has_chords, top_line
from engine.midi import MidiFile
from engine.music import MIDI, TYPED, Music, read_music
from engine.performance import Performance
from engine.typed import typed_melody
from studio.recipe import Recipe, read_back

STYLE, MELODY = "style", "melody"
LONGEST_NAME = 8  # typed notes that name a melody
LONGEST_MELODY = 120.0  # seconds: what is longer was played, not typed in


@dataclass(frozen=True)
class Clip:
    """One card's music: a melody is one performance, a style one or more. is_top_line: chords were taken away.

    A melody knows the file it was read from, the lines of it that may be the melody, and which of them it is.
    """

    name: str
    performances: tuple[Performance, ...]
    is_top_line: bool = False
    file: MidiFile | None = None
    candidates: tuple[Candidate, ...] = ()
    chosen: int = 0

    @cached_property
    def whole(self) -> Performance:
        """All of it, one after the other."""
        whole = self.performances[0]
        for performance in self.performances[1:]:
            whole = whole.join(performance, gap=1.0)
        return replace(whole, name=self.name)

    @property
    def lyrics(self) -> str:
        """The words of its file as running text."""
        syllables = self.file.lyrics if self.file else ()
        return " ".join("".join(each.text.replace("/", " ").replace("\\", " ") for each in syllables).split())

    def choose(self, candidate: int) -> Clip:
        """The same with another line of its file as the melody."""
        line = self.candidates[candidate]
        performance = replace(line.line, name=self.name)
        return replace(self, performances=(performance,), is_top_line=line.had_chords, chosen=candidate)


@dataclass(frozen=True)
class Opened:
    """What came of some files: at most one clip for each card, settings of a take, and what was wrong with the rest."""

    style: Clip | None = None
    melody: Clip | None = None
    recipe: Recipe | None = None
    errors: tuple[EngineError, ...] = ()


def open_files(paths: Sequence[Path], role: str | None = None) -> Opened:
    """Read files for one card, or each for the card it belongs to. Several performances make one style.

    A take that tells its recipe gives its settings back, unless it is for a card.
    """
    found, errors = _read(paths)
    recipes = [read_back(music.file.recipe) for music in found if music.file.recipe and role is None]
    of_role: dict[str, list[Music]] = {STYLE: [], MELODY: []}
    for music in found:
        if role is not None or music.file.recipe is None:
            of_role[role or _role_of_file(music)].append(music)
    styles, melodies = of_role[STYLE], of_role[MELODY]
    return Opened(
        style=_style([music.performance for music in styles]) if styles else None,
        melody=_melody_of_file(melodies[-1]) if melodies else None,
        recipe=recipes[-1] if recipes else None,
        errors=tuple(errors),
    )


def open_typed(notes: str, role: str) -> Opened:
    """Typed notes for one card. Raises ScoreError where they are none."""
    music = Music(TYPED, typed_melody(notes, " ".join(notes.split()[:LONGEST_NAME])))
    if role == STYLE:
        return Opened(style=_style([music.performance]))
    return Opened(melody=_melody_of_file(music))


def _role_of_file(music: Music) -> str:
    """What is written, typed or hummed is a tune; of MIDI files the music says what it is."""
    return role_of(music.performance) if music.kind == MIDI else MELODY


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


def _melody_of_file(music: Music) -> Clip:
    """The most melody-like line of a file, with the others to choose from."""
    name = music.file.name
    return _warm(Clip(name, (), file=music.file, candidates=tuple(candidates(music.file))).choose(0))


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


def _read(paths: Sequence[Path]) -> tuple[list[Music], list[EngineError]]:
    found: list[Music] = []
    errors: list[EngineError] = []
    for path in paths:
        try:
            music = read_music(path)
            if not music.performance.notes:
                raise ScoreError(f"{path.name} has no notes in it", "Choose a file with something played on keys")
            found.append(replace(music, file=replace(music.file, name=title_of(path))))
        except EngineError as error:
            errors.append(error)
    return found, errors
