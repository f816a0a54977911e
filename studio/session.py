"""What is open: a style, a melody, the takes. Files are read and written beside the window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from studio.background import Background
from studio.clip import MELODY, STYLE, Clip, Opened, open_files, open_typed
from studio.exports import WRITERS, write_export
from studio.mime import TakeFolder
from studio.notice import Notice
from studio.recipe import Recipe
from studio.takes import State, Take, TakeListModel
from studio.words import filled


class Session(QObject):
    """The open clips by role (STYLE, MELODY) and the takes made of them."""

    clip_changed = Signal(str, object)  # role, Clip or None
    recipe_found = Signal(Recipe)  # in a file of a take
    noticed = Signal(Notice)

    def __init__(self, background: Background, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._background = background
        self._folder = TakeFolder()
        self._clips: dict[str, Clip] = {}
        self.takes = TakeListModel(self._folder.mime_of, self)
        self.takes.take_changed.connect(self._prepare_file)

    def clip(self, role: str) -> Clip | None:
        """What is on a card."""
        return self._clips.get(role)

    def open(self, paths: Sequence[Path], role: str | None = None) -> None:
        """Read files onto a card; without a role each file goes where it belongs."""
        files = list(paths)
        self._background.run(lambda: open_files(files, role), self._show_opened)

    def open_typed(self, notes: str, role: str) -> None:
        """Put typed notes on a card."""
        self._background.run(lambda: open_typed(notes, role), self._show_opened)

    def place(self, role: str, clip: Clip) -> None:
        """Put music on a card."""
        self._clips[role] = clip
        self.clip_changed.emit(role, clip)

    def choose_melody(self, candidate: int) -> None:
        """Another line of the melody's file."""
        clip = self.clip(MELODY)
        if clip is not None and candidate != clip.chosen and candidate < len(clip.candidates):
            self.place(MELODY, clip.choose(candidate))

    def clear(self, role: str) -> None:
        """Empty a card."""
        self._clips.pop(role, None)
        self.clip_changed.emit(role, None)

    def named(self, recipe: Recipe) -> Recipe:
        """The recipe with the names of what is open."""
        style, melody = self.clip(STYLE), self.clip(MELODY)
        return replace(
            recipe,
            style_name=style.name if style else "",
            melody_name=melody.name if melody else "",
        )

    def export(self, take: Take, path: Path) -> None:
        """Write a take where the person wants it: MIDI, or what the name's suffix says."""
        target = path if path.suffix.lower() in WRITERS else path.with_name(path.name + ".mid")
        saved = Notice.remark(self.tr("Saved"), str(target))
        self._background.run(lambda: write_export(target, take.export), lambda _: self.noticed.emit(saved))

    def close(self) -> None:
        """Nothing stays behind on the disk."""
        self._folder.close()

    def _show_opened(self, opened: Opened) -> None:
        for role, clip in ((STYLE, opened.style), (MELODY, opened.melody)):
            if clip is not None:
                self.place(role, clip)
        if opened.melody is not None and opened.melody.is_top_line:
            title = self.tr("This melody has chords")
            text = filled(self.tr("The top line of “%1” is taken"), opened.melody.name)
            self.noticed.emit(Notice.remark(title, text))
        if opened.recipe is not None:
            self._show_recipe(opened.recipe)
        for error in opened.errors:
            self.noticed.emit(Notice.of(error))

    def _show_recipe(self, recipe: Recipe) -> None:
        self.recipe_found.emit(recipe)
        names = [name for name in (recipe.melody_name, recipe.style_name) if name]
        made_of = filled(self.tr("It was made of: %1"), " – ".join(names)) if names else ""
        self.noticed.emit(Notice.remark(self.tr("The settings of this take are back"), made_of))

    def _prepare_file(self, row: int) -> None:
        take = self.takes.take(row)
        if take.state is not State.COMPOSING and len(take.performance):
            self._background.run(lambda: self._folder.prepare(take), lambda _: None)
