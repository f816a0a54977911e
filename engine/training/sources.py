"""Where files to prepare come from: folders, archives, catalogues. An archive is read in place, nothing is unpacked."""

from __future__ import annotations

import csv
import io
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple

from engine.errors import RequestError
from engine.training.dataset import SPLITS

CATALOGUE = "catalogue.csv"
SUFFIXES = (".mid", ".midi", ".kar", ".rmi")
LARGEST = 4 << 20  # bytes of a file: ten times the longest recital of the training archive
BROKEN = (OSError, EOFError, RuntimeError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError)
GIVE = "Give a folder, a catalogue.csv, a .zip or a .tar"

Open = Callable[[str], IO[bytes]]  # raises one of BROKEN


class Known(NamedTuple):
    """What a catalogue says of a file; "" where there is none or it does not say."""

    split: str = ""
    piece_id: str = ""
    composer: str = ""
    performer: str = ""


class File(NamedTuple):
    """One file of a source. path: its name in the data set; name: in the source, where `opened` opens it."""

    path: str
    known: Known
    name: str
    opened: Open

    def content(self) -> bytes | str:
        """Its bytes, or why there are none."""
        try:
            with self.opened(self.name) as file:
                content = file.read(LARGEST + 1)
        except BROKEN as error:
            return f"It can't be read: {getattr(error, 'strerror', None) or error}."
        return content if len(content) <= LARGEST else f"It is larger than {LARGEST >> 20} MB."


def files(sources: Sequence[Path], stack: ExitStack) -> Iterator[File]:
    """The files of all sources, those of an archive in its own order. Archives stay open until the stack closes.

    With more sources than one, paths and piece ids begin with the source's. Raises RequestError where a source can't be
    read or its catalogue is wrong.
    """
    sources = list(dict.fromkeys(sources))
    for number, source in enumerate(sources, 1):
        prefix = f"{number}-{source.stem}/" if len(sources) > 1 else ""
        try:
            names, opened, catalogue = _look_into(source, stack)
            rows = _catalogue(opened(catalogue), f"The catalogue of {source}") if catalogue else None
        except BROKEN as error:
            raise RequestError(f"{source} can't be read: {getattr(error, 'strerror', None) or error}", GIVE) from error
        if rows is None:
            is_music = (name for name in names if name.lower().endswith(SUFFIXES) and "/." not in f"/{name}")
            yield from (File(prefix + name, Known(), name, opened) for name in is_music)
            continue
        base = PurePosixPath(catalogue).parent
        found = [(str(base / path), path, known) for path, known in rows.items()]
        order = {name: place for place, name in enumerate(names)}
        for name, path, known in sorted(found, key=lambda row: order.get(row[0], len(order))):
            piece_id = known.piece_id and prefix + known.piece_id
            yield File(prefix + path, known._replace(piece_id=piece_id), name, opened)


def _look_into(source: Path, stack: ExitStack) -> tuple[Iterable[str], Open, str]:
    """Names of what is in a source (nothing of a folder with a catalogue), how to open one, its catalogue's or ""."""
    if source.suffix.lower() == ".csv" and source.is_file():
        return (), partial(_open_below, source.parent), source.name
    if source.is_dir():
        has_catalogue = (source / CATALOGUE).is_file()
        names = () if has_catalogue else _walk(source)
        return names, partial(_open_below, source), CATALOGUE if has_catalogue else ""
    if not source.exists():
        raise RequestError(f"There is no folder or archive {source}", "Check the name")
    members: Mapping[str, Any]
    if zipfile.is_zipfile(source):
        zipped = stack.enter_context(zipfile.ZipFile(source))
        members = {str(PurePosixPath(each.filename)): each for each in zipped.infolist() if not each.is_dir()}
        opened = partial(_open_member, members, zipped.open)
    elif tarfile.is_tarfile(source):
        archive = stack.enter_context(tarfile.open(source))  # noqa: SIM115 - the stack closes it
        members = {str(PurePosixPath(each.name)): each for each in archive if each.isfile()}
        opened = partial(_open_member, members, archive.extractfile)
    else:
        raise RequestError(f"{source} is neither a folder nor an archive", GIVE)
    catalogues = [name for name in members if PurePosixPath(name).name == CATALOGUE]
    return members, opened, min(catalogues, key=lambda name: name.count("/"), default="")


def _walk(folder: Path) -> Iterator[str]:
    for place, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(place, name).relative_to(folder).as_posix() for name in sorted(names))


def _open_below(folder: Path, name: str) -> IO[bytes]:
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise OSError("it is outside of its folder")
    return (folder / name).open("rb")


def _open_member(members: Mapping[str, Any], opened: Callable[[Any], IO[bytes] | None], name: str) -> IO[bytes]:
    file = opened(members[name]) if name in members else None
    if file is None:
        raise OSError("it is not in the archive")
    return file


def _catalogue(file: IO[bytes], name: str) -> dict[str, Known]:
    """What a catalogue says of each path in it. Raises RequestError where it is not usable."""
    rows: dict[str, Known] = {}
    splits: dict[str, str] = {}
    try:
        with io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
            for number, row in enumerate(csv.DictReader(text), 1):
                known = Known(*(row.get(column) or "" for column in Known._fields))
                if not row.get("path"):
                    raise RequestError(f"{name} has no path in row {number}", "Put paths in a column named path")
                if known.split and known.split not in SPLITS:
                    raise RequestError(
                        f"{name} has a split {known.split}", f"Use {', '.join(SPLITS)} or leave it empty"
                    )
                if known.piece_id and known.split and known.split != splits.setdefault(known.piece_id, known.split):
                    raise RequestError(f"{name} has piece {known.piece_id} in two splits", "Put each piece in one")
                rows[row["path"]] = known
    except (UnicodeDecodeError, csv.Error) as error:
        raise RequestError(f"{name} is not a table: {error}", "Save it as CSV in UTF-8") from error
    return rows
