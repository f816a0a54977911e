"""Every command of the window in one table: text, shortcuts, menu, icon."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication, QObject, Qt
from PySide6.QtGui import QAction, QKeySequence

from studio.icons import icon
from studio.theme import Theme

CONTEXT = "Actions"


@dataclass(frozen=True)
class Command:
    """One row. text and menu are shown; `is_checkable`: it is on or off; `is_after_line`: a line above it."""

    name: str
    text: str
    menu: str
    shortcuts: tuple[str, ...] = ()
    icon: str = ""
    is_checkable: bool = False
    is_after_line: bool = False


def _t(text: str) -> str:
    """Marks a text for translation; it is translated when the actions are made."""
    return str(QT_TRANSLATE_NOOP(CONTEXT, text))


FILE, COMPOSE, PLAY, PERFORM, VIEW = _t("&File"), _t("&Compose"), _t("&Play"), _t("Pe&rform"), _t("&View")
COMMANDS = (
    Command("open_style", _t("Open a &style…"), FILE, ("Ctrl+O",), "open"),
    Command("open_melody", _t("Open a &melody…"), FILE, ("Ctrl+Shift+O",), "open"),
    Command("clear_style", _t("Clear the style"), FILE, (), is_after_line=True),
    Command("clear_melody", _t("Clear the melody"), FILE),
    Command("export", _t("&Export MIDI…"), FILE, ("Ctrl+E",), "export", is_after_line=True),
    Command("quit", _t("&Quit"), FILE, ("Ctrl+Q",), is_after_line=True),
    Command("compose", _t("&Compose"), COMPOSE, ("Ctrl+Return", "Ctrl+Enter")),
    Command("cancel", _t("C&ancel"), COMPOSE, ("Esc",)),
    Command("dice", _t("Another &seed"), COMPOSE, ("Ctrl+D",), "dice"),
    Command("live", _t("&Play while composing"), COMPOSE, (), "live", is_checkable=True, is_after_line=True),
    Command("play", _t("&Play"), PLAY, ("Space",), "play"),
    Command("stop", _t("&Stop and return"), PLAY, ("Return", "Enter", "Home"), "start"),
    Command("previous_take", _t("P&revious take"), PLAY, ("[",), is_after_line=True),
    Command("next_take", _t("&Next take"), PLAY, ("]",)),
    Command("panic", _t("&Silence everything"), PLAY, ("F12", "Ctrl+."), "panic", is_after_line=True),
    Command("record", _t("&Record"), PERFORM, ("R",), "record", is_checkable=True),
    Command("keep_played", _t("&Keep what I just played"), PERFORM, ("Shift+R",)),
    Command("recording_to_melody", _t("Use the recording as &melody"), PERFORM, (), is_after_line=True),
    Command("recording_to_style", _t("Use the recording as &style"), PERFORM),
    Command("metronome", _t("Me&tronome"), PERFORM, ("K",), "metronome", is_checkable=True, is_after_line=True),
    Command("count_in", _t("&Count in one bar"), PERFORM, (), is_checkable=True),
    Command("tap", _t("T&ap the tempo"), PERFORM, ("T",)),
    Command(
        "follow_playing",
        _t("&Follow my playing"),
        PERFORM,
        ("Shift+F",),
        "follow_playing",
        is_checkable=True,
        is_after_line=True,
    ),
    Command("zoom_in", _t("Zoom &in"), VIEW, ("Ctrl++", "Ctrl+=")),
    Command("zoom_out", _t("Zoom &out"), VIEW, ("Ctrl+-",)),
    Command("zoom_fit", _t("Show &all"), VIEW, ("Ctrl+0",)),
    Command("follow", _t("&Follow the playhead"), VIEW, ("F",), is_checkable=True),
    Command("light", _t("&Light colours"), VIEW, (), is_checkable=True, is_after_line=True),
)
MENUS = (FILE, COMPOSE, PLAY, PERFORM, VIEW)


def translated(text: str) -> str:
    """A text of the table in the person's language."""
    return QCoreApplication.translate(CONTEXT, text)


def make_actions(parent: QObject, theme: Theme) -> dict[str, QAction]:
    """The table's actions by name."""
    actions = {}
    for command in COMMANDS:
        action = QAction(translated(command.text), parent)
        action.setObjectName(command.name)
        action.setShortcuts([QKeySequence(keys) for keys in command.shortcuts])
        action.setShortcutContext(Qt.ShortcutContext.WindowShortcut)
        action.setCheckable(command.is_checkable)
        keys = f" ({command.shortcuts[0]})" if command.shortcuts else ""
        action.setToolTip(translated(command.text).replace("&", "") + keys)
        actions[command.name] = action
    colour_actions(actions, theme)
    return actions


def colour_actions(actions: dict[str, QAction], theme: Theme) -> None:
    """Icons in the theme's colours; the play button is dark on light, since it is the main one."""
    for command in COMMANDS:
        if command.icon:
            colour = theme.window if command.name == "play" else theme.text
            on = (theme.fault if command.name == "record" else theme.style) if command.is_checkable else ""
            actions[command.name].setIcon(icon(command.icon, colour, on))
            actions[command.name].setIconVisibleInMenu(False)
