"""The decoder on a CPU: the graphs of `step_graph` in ONNX Runtime, on one thread, with the cache written in place.

What the decoder listens to is made by torch, once a window; embeddings are rows of arrays. Graphs, wherever they come
from, are used only if they say what torch says. Where anything is amiss with ONNX Runtime, torch decodes.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.autoencoder import Autoencoder, Decoder
from engine.kept_graphs import read_graphs, weights_key, write_graphs
from engine.situation import COMING, Melody, Situation, SituationEmbedding
from engine.torch_decoder import StepDecoder, TorchDecoder, remembered
from engine.transformer import STEP, Block, Memory, Rotation
from engine.vocabulary import KEYS

log = logging.getLogger(__name__)

TOLERANCE = 0.1  # how far logits may be from torch's, as a share of their size
Array = NDArray[Any]
Sessions = dict[str, Any]  # onnxruntime.InferenceSession by the graph's name


def onnx_decoders(model: Autoencoder, folder: Path | None) -> Callable[[], StepDecoder]:
    """Makes the decoder of a take: this module's where it can be, else torch's. folder: as of `sessions`."""
    try:
        return partial(OnnxDecoder, model, sessions(model, folder))
    except Exception as error:  # it need not be installed, and a wheel may fail on a machine in its own ways
        log.info("torch decodes, since ONNX Runtime can't: %s", error)
        return partial(TorchDecoder, model)


def sessions(model: Autoencoder, folder: Path | None, is_quantised: bool = True) -> Sessions:
    """The model's graphs, ready to run: those kept in the folder, or made and kept there (None: nowhere).

    Raises ImportError without ONNX Runtime, ValueError where the graphs would not say what torch says.
    """
    block = model.config.block
    if block.positions != "rotary" or block.timing or block.key_head != block.head or block.head % 16:
        raise ValueError("there are no graphs for this kind of attention")
    key = weights_key(model, is_quantised)
    kept = None if folder is None else read_graphs(folder, key)
    if kept is not None:
        try:
            return _ready(model, kept)
        except Exception as error:  # as of graphs made by another version
            log.info("the graphs of %s are made again: %s", key, error)
    from engine.step_graph import build  # needs onnx, which graphs already made do not

    graphs = build(model, is_quantised)
    ready = _ready(model, graphs)
    if folder is not None:
        write_graphs(folder, key, graphs)
    return ready


def quiet_onnxruntime() -> Any:
    """The module onnxruntime, loaded so that it tells its makers nothing.

    Since 1.29 its wheels for Linux and macOS number the machine and report sessions over the network, unless the
    variable is set before they are loaded; on Windows only the call has an effect.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime  # late: it need not be installed

    onnxruntime.disable_telemetry_events()
    return onnxruntime


def _ready(model: Autoencoder, graphs: dict[str, bytes]) -> Sessions:
    onnxruntime = quiet_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    cpu = ["CPUExecutionProvider"]
    ready = {name: onnxruntime.InferenceSession(graph, options, providers=cpu) for name, graph in graphs.items()}
    for said, expected in zip(_trial(OnnxDecoder(model, ready)), _trial(TorchDecoder(model)), strict=True):
        if not (said - expected).norm() <= TOLERANCE * expected.norm() + 1e-3:
            raise ValueError("the graphs do not say what torch says")
    return ready


