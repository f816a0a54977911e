"""Where the files that come with the program are: models, SoundFont, examples, icons."""

from pathlib import Path

from engine.errors import ModelError

# In a clone `assets/` lies beside the packages; a wheel carries it as `hommage_assets/`.
FOLDERS = ("assets", "hommage_assets")


def asset(*parts: str) -> Path:
    """The path of one bundled file or folder: asset("examples", "twinkle.mid"). It need not exist."""
    beside = Path(__file__).resolve().parent.parent
    places = [beside / folder for folder in FOLDERS]
    return next((place for place in places if place.is_dir()), places[0]).joinpath(*parts)


def model_folder(model: str) -> Path:
    """The folder of a shipped model by name, or of one's own. Raises ModelError where there is no such model."""
    folder = Path(model) if Path(model).is_dir() else asset("models", model)
    if not folder.is_dir():
        shipped = ", ".join(sorted(path.name for path in asset("models").glob("*/"))) or "none"
        raise ModelError(f"There is no model called {model}", f"Shipped with this version: {shipped}")
    return folder
