"""Hommage's engine: performances, their style, and new performances in that style. Knows nothing of Qt."""

__version__ = "0.1.0"
