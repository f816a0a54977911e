"""The command line, with a fake composer where music is made and the real parts everywhere else."""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest

import engine.playback
from engine.assets import asset
from engine.errors import ModelError, RequestError
from engine.midi import read_file, read_midi, write_midi
from engine.originality import INDEX, index_of, save_index
from engine.performance import Note, Pedal, Performance
from studio import console
from studio.cli import main
from studio.recipe import read_back
from studio.sound_commands import until_ended

CHORDS = Performance.of([Note(0, 1, 72, 80), Note(0, 1, 60, 80), Note(1, 2, 74, 80), Note(1, 2, 62, 80)])
MEASURES = [
    "path", "seed", "seconds", "notes", "steps", "elapsed_s", "realtime", "first_note_s",
    "melody_recall", "melody_f1", "similarity",
]  # fmt: skip
FEATURES = {
    "note_density", "pitch_range", "mean_pitch", "var_pitch",
    "mean_velocity", "var_velocity", "mean_duration", "var_duration", "average",
}  # fmt: skip


@dataclass(frozen=True)
class Request:
    style: Any = None
    melody: Performance | None = None
    seconds: float | None = None
    takes: int = 1
    seed: int = 0
    temperature: float = 1.0
    top_p: float = 0.95
    style_strength: float = 1.0
    melody_strength: float = 1.0
    melody_mode: str = "keep"


class Composer:
    """Plays the melody and a bass whose pitch is the seed's; interrupted_after: events until Ctrl+C."""

    name, device, notice = "fake", "cpu", ""
    requests: ClassVar[list[Request]] = []
    interrupted_after: ClassVar[int | None] = None

    @classmethod
    def load(cls, model: str = "default", device: str = "auto") -> "Composer":
        if model != "default":
            raise ModelError(f"There is no model {model}", "Choose one of: default")
        return cls()

    def style(self, *performances: Performance) -> np.ndarray:
        if min(len(performance) for performance in performances) < 3:
            raise RequestError("Two notes are too little to have a style", "Choose a longer performance")
        return np.array([np.mean(performances[0].arrays[2]), 1.0], dtype=np.float32)

    def length(self, request: Request) -> float:
        return request.seconds or (request.melody.seconds if request.melody else 30.0)

    def compose(self, request: Request, take: int = 0) -> Iterator[Note | Pedal]:
        self.requests.append(request)
        melody = request.melody.notes if request.melody else (Note(0, 1, 72, 80), Note(1, 2, 74, 80))
        events = [Pedal(0.0, 127)]
        for note in melody:
            events += [note, Note(note.start, note.end, 40 + request.seed + take, 50)]
        for count, event in enumerate(events):
            if count == self.interrupted_after:
                raise KeyboardInterrupt
            yield event


@pytest.fixture(autouse=True)
def fake_composer(monkeypatch: pytest.MonkeyPatch) -> type[Composer]:
    module = ModuleType("engine.composer")
    module.Composer, module.Request = Composer, Request
    monkeypatch.setitem(sys.modules, "engine.composer", module)
    monkeypatch.setattr(Composer, "requests", [])
    return Composer


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_a_take_is_on_the_bars_of_its_melody_and_tells_its_recipe() -> None:
    Path("waltz.abc").write_text("X:1\nM:3/4\nL:1/4\nQ:1/4=90\nK:C\nCEG|\n")
    command = ["compose", "--melody", "waltz.abc", "--style", "nocturne", "--seed", "5", "--temperature", "0.7"]
    assert main([*command, "-o", "takes", "--takes", "2"]) == 0
    first, second = (read_file(path) for path in sorted(Path("takes").iterdir()))
    assert [(meter.beats, meter.unit) for meter in first.meters] == [(3, 4)]
    assert first.tempo_map.changes == ((0, 666_667),)
    assert first.recipe is not None and second.recipe is not None
    assert (first.recipe["seed"], second.recipe["seed"]) == (5, 6)
    assert read_back(first.recipe).temperature == 0.7
    assert [source["name"] for source in first.recipe["style"]] == ["nocturne"]
    assert first.recipe["melody"]["name"] == "waltz"


def test_the_fake_request_is_the_composers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "engine.composer")
    real = pytest.importorskip("engine.composer").Request
    assert [(field.name, field.default) for field in fields(Request)] == [
        (field.name, field.default) for field in fields(real)
    ]


