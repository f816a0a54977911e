"""What every test runs under: no display, no traces in the user's folders; what can't run here is skipped."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch loads; see studio.cli.main
os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp(prefix="hommage-tests-")  # QSettings writes here
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="hommage-tests-")  # and models keep their graphs here
if "XDG_RUNTIME_DIR" not in os.environ:  # Qt would warn, and a Qt warning fails a test
    os.environ["XDG_RUNTIME_DIR"] = tempfile.mkdtemp(prefix="hommage-tests-")

settings.register_profile("hommage", deadline=None)  # the machine may be busy
settings.load_profile("hommage")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what this machine can't run, and say why."""
    needs = {"gpu": (_has_gpu, "no CUDA or MPS device"), "audio": (_has_audio, "no audio device")}
    for marker, (is_there, reason) in needs.items():
        marked = [item for item in items if item.get_closest_marker(marker)]
        if marked and not is_there():
            for item in marked:
                item.add_marker(pytest.mark.skip(reason=reason))


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available() or torch.backends.mps.is_available()


def _has_audio() -> bool:
    import miniaudio

    try:
        names = [device["name"] for device in miniaudio.Devices().get_playbacks()]
    except miniaudio.MiniaudioError:
        return False
    return any("Discard all samples" not in name for name in names)  # that one is miniaudio's null backend


@pytest.fixture
def archive() -> Path:
    """The folder of the performance archive, named by HOMMAGE_ARCHIVE; a test that needs it skips without."""
    folder = os.environ.get("HOMMAGE_ARCHIVE", "")
    if not folder or not (Path(folder) / "catalogue.csv").exists():
        pytest.skip("HOMMAGE_ARCHIVE names no performance archive")
    return Path(folder)
