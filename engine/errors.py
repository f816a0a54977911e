"""What a user may meet: errors that say what is wrong and what to do next, in one sentence each."""


class EngineError(Exception):
    """An error for a person. message: what is wrong; next_step: what to do about it (may be empty)."""

    title = "Something went wrong"

    def __init__(self, message: str, next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step

    def __str__(self) -> str:
        """The one line shown on a command line or in a banner."""
        return f"{self.message}. {self.next_step}".rstrip(" .") + "."


class MidiError(EngineError):
    """A MIDI file that can't be read or written."""

    title = "This MIDI file can't be used"


class ScoreError(EngineError):
    """A score, a line of typed notes or a recording that can't be read, or a file of another kind not written."""

    title = "This file can't be used"


class ModelError(EngineError):
    """A model that is missing, broken, or not made for this version."""

    title = "This model can't be used"


class RequestError(EngineError):
    """A request that can't be composed as asked."""

    title = "This can't be composed"


class PlaybackError(EngineError):
    """A port or an audio device that can't be used."""

    title = "This can't be played"
