"""The import rules: the engine knows no Qt, the window starts without torch, each layer knows only those below."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted(path for package in ("engine", "studio") for path in (ROOT / package).rglob("*.py"))

# Each layer may import those before it, none after it.
LAYERS = (
    {"errors", "performance"},
    {"midi_file"},
    {"midi", "alignment", "melody", "features", "vocabulary"},
    {"scores", "candidates", "beats", "recording", "microphone"},
    {"typed", "humming"},
    {"music"},
    {"codec", "event_codec"},
    {"situation", "transformer"},
    {"autoencoder", "metavae"},
    {"checkpoint", "sampling"},
    {"torch_decoder"},
    {"decoding", "event_decoding"},
    {"given_writing", "surprise", "harmony"},
    {"step_graph", "kept_graphs"},
    {"onnx_decoder", "gpu_decoder"},
    {"composer"},
    {"arranging", "performing"},
)
PLAYBACK_KNOWS = (
    "engine.playback",
    "engine.performance",
    "engine.midi",
    "engine.midi_file",
    "engine.errors",
    "engine.assets",
)
COMPOSER_DOORS = {"studio.engine_thread", "studio.cli", "studio.arranging_commands", "studio.bench_commands"}
TRAINING_DOORS = {
    "studio.cli",
    "studio.measuring",
    "studio.training_commands",
    "studio.arranging_evaluations",
    "studio.metavae_commands",
}
CONNECTORS = {"studio.app", "studio.main_window"}
PARTS = {"studio.miniature", "studio.number_box"}  # what a widget may be made of
QT_WIDGETS = (
    "QWidget",
    "QFrame",
    "QAbstract",
    "QList",
    "QTree",
    "QTable",
    "QLabel",
    "QPush",
    "QTool",
    "QDialog",
    "QDock",
)


class Import(NamedTuple):
    """One import. is_lazy: inside a function."""

    name: str
    is_lazy: bool


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports(path: Path) -> list[Import]:
    return list(_imports(ast.parse(path.read_text(encoding="utf-8")), is_lazy=False))


def _imports(node: ast.AST, is_lazy: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, is_lazy) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "imports are absolute"
            yield Import(child.module or "", is_lazy)
            yield from (Import(f"{child.module}.{alias.name}", is_lazy) for alias in child.names)
        elif not _is_for_types_only(child):
            yield from _imports(child, is_lazy or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef))


def _is_for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def is_within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def layer(name: str) -> int | None:
    parts = name.split(".")
    if parts[0] != "engine" or len(parts) < 2:
        return None
    return next((index for index, names in enumerate(LAYERS) if parts[1] in names), None)


def is_widget(path: Path) -> bool:
    classes = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.ClassDef)]
    bases = [ast.unparse(base) for node in classes for base in node.bases]
    models = ("QAbstractListModel", "QAbstractItemModel", "QAbstractTableModel")
    return any(base.startswith(QT_WIDGETS) and base not in models for base in bases)


WIDGETS = {module_name(path) for path in MODULES if is_widget(path)} - CONNECTORS

every_module = pytest.mark.parametrize("path", MODULES, ids=[module_name(path) for path in MODULES])


@every_module
def test_the_engine_knows_neither_qt_nor_the_studio(path: Path) -> None:
    if is_within(module_name(path), "engine"):
        assert not [each.name for each in imports(path) if is_within(each.name, "PySide6", "studio")]


@every_module
def test_a_layer_of_the_engine_imports_none_above_it(path: Path) -> None:
    own = layer(module_name(path))
    if own is not None:
        above = [each.name for each in imports(path) if (layer(each.name) or 0) > own]
        assert not above


@every_module
def test_playback_knows_performances_and_files_only(path: Path) -> None:
    if is_within(module_name(path), "engine.playback"):
        ours = [each.name for each in imports(path) if is_within(each.name, "engine") and each.name != "engine"]
        assert not [name for name in ours if not is_within(name, *PLAYBACK_KNOWS)]
        assert not [each.name for each in imports(path) if is_within(each.name, "torch")]


@every_module
def test_training_is_imported_by_the_commands_that_need_it_alone(path: Path) -> None:
    name = module_name(path)
    if is_within(name, "engine.training"):
        return
    found = [each for each in imports(path) if is_within(each.name, "engine.training")]
    assert not found or name in TRAINING_DOORS
    assert all(each.is_lazy for each in found)


@every_module
def test_the_composer_has_two_doors_in_the_studio_and_both_open_late(path: Path) -> None:
    name = module_name(path)
    if not is_within(name, "studio"):
        return
    found = [each for each in imports(path) if is_within(each.name, "engine.composer")]
    assert not found or name in COMPOSER_DOORS
    assert all(each.is_lazy for each in found)


@every_module
def test_a_widget_knows_neither_session_nor_engine_nor_another_widget(path: Path) -> None:
    name = module_name(path)
    if name in WIDGETS:
        strangers = {"studio.session", "studio.engine_thread", *WIDGETS, *CONNECTORS} - PARTS - {name}
        assert not [each.name for each in imports(path) if is_within(each.name, *strangers)]


@pytest.mark.parametrize(
    ("module", "left_out"),
    [
        ("engine", ["torch", "PySide6", "mido"]),
        ("engine.playback", ["torch", "PySide6"]),
        ("studio.app", ["torch"]),
        ("studio.cli", ["torch", "PySide6", "rtmidi", "miniaudio"]),
        ("studio.__main__", ["torch", "PySide6"]),
    ],
)
def test_importing_a_module_leaves_the_heavy_ones_unloaded(module: str, left_out: list[str]) -> None:
    assert loaded_by(f"import {module}", left_out) == "set()"


@pytest.mark.parametrize("path", [path for path in MODULES if "training" in path.parts], ids=lambda path: path.stem)
def test_training_needs_no_qt(path: Path) -> None:
    assert loaded_by(f"import {module_name(path)}", ["PySide6", "rtmidi", "miniaudio"]) == "set()"


def loaded_by(statement: str, names: list[str]) -> str:
    """Which of the names a fresh Python has loaded after the statement, as a set's repr."""
    code = f"import sys; {statement}; print({set(names)!r} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()