def test_compose_writes_one_take_and_describes_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compose", "--style", "nocturne", "--melody", "twinkle", "-o", "out.mid", "--json"]) == 0
    document = printed(capsys)
    assert list(document) == ["model", "device", "takes"]
    (take,) = document["takes"]
    assert list(take) == MEASURES
    assert take["path"] == "out.mid"
    assert (take["notes"], take["steps"], take["seed"]) == (84, 85, 0)
    assert take["melody_recall"] == 1.0
    assert set(take["similarity"]) == FEATURES | {"exact"}
    assert set(take["similarity"]["exact"]) == FEATURES
    assert len(read_midi("out.mid")) == 84


def test_takes_go_into_a_folder_named_by_melody_style_and_seed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("compose --style nocturne --melody twinkle -o takes --takes 2 --seed 5 --json".split()) == 0
    names = [Path(take["path"]).name for take in printed(capsys)["takes"]]
    assert names == ["twinkle – nocturne – 5.mid", "twinkle – nocturne – 6.mid"]
    assert sorted(path.name for path in Path("takes").iterdir()) == names


def test_the_same_seed_writes_the_same_file_and_another_seed_another() -> None:
    for name, seed in (("a.mid", "1"), ("b.mid", "1"), ("c.mid", "2")):
        assert main(["compose", "--melody", "twinkle", "-o", name, "--seed", seed]) == 0
    a, b, c = (read_midi(name).notes for name in ("a.mid", "b.mid", "c.mid"))
    assert a == b != c


def test_without_melody_and_style_their_measures_are_null(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compose", "-o", "out.mid", "--json"]) == 0
    (take,) = printed(capsys)["takes"]
    assert take["melody_recall"] is take["melody_f1"] is take["similarity"] is None


def test_every_option_reaches_the_composer() -> None:
    options = (
        "--takes 1 --seed 3 --seconds 9 --temperature 0.9 --top-p 0.8 --style-strength 2 --melody-strength 0.5 "
        "--melody-mode guide"
    )
    assert main(["compose", "--melody", "twinkle", "-o", "out.mid", *options.split()]) == 0
    (request,) = Composer.requests
    assert request.melody is not None
    assert request == Request(None, request.melody, 9.0, 1, 3, 0.9, 0.8, 2.0, 0.5, "guide")


def test_several_style_files_follow_one_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("compose --style nocturne prelude -o takes".split()) == 0
    assert capsys.readouterr().out.strip().endswith("nocturne + prelude – 0.mid")


def test_the_pedal_is_up_at_the_end_of_a_take() -> None:
    assert main(["compose", "-o", "out.mid"]) == 0
    assert [pedal.value for pedal in read_midi("out.mid").pedals] == [127, 0]


def test_of_a_melody_with_chords_the_top_line_is_taken_and_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    write_midi("chords.mid", CHORDS)
    assert main(["compose", "--melody", "chords.mid", "-o", "out.mid"]) == 0
    assert "chords has chords: its top line is taken as the melody." in capsys.readouterr().err
    (request,) = Composer.requests
    assert request.melody is not None
    assert [note.pitch for note in request.melody.notes] == [72, 74]


def test_ctrl_c_keeps_the_notes_made_and_leaves_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Composer, "interrupted_after", 5)
    assert main("compose --melody twinkle -o takes --takes 3 --json".split()) == 130
    (take,) = printed(capsys)["takes"]
    assert take["notes"] == 4
    assert [path.name for path in Path("takes").iterdir()] == ["twinkle – 0.mid"]


def test_ctrl_c_before_the_first_note_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Composer, "interrupted_after", 0)
    assert main(["compose", "--melody", "twinkle", "-o", "out.mid"]) == 130
    assert not Path("out.mid").exists()


def test_progress_is_one_last_line_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compose", "--melody", "twinkle", "-o", "out.mid"]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert "28.8 of 28.8 s" in line
    assert "× real time" in line


