"""Where the files that come with the program are: models, SoundFont, examples, icons."""

from pathlib import Path

# In a clone `assets/` lies beside the packages; a wheel carries it as `hommage_assets/`.
FOLDERS = ("assets", "hommage_assets")


def asset(*parts: str) -> Path:
    """The path of one bundled file or folder: asset("examples", "twinkle.mid"). It need not exist."""
    beside = Path(__file__).resolve().parent.parent
    places = [beside / folder for folder in FOLDERS]
    return next((place for place in places if place.is_dir()), places[0]).joinpath(*parts)