def _trial(decoder: StepDecoder) -> list[Tensor]:
    """The answers to a few questions."""
    model, one = decoder.model, torch.ones(1, 1, dtype=torch.long)
    melody_fields = len(model.codec.melody_fields)
    melody = Melody(one[..., None].expand(-1, -1, melody_fields), 40 * one, 90 * one, 50 * one, one.bool())
    decoder.begin(remembered(model, torch.zeros(1, model.config.block.width), melody, [(True, True)]))
    steps = torch.arange(8) * 5
    fields = len(model.codec.fields)
    tokens, struck = (7 + steps[1:, None] // 5).expand(-1, fields), torch.zeros(7, dtype=torch.bool)
    if not model.decoder.is_notes:
        return [decoder.read(tokens, struck, None, steps).clone()]
    key = torch.full((1, 8), 40)
    situation = Situation(torch.zeros(1, 8, KEYS + 1), key, key, key, key, torch.zeros(1, 8, COMING))
    answers = [decoder.read(tokens, struck, situation, steps).clone()]
    arrived = Situation(*(part[:, -1:] for part in situation))
    answers.append(decoder.arrive(3, arrived, 38).clone())
    return [*answers, decoder.choose(1, 40).clone(), decoder.choose(2, 9).clone()]


class OnnxDecoder:
    """See `StepDecoder`. Keys and values lie in place: each step's are written behind those before."""

    def __init__(self, model: Autoencoder, ready: Sessions) -> None:
        self.model, self.sessions = model, ready
        self.embeddings = _Embeddings(model.decoder)
        self.turn_by_second = Rotation.by_second(model.config.block.key_head).numpy()
        self.cache: dict[str, Array] = {}
        types = {each.name: each.type for each in ready["trunk"].get_inputs()}
        self.kept_as = np.int8 if types["keys_0"] == "tensor(int8)" else np.float32

    def begin(self, memory: Memory) -> None:
        """Open a window."""
        self.length, self.rows = 0, len(memory.vectors)
        block, layers = self.model.config.block, range(len(self.model.decoder.blocks))
        if not self.cache or len(self.cache["keys_0"]) != self.rows:
            room = (self.rows, block.kv_heads, self.model.config.window + 2, block.head)
            self.cache = {f"{kind}_{at}": np.zeros(room, self.kept_as) for kind in ("keys", "values") for at in layers}
        self.heard = _heard(self.model.decoder, memory)
        self.states = [np.zeros((self.rows, 1, block.width), np.float32) for _ in range(4)]
        self.trunk = self._trunk(1, slice(self.rows))
        if self.model.decoder.is_notes:
            self.stages = [self._stage(name, index) for index, name in enumerate(("arrive", "choose_1", "choose_2"))]

    @property
    def state(self) -> Tensor:
        """From which the next step is chosen, (rows, 1, width)."""
        return torch.from_numpy(self.states[0])

    def read(self, tokens: Tensor, struck: Tensor, situation: Situation | None, steps: Tensor) -> Tensor:
        """Read steps."""
        time = len(steps)
        x = np.empty((self.rows, time, self.model.config.block.width), np.float32)
        x[:, time - len(tokens) :] = self.embeddings.of_steps(tokens.numpy(), struck.numpy())
        if len(tokens) < time:
            x[:, 0] = self.embeddings.begin
        if situation is not None:
            x += self.embeddings.before(situation)
        held = None if situation is None else situation.held.numpy()
        self.length += time
        if time == 1:
            return self._run(self.trunk, x, held, steps.numpy(), self.length)
        for row in range(self.rows):
            only = slice(row, row + 1)
            trunk = self._trunk(time, only)
            self._run(trunk, x[only], None if held is None else held[only], steps.numpy(), self.length)
            self.trunk.logits[only] = trunk.logits
        return self.trunk.answer

    def _run(self, trunk: _Bound, x: Array, held: Array | None, steps: Array, total: int) -> Tensor:
        """Run the trunk; total: positions with these."""
        trunk.arrays["x"][:] = x
        if held is not None:
            trunk.arrays["held"][:] = held
            self._turn(trunk.arrays, steps)
        trunk.arrays["total"][:] = total
        trunk.arrays["before_last"][:] = total - 1
        return trunk.run()

    def arrive(self, gap: int, situation: Situation, step: int) -> Tensor:
        """Go to the new onset."""
        stage = self.stages[0]
        stage.arrays["told"][:] = self.embeddings.chosen[0][gap] + self.embeddings.arrived(situation)
        stage.arrays["held"][:] = situation.held.numpy()
        self._turn(stage.arrays, np.array([step]))
        return stage.run()

    def choose(self, index: int, value: int, struck: bool = False) -> Tensor:
        """Choose the value of a field."""
        stage, told = self.stages[index], self.embeddings.chosen[index][value]
        stage.arrays["told"][:] = told + self.embeddings.struck[int(struck)] if index == 1 else told
        return stage.run()

    def _turn(self, arrays: dict[str, Array], steps: Array) -> None:
        """Fill in the rotation by musical time. steps: (time,)."""
        angles = (steps * STEP)[:, None] * self.turn_by_second
        np.cos(angles, out=arrays["cos"], casting="same_kind")
        np.sin(angles, out=arrays["sin"], casting="same_kind")

    def _trunk(self, time: int, rows: slice) -> _Bound:
        """The trunk for so many positions at once, in some rows: GroupQueryAttention goes on from a cache with many
        positions or in many rows, not both."""
        inputs, cache = self._inputs(time), {name: array[rows] for name, array in self.cache.items()}
        inputs = {name: array if name in ("cos", "sin") else array[rows] for name, array in inputs.items()} | cache
        state = self.states[0][rows]
        inputs["x"] = np.zeros((len(state), time, self.model.config.block.width), np.float32)
        inputs["total"], inputs["before_last"] = np.zeros(1, np.int32), np.zeros(len(state), np.int32)
        in_place = {f"new_{name}": array for name, array in cache.items()}
        return _Bound(self.sessions["trunk"], inputs, {"state": state} | in_place)

    def _stage(self, name: str, index: int) -> _Bound:
        """The graph that is told the value of field `index`."""
        before, after = self.states[index : index + 2]
        inputs = self._inputs(1) | {"state_before": before, "told": np.zeros_like(before)}
        return _Bound(self.sessions[name], inputs, {"state": after})

    def _inputs(self, time: int) -> dict[str, Array]:
        turn = (time, self.model.config.block.key_head // 2)
        held = np.zeros((self.rows, time, KEYS + 1), np.float32)
        return self.heard | {"held": held, "cos": np.zeros(turn, np.float32), "sin": np.zeros(turn, np.float32)}


class _Bound:
    """A graph with the arrays it reads and writes. They live as long as it: it knows their addresses alone."""

    def __init__(self, session: Any, inputs: dict[str, Array], outputs: dict[str, Array]) -> None:
        self.session, self.binding = session, session.io_binding()
        rows, size = len(outputs["state"]), session.get_outputs()[1].shape[2]
        self.logits = np.zeros((rows, 1, size), np.float32)
        self.answer = torch.from_numpy(self.logits[:, 0])
        self.arrays = {each.name: inputs[each.name] for each in session.get_inputs()}
        self.outputs = outputs | {"logits": self.logits}
        for name, array in self.arrays.items():
            self.binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        for name, array in self.outputs.items():
            self.binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)

    def run(self) -> Tensor:
        """The logits, (rows, size); the next run writes over them."""
        self.session.run_with_iobinding(self.binding)
        return self.answer


@torch.inference_mode()
def _heard(decoder: Decoder, memory: Memory) -> dict[str, Array]:
    """What is computed once a window: what the attention to the memory looks at, and what the style adds."""
    listening = {f"_{layer}": cast(Block, block).listen for layer, block in enumerate(decoder.blocks)}
    if decoder.is_notes:
        listening[""] = decoder.look
    heard: dict[str, Tensor] = {"is_heard": (memory.mask[:, 0, 0] == 0).int()}
    for name, attention in listening.items():
        assert attention is not None
        heard["heard_keys" + name], heard["heard_values" + name] = attention.project(memory)
    if decoder.config.style_throughout:
        heard |= {"style_in": decoder.style_in(memory.style), "style_out": decoder.style_out(memory.style)}
    return {name: part.numpy(force=True).copy(order="C") for name, part in heard.items()}


class _Embeddings:
    """The decoder's embeddings; a step takes a few rows of them."""

    def __init__(self, decoder: Decoder) -> None:
        self.begin, self.fields = _array(decoder.begin), _arrays(decoder.embed.tables)
        self.chosen = _arrays(decoder.chosen)
        self.is_notes = decoder.is_notes
        if decoder.is_notes:
            self.strike, self.struck = _array(decoder.strike.weight), _array(decoder.struck.weight)
            self.before, self.arrived = _SituationTables(decoder.before), _SituationTables(decoder.arrived)

    def of_steps(self, tokens: Array, struck: Array) -> Array:
        """tokens: (time, fields), struck: (time,) -> (time, width)."""
        vectors: Array = sum(table[tokens[:, index]] for index, table in enumerate(self.fields))  # type: ignore[assignment]
        return vectors + self.strike[struck.astype(np.int64)] if self.is_notes else vectors


class _SituationTables:
    """See `SituationEmbedding`; the keys held are the graph's."""

    def __init__(self, embedding: SituationEmbedding) -> None:
        self.countdown, self.next_key = _array(embedding.countdown.weight), _array(embedding.next_key.weight)
        self.now_key = _array(embedding.now_key.weight)
        self.rest = None if embedding.rest is None else _array(embedding.rest.weight)
        self.coming = None if embedding.coming is None else _array(embedding.coming.weight).T

    def __call__(self, situation: Situation) -> Array:
        """-> (rows, time, width)."""
        _, countdown, next_key, now_key, rest, coming = (part.numpy() for part in situation)
        vector: Array = self.countdown[countdown] + self.next_key[next_key] + self.now_key[now_key]
        if self.rest is None or self.coming is None:
            return vector
        vector = vector + self.rest[rest]
        return vector + coming @ self.coming if coming.any() else vector


def _arrays(tables: nn.ModuleList) -> list[Array]:
    return [_array(cast(nn.Embedding, table).weight) for table in tables]


def _array(weight: Tensor) -> Array:
    array: Array = weight.float().numpy(force=True)
    return array
