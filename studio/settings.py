"""What the studio remembers between sessions: typed values with defaults over an injected QSettings."""

from __future__ import annotations

from typing import Generic, TypeVar, cast, overload

from PySide6.QtCore import QByteArray, QSettings

from engine.playback import BUILT_IN

T = TypeVar("T")


class Setting(Generic[T]):
    """One remembered value, read and written as an attribute of Settings."""

    def __init__(self, key: str, default: T) -> None:
        self._key, self._default = key, default

    @overload
    def __get__(self, settings: None, owner: type) -> Setting[T]: ...

    @overload
    def __get__(self, settings: Settings, owner: type) -> T: ...

    def __get__(self, settings: Settings | None, owner: type) -> T | Setting[T]:
        if settings is None:
            return self
        return _read(settings.store.value(self._key), self._default)

    def __set__(self, settings: Settings, value: T) -> None:
        settings.store.setValue(self._key, value)


def _read(stored: object, default: T) -> T:
    """A stored value as the type of its default; a settings file has texts, and someone may have edited it."""
    if isinstance(default, bool):
        return cast(T, {"true": True, "false": False}.get(str(stored).lower(), default))
    if isinstance(default, int | float):
        try:
            return cast(T, type(default)(str(stored)))
        except ValueError:
            return default
    return stored if isinstance(stored, type(default)) else default


class Settings:
    """The studio's memory."""

    port = Setting("output/port", BUILT_IN)
    volume = Setting("output/volume", 0.8)  # 0 to 1
    input = Setting("input/port", "")  # "": the first keyboard there is
    tempo = Setting("metronome/tempo", 120)  # beats a minute
    beats = Setting("metronome/beats", 4)  # in a bar
    count_in = Setting("metronome/count_in", 1)  # bars
    clicks = Setting("metronome/clicks", False)  # after the count-in
    click_port = Setting("metronome/port", "")  # "": where the music is played
    plays_while_composing = Setting("compose/plays_while_composing", True)
    theme = Setting("window/theme", "dark")
    geometry = Setting("window/geometry", QByteArray())
    docks = Setting("window/docks", QByteArray())
    folder = Setting("files/folder", "")

    def __init__(self, store: QSettings) -> None:
        self.store = store
