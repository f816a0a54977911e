"""Graphs made from a model's weights, kept in the user's cache folder.

A file is a digest, then the graphs as a safetensors file of bytes. The digest is of the weights' key and the graphs, so
a file that was damaged, or written for other weights, is as good as none.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from engine.autoencoder import Autoencoder
from engine.checkpoint import weights_hash

log = logging.getLogger(__name__)

LAYOUT = 3  # of the graphs; to be raised when `step_graph` makes others from the same weights
KEPT = 4  # files: the models used last
ENDING = ".graphs"
DIGEST = hashlib.sha256().digest_size  # bytes


def cache_folder() -> Path:
    """Where this program may keep what it can make again."""
    home = Path.home()
    folders = {"darwin": home / "Library" / "Caches", "win32": Path(os.environ.get("LOCALAPPDATA") or home)}
    return folders.get(sys.platform, Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")) / "hommage"


def weights_key(model: Autoencoder, is_quantised: bool) -> str:
    """A digest of all that the graphs are made from."""
    made_from = [LAYOUT, is_quantised, model.config.to_json(), weights_hash(model)]
    return hashlib.sha256(json.dumps(made_from).encode()).hexdigest()


def read_graphs(folder: Path, key: str) -> dict[str, bytes] | None:
    """The graphs kept for a key; None where the file is missing, broken or another's."""
    try:
        content = (folder / (key + ENDING)).read_bytes()
        digest, body = content[:DIGEST], content[DIGEST:]
        return _unpacked(body) if digest == _digest(key, body) else None
    except (OSError, SafetensorError) as error:
        log.info("no graphs are kept: %s", error)
        return None


def write_graphs(folder: Path, key: str, graphs: dict[str, bytes]) -> None:
    """Keep graphs, and no more than those of the models used last. Where nothing can be written, nothing is kept."""
    body = save({name: np.frombuffer(graph, np.uint8) for name, graph in graphs.items()})
    file = folder / (key + ENDING)
    unfinished = file.with_suffix(f".{os.getpid()}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(_digest(key, body) + body)
        unfinished.replace(file)
        by_age = sorted(folder.glob("*" + ENDING), key=lambda each: each.stat().st_mtime)
        for old in by_age[:-KEPT]:
            old.unlink(missing_ok=True)
    except OSError as error:
        log.info("the graphs are not kept: %s", error)
        with suppress(OSError):
            unfinished.unlink()


def _unpacked(body: bytes) -> dict[str, bytes]:
    return {name: graph.tobytes() for name, graph in load(body).items()}


def _digest(key: str, body: bytes) -> bytes:
    return hashlib.sha256(key.encode() + body).digest()
