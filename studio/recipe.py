"""Recipe: what a take is made of, as set in the window, as a take keeps it, and as a file of a take tells it. No Qt."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import engine
from engine.assets import model_folder
from engine.errors import ModelError
from engine.performance import Performance

KEEP, GUIDE = "keep", "guide"
DEFAULT_MODEL = "default"
HASH_DIGITS = 16  # of a source's SHA-256


@dataclass(frozen=True)
class Recipe:
    """Settings of one composing. seconds None: as long as the melody; take k of it uses seed + k."""

    takes: int = 1
    seconds: float | None = None
    temperature: float = 1.0
    style_strength: float = 1.0
    melody_mode: str = KEEP
    seed: int = 1
    style_name: str = ""
    melody_name: str = ""


# setting: (lowest, highest) that a file's recipe may say; beyond it the setting is left as it is
RANGES = {"seconds": (1.0, 3600.0), "temperature": (0.05, 4.0), "style_strength": (0.0, 4.0), "seed": (0, 2**31 - 1)}


def written(
    recipe: Recipe,
    styles: Sequence[Performance],
    melody: Performance | None,
    model: str = DEFAULT_MODEL,
    **more: float,
) -> dict[str, Any]:
    """What a take's file says of how it was made, as JSON holds it. recipe: with its own seed; more: settings."""
    settings = {
        "seconds": recipe.seconds,
        "temperature": recipe.temperature,
        "style_strength": recipe.style_strength,
        "melody_mode": recipe.melody_mode,
    }
    return {
        "hommage": engine.__version__,
        "model": {"name": model, "weights": model_hash(model)},
        "seed": recipe.seed,
        "settings": settings | more,
        "style": [_source(style) for style in styles],
        "melody": _source(melody) if melody else None,
        "names": {"style": recipe.style_name, "melody": recipe.melody_name},
    }


def read_back(document: Mapping[str, Any]) -> Recipe:
    """The settings in what `written` wrote; what is missing or impossible in it stays as usual."""
    settings = document.get("settings")
    said = {**settings, "seed": document.get("seed")} if isinstance(settings, dict) else {"seed": document.get("seed")}
    found: dict[str, Any] = {name: said[name] for name in RANGES if _is_within(said.get(name), *RANGES[name])}
    if "seed" in found:
        found["seed"] = int(found["seed"])
    if said.get("melody_mode") in (KEEP, GUIDE):
        found["melody_mode"] = said["melody_mode"]
    names = document.get("names")
    texts = names if isinstance(names, dict) else {}
    return Recipe(style_name=_text(texts.get("style")), melody_name=_text(texts.get("melody")), **found)


def model_hash(model: str) -> str:
    """Which weights a model has, as 64 hexadecimal digits; "" for a model that is not on this disk."""
    try:
        return str(json.loads((model_folder(model) / "config.json").read_text(encoding="utf-8"))["weights"])
    except (ModelError, OSError, ValueError, KeyError, TypeError):
        return ""


def _source(performance: Performance) -> dict[str, str]:
    """A source's name, and a hash of its notes and pedals: the same music in another file is the same source."""
    digest = hashlib.sha256()
    for column in performance.arrays:
        digest.update(column.astype("<f8").tobytes())
    digest.update(repr(performance.pedals).encode())
    return {"name": performance.name, "hash": digest.hexdigest()[:HASH_DIGITS]}


def _is_within(value: Any, lowest: float, highest: float) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return is_number and lowest <= value <= highest


def _text(value: Any) -> str:
    return value[:200] if isinstance(value, str) else ""
