"""Recipe: what a take is made of, as set in the window and as a take keeps it. No Qt."""

from __future__ import annotations

from dataclasses import dataclass

KEEP, GUIDE = "keep", "guide"


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