def test_progress_on_a_terminal_is_drawn_at_most_ten_times_a_second(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    now = [0.0]
    line = console.ProgressLine("Take 1 of 1", 20.0, clock=lambda: now[0])
    for _ in range(100):
        now[0] += 0.01
        line.show(2 * now[0])
    drawn = capsys.readouterr().err.split("\r")[1:]
    assert 9 <= len(drawn) <= 11
    assert "2.0 × real time" in drawn[-1]


BAD_REQUESTS = [
    ("--seconds -3", "--seconds -3 can't be used. Give 1 to 3600 seconds."),
    ("--seconds nan", "--seconds nan can't be used. Give 1 to 3600 seconds."),
    ("--temperature 0", "--temperature 0 can't be used. Give 0.05 to 4."),
    ("--top-p 1.5", "--top-p 1.5 can't be used. Give 0.01 to 1."),
    ("--style-strength 5", "--style-strength 5 can't be used. Give 0 to 4."),
    ("--melody-strength -1", "--melody-strength -1 can't be used. Give 0 to 4."),
    ("--takes 65", "--takes 65 can't be used. Give 1 to 64."),
    ("--takes 2", "2 takes don't fit into one file. Give a folder: -o DIR."),
    ("--seed -1", "--seed -1 can't be used. Give 0 to 2147483647."),
    ("--melody-mode sing", "Invalid value for '--melody-mode'"),
    ("--device toaster", "Invalid value for '--device'"),
    ("--model nobody", "There is no model nobody. Choose one of: default."),
    ("--melody missing.mid", "There is no file missing.mid. Check the name."),
    ("--melody text.mid", "text.mid is not a readable MIDI file. Choose a .mid file."),
    ("--melody empty.mid", "empty.mid is empty. Choose another file."),
    ("--melody silent.mid", "silent.mid has no notes in it. Choose a file with something played on keys."),
    ("--style folder", "folder is a folder. Choose a MIDI file inside it."),
    ("--style two.mid", "Two notes are too little to have a style. Choose a longer performance."),
    ("twinkle", "twinkle is neither style nor melody. Put --style or --melody before it."),
    ("-o nowhere/out.mid", "There is no folder nowhere. Make it first, or choose another."),
    ("-o out.wav", "A take is a MIDI file. Give OUT.mid; hommage render makes its sound."),
    ("-o text.txt", "text.txt is a file, but no .mid. Give OUT.mid or a folder."),
    ("--frobnicate", "No such option: --frobnicate"),
]


@pytest.mark.parametrize(("options", "sentence"), BAD_REQUESTS, ids=[options for options, _ in BAD_REQUESTS])
def test_a_bad_request_is_one_line_on_stderr_and_code_2(
    options: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("text.mid").write_text("not music")
    Path("text.txt").write_text("not music")
    Path("empty.mid").touch()
    Path("folder").mkdir()
    write_midi("silent.mid", Performance())
    write_midi("two.mid", Performance.of(CHORDS.notes[:2]))
    before = sorted(Path().rglob("*"))
    assert main(["compose", "-o", "out.mid", *options.split(), "--json"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(sentence)
    assert len(err.splitlines()) == 1
    assert sorted(Path().rglob("*")) == before


def test_a_fault_of_ours_is_one_line_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(Composer, "length", lambda *_: 1 / 0)
    assert main(["compose", "-o", "out.mid"]) == 1
    assert capsys.readouterr().err.startswith("This is a fault in Hommage: ZeroDivisionError")


@pytest.mark.parametrize("arguments", [[], ["studio"], ["studio", "twinkle"]])
def test_without_a_display_the_studio_says_so(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("There is no display to open a window on.")


def test_the_studio_gets_its_files_and_its_code_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    app = ModuleType("studio.app")
    app.run = lambda files, screenshot: opened.append((files, screenshot)) or 3
    monkeypatch.setitem(sys.modules, "studio.app", app)
    assert main(["studio", "mine.mid", "--screenshot", "window.png"]) == 3
    assert opened == [([Path("mine.mid")], Path("window.png"))]


def test_compare_looks_for_the_melody_of_b_in_a(capsys: pytest.CaptureFixture[str]) -> None:
    write_midi("a.mid", CHORDS)
    write_midi("b.mid", Performance.of(CHORDS.notes[1::2]))
    assert main(["compare", "a.mid", "b.mid", "--json"]) == 0
    document = printed(capsys)
    assert list(document) == ["melody_recall", "melody_f1", "similarity"]
    assert document["melody_recall"] == 1.0
    assert set(document["similarity"]) == FEATURES | {"exact"}


def test_compare_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "twinkle", "twinkle"]) == 0
    assert "melody recall   1.00" in capsys.readouterr().out


def test_embed_prints_each_vector_and_their_cosines(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["embed", "nocturne", "etude", "--json"]) == 0
    document = printed(capsys)
    assert (document["model"], document["width"]) == ("fake", 2)
    assert [file["path"] for file in document["files"]] == ["nocturne", "etude"]
    assert document["cosine"][0][0] == document["cosine"][1][1] == 1.0


def test_originality_finds_a_passage_of_the_training_music(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    nocturne = read_midi(asset("examples", "nocturne.mid"))
    save_index(tmp_path / "model" / INDEX, index_of([nocturne.transpose(3)]))
    command = ["originality", "--model", str(tmp_path / "model")]
    assert main([*command, "nocturne", "--json"]) == 0
    document = printed(capsys)
    assert document["longest_shared"]["notes"] > len(nocturne) / 2
    assert main([*command, "etude"]) == 0
    assert "No passage" in capsys.readouterr().out
    (tmp_path / "model" / INDEX).unlink()
    assert main([*command, "etude"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_inspect_prints_what_is_in_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    write_midi("chords.mid", Performance.of(CHORDS.notes, [Pedal(0.5, 100)]))
    assert main(["inspect", "chords.mid", "--notes", "--json"]) == 0
    expected = {
        "path": "chords.mid",
        "notes": 4,
        "seconds": 2.0,
        "pedals": 1,
        "lowest": 60,
        "highest": 74,
        "mean_velocity": 80.0,
        "notes_per_second": 2.0,
        "has_chords": True,
        "note_list": [[0.0, 1.0, 60, 80], [0.0, 1.0, 72, 80], [1.0, 2.0, 62, 80], [1.0, 2.0, 74, 80]],
    }
    facts = printed(capsys)
    assert {name: facts[name] for name in expected} == expected


def test_inspect_of_several_files_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "twinkle", "etude", "--json"]) == 0
    assert [file["has_chords"] for file in printed(capsys)["files"]] == [False, True]


def test_ports_lists_the_built_in_piano_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ports", "--json"]) == 0
    piano = {"name": "Built-in piano", "kind": "piano", "direction": "out", "is_present": True}
    assert printed(capsys)["ports"][0] == piano


def test_render_writes_a_wav_of_the_pieces_length() -> None:
    import wave

    write_midi("chords.mid", CHORDS)
    assert main(["render", "chords.mid", "-o", "out.wav"]) == 0
    with wave.open("out.wav") as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (2, 2, 44100)
        assert sound.getnframes() >= 2 * 44100


@dataclass(frozen=True)
class Status:
    kind: str
    position: float = 0.0
    text: str = ""


class Player:
    """Says what it is told to say, one status a look."""

    says: ClassVar[list[Status]] = []
    closed: ClassVar[list[str]] = []
    told: ClassVar[list[tuple[Any, ...]]] = []

    def __init__(self, port: str) -> None:
        self._port, self._left = port, list(self.says)

    def load(self, performance: Performance) -> None: ...

    def play(self, position: float | None) -> None:
        self.told.append(("play", position))

    def set_tempo_scale(self, scale: float) -> None:
        self.told.append(("scale", scale))

    def set_loop(self, start: float, end: float) -> None:
        self.told.append(("loop", start, end))

    def poll(self) -> list[Status]:
        return [self._left.pop(0)] if self._left else []

    def close(self) -> None:
        self.closed.append(self._port)


@pytest.fixture
def fake_player(monkeypatch: pytest.MonkeyPatch) -> type[Player]:
    monkeypatch.setattr(engine.playback, "Player", Player)
    monkeypatch.setattr(Player, "closed", [])
    monkeypatch.setattr(Player, "told", [])
    return Player


def test_play_ends_with_the_piece_and_closes_the_player(
    fake_player: type[Player], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake_player, "says", [Status("playing"), Status("ended")])
    assert main(["play", "twinkle"]) == 0
    assert fake_player.closed == ["Built-in piano"]
    assert fake_player.told == [("scale", 1.0), ("play", None)]


def test_play_loops_a_region_at_another_speed(fake_player: type[Player], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake_player, "says", [Status("playing"), Status("ended")])
    assert main(["play", "twinkle", "--loop", "2", "4.5", "--speed", "0.5"]) == 0
    assert fake_player.told == [("scale", 0.5), ("loop", 2.0, 4.5), ("play", 2.0)]


def test_play_says_what_the_player_faults_on_and_closes_it(
    fake_player: type[Player], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fake_player, "says", [Status("fault", text="There is no audio device.")])
    assert main(["play", "twinkle"]) == 2
    assert capsys.readouterr().err.startswith("There is no audio device. hommage ports lists what can play.")
    assert fake_player.closed == ["Built-in piano"]


def test_a_port_that_is_gone_is_named_with_those_there_are(
    fake_player: type[Player], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["play", "twinkle", "--port", "Yamaha"]) == 2
    assert capsys.readouterr().err.startswith("There is no port Yamaha. Choose one of: Built-in piano")


def test_a_player_is_looked_at_until_it_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([[], [Status("playing", 0.5)], [], [Status("ended", 1.0), Status("playing", 9.0)]])
    monkeypatch.setattr(time, "sleep", lambda _: None)
    assert [status.position for status in until_ended(lambda: next(looks))] == [0.5, 1.0]
