"""The decoder's weights as graphs for ONNX Runtime: one for the trunk, one for each further field of a step.

All graphs take rows of guidance as a batch. A linear layer is a product of 8-bit integers, its input quantised as it
comes, with one scale for each output and one for the input: in blocks (MatMulNBits) one row takes as long, three rows
a third longer and a window three times. Keys and values are kept in 8 bits too: after 1024 steps attention takes half
as long. What gives logits stays in float32. All that adds 0.005 nats a step to what the default model finds likely over
100 windows of the validation data (tests/benchmarks/test_quantised.py). The small networks that predict a step's fields
are graphs too: 14 us each, in numpy 32.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from engine.autoencoder import Autoencoder, Decoder
from engine.situation import SituationEmbedding
from engine.transformer import ACTIVATIONS, Block, CrossAttention, FeedForward, Rotation

LARGEST = 127  # of an 8-bit number
LARGEST_WEIGHT = 63  # so that two products fit into 16 bits, where processors without VNNI add them
REACH = 6  # of a norm's outputs, as far as keys and values are told apart: beyond, they are cut
OURS = "com.microsoft"  # the operators ONNX Runtime adds
OPSET = [helper.make_opsetid("", 17), helper.make_opsetid(OURS, 1)]
IR_VERSION = 9
FLOAT, INT64, INT32, INT8 = TensorProto.FLOAT, TensorProto.INT64, TensorProto.INT32, TensorProto.INT8


def build(model: Autoencoder, is_quantised: bool) -> dict[str, bytes]:
    """The graphs by name, in ONNX's format."""
    graphs = {"trunk": _trunk(Graph(is_quantised), model)}
    if model.decoder.is_notes:
        graphs["arrive"] = _arrive(Graph(is_quantised), model)
        for index in (1, 2):
            graphs[f"choose_{index}"] = _choose(Graph(is_quantised), model, index)
    return graphs


def _trunk(graph: Graph, model: Autoencoder) -> bytes:
    """See `Decoder.trunk`; the state and the logits of field 0 are those of the last position."""
    decoder, block = model.decoder, model.config.block
    x = graph.input("x", FLOAT, ["batch", "time", block.width])
    if decoder.is_notes:
        x = graph.node("Add", x, graph.held(decoder.before))
    if model.config.style_throughout:
        x = graph.node("Add", x, graph.input("style_in", FLOAT, ["batch", 1, block.width]))
    turn = graph.turn(block.key_head) if decoder.is_notes else None
    graph.open_cache(len(decoder.blocks), block.kv_heads, model.config.window + 2, block.head)
    more = None
    for layer, module in enumerate(decoder.blocks):
        x, more = graph.block(cast(Block, module), layer, x, more, turn)
    first, after, axis = (graph.constant(np.array([value], np.int64)) for value in (-1, 2**31, 1))
    x = graph.node("Slice", graph.node("Add", x, more or ""), first, after, axis)
    state = graph.norm(decoder.norm, x)
    if model.config.style_throughout:
        state = graph.node("Add", state, graph.input("style_out", FLOAT, ["batch", 1, block.width]))
    return graph.made(state, cast(nn.Linear, decoder.head[0]), state)


def _arrive(graph: Graph, model: Autoencoder) -> bytes:
    """See `Decoder.arrive`."""
    decoder, block = model.decoder, model.config.block
    state = graph.node("Add", graph.told(block.width), graph.held(decoder.arrived))
    heard = graph.listen(decoder.look, graph.norm(decoder.look_norm, state), graph.turn(block.key_head), "")
    return _thought(graph, decoder, 0, state, heard)


def _choose(graph: Graph, model: Autoencoder, index: int) -> bytes:
    """See `Decoder.choose`."""
    return _thought(graph, model.decoder, index, graph.told(model.config.block.width), None)


def _thought(graph: Graph, decoder: Decoder, index: int, state: str, more: str | None) -> bytes:
    """See `Decoder._think`; the state before it is state + more."""
    norm, after = cast(nn.LayerNorm, decoder.think_norm[index]), cast(nn.LayerNorm, decoder.head_norm[index])
    normed, state = graph.add_norm(norm, state, more)
    normed, state = graph.add_norm(after, state, graph.feed_forward(cast(FeedForward, decoder.think[index]), normed))
    return graph.made(state, cast(nn.Linear, decoder.head[index + 1]), normed)


class Graph:
    """A graph as it grows. Values are known by their names, weights are its own."""

    def __init__(self, is_quantised: bool) -> None:
        self.is_quantised = is_quantised
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.inputs: dict[str, onnx.ValueInfoProto] = {}
        self.outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, kind: int, shape: list[Any]) -> str:
        """A named input; names in the shape are sizes known when the graph runs."""
        self.inputs[name] = helper.make_tensor_value_info(name, kind, shape)
        return name

    def constant(self, values: Tensor | NDArray[Any]) -> str:
        """A weight of the graph."""
        array = values.detach().float().cpu().numpy() if isinstance(values, Tensor) else values
        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """One operation of one output."""
        return self.node_of(operator, inputs, [f"value_{len(self.nodes)}"], domain, **attributes)[0]

    def node_of(
        self, operator: str, inputs: tuple[str, ...], outputs: list[str], domain: str = "", **attributes: Any
    ) -> list[str]:
        """One operation whose outputs are named; "" is an output or input left out."""
        self.nodes.append(helper.make_node(operator, inputs, outputs, domain=domain, **attributes))
        return outputs

    def made(self, state: str, head: nn.Linear, normed: str) -> bytes:
        """The graph that gives the state (batch, 1, width) and a head's logits (batch, 1, size)."""
        logits = self.exact(head, normed)
        self.node_of("Identity", (state,), ["state"])
        self.node_of("Identity", (logits,), ["logits"])
        sizes = {"state": head.in_features, "logits": head.out_features}
        outputs = [helper.make_tensor_value_info(name, FLOAT, ["batch", 1, size]) for name, size in sizes.items()]
        graph = helper.make_graph(self.nodes, "step", list(self.inputs.values()), outputs + self.outputs, self.weights)
        model = helper.make_model(graph, opset_imports=OPSET, ir_version=IR_VERSION)
        return bytes(model.SerializeToString())

    def exact(self, layer: nn.Linear, x: str, more: Tensor | None = None) -> str:
        """A linear layer in float32; `more` is added to what it gives."""
        y, bias = self.node("MatMul", x, self.constant(layer.weight.T)), layer.bias if more is None else more
        return y if bias is None else self.node("Add", y, self.constant(bias))

    def linear(self, layer: nn.Linear, x: str, more: Tensor | None = None) -> str:
        """The same, quantised if the graph is."""
        if not self.is_quantised:
            return self.exact(layer, x, more)
        bias = layer.bias if more is None else more
        weight = layer.weight.detach().float().cpu().numpy().T
        scales = np.maximum(np.abs(weight).max(0), 1e-12) / LARGEST_WEIGHT
        whole = np.round(weight / scales).astype(np.int8)
        given = x, self.constant(whole), self.constant(scales), *(["", self.constant(bias)] if bias is not None else [])
        return self.node("DynamicQuantizeMatMul", *given, domain=OURS)

    def norm(self, layer: nn.LayerNorm, x: str) -> str:
        """Layer normalisation."""
        weights = self.constant(layer.weight), self.constant(layer.bias)
        return self.node("LayerNormalization", x, *weights, axis=-1, epsilon=layer.eps)

    def add_norm(self, layer: nn.LayerNorm, x: str, more: str | None) -> tuple[str, str]:
        """x + more normalised, and as it is."""
        if more is None:
            return self.norm(layer, x), x
        names = [f"value_{len(self.nodes)}", "", "", f"sum_{len(self.nodes)}"]
        inputs = x, more, self.constant(layer.weight), self.constant(layer.bias)
        self.node_of("SkipLayerNormalization", inputs, names, OURS, epsilon=layer.eps)
        return names[0], names[3]

    def told(self, width: int) -> str:
        """The state before, and what the field just chosen adds to it."""
        state, told = (self.input(name, FLOAT, ["batch", 1, width]) for name in ("state_before", "told"))
        return self.node("Add", state, told)

    def held(self, situation: SituationEmbedding) -> str:
        """The keys that are down, as a vector."""
        keys = self.input("held", FLOAT, ["batch", "time", situation.held.in_features])
        return self.exact(situation.held, keys)

    def turn(self, head: int) -> tuple[str, str]:
        """Cosines and sines of the positions' musical time."""
        return self.input("cos", FLOAT, ["time", head // 2]), self.input("sin", FLOAT, ["time", head // 2])

    def open_cache(self, layers: int, *room: int) -> None:
        """Keys and values (batch, kv_heads, capacity, head) of the positions before; new ones are written there."""
        self.input("before_last", INT32, ["batch"])  # positions up to this run's last
        self.input("total", INT32, [1])
        kept_as = INT8 if self.is_quantised else FLOAT
        for layer in range(layers):
            for kind in ("keys", "values"):
                self.input(f"{kind}_{layer}", kept_as, ["batch", *room])
                self.outputs.append(helper.make_tensor_value_info(f"new_{kind}_{layer}", kept_as, ["batch", *room]))
        turn = Rotation.by_index(0, room[1], room[2], torch.device("cpu"))
        self.positions = self.constant(turn.cos[0, 0]), self.constant(turn.sin[0, 0])

    def block(
        self, block: Block, layer: int, x: str, more: str | None, turn: tuple[str, str] | None
    ) -> tuple[str, str]:
        """A block of the trunk, of x + more; its own sum is in two parts too, for the norm that follows."""
        attend, config = block.attend, block.attend.config
        assert block.listen is not None
        assert block.norm_2 is not None
        normed, x = self.add_norm(block.norm_1, x, more)
        before = "", "", f"keys_{layer}", f"values_{layer}", "before_last", "total"
        inputs = [self.linear(attend.project, normed), *before, *self.positions]
        names = [f"value_{len(self.nodes)}", f"new_keys_{layer}", f"new_values_{layer}"]
        told: dict[str, Any] = {"num_heads": config.heads, "kv_num_heads": config.kv_heads, "do_rotary": 1}
        if self.is_quantised:
            inputs += ["", "", "", *map(self.constant, _scales(block))]
            told |= {"kv_cache_bit_width": 8} | {f"{part}_quant_type": "PER_TENSOR" for part in "kv"}
        self.node_of("GroupQueryAttention", tuple(inputs), names, OURS, **told)
        normed, x = self.add_norm(block.norm_2, x, self.linear(attend.out, names[0]))
        normed, x = self.add_norm(block.norm_3, x, self.listen(block.listen, normed, turn, f"_{layer}"))
        return x, self.feed_forward(block.feed_forward, normed)

    def listen(self, attention: CrossAttention, x: str, turn: tuple[str, str] | None, name: str) -> str:
        """Cross-attention to keys and values (batch, heads, notes, head) that are computed once a window."""
        heads = attention.heads
        query = self.linear(attention.query, x, attention.query_peak.flatten() if turn is not None else None)
        if turn is not None:
            first = self.constant(np.zeros(1, np.int64))
            query = self.node("RotaryEmbedding", query, first, *turn, domain=OURS)
        room = ["batch", heads, "notes", attention.head]
        keys, values = (self.input(f"heard_{kind}{name}", FLOAT, room) for kind in ("keys", "values"))
        heard = self.input("is_heard", INT32, ["batch", "notes"])
        y = self.node("MultiHeadAttention", query, keys, values, "", heard, domain=OURS, num_heads=heads)
        return self.linear(attention.out, y)

    def feed_forward(self, layer: FeedForward, x: str) -> str:
        """Two linear layers with an activation between."""
        y = self.linear(layer.widen, x)
        is_relu = layer.activate is ACTIVATIONS["relu"]
        y = self.node("Relu", y) if is_relu else self.node("FastGelu", y, domain=OURS)
        return self.linear(layer.narrow, y)


def _scales(block: Block) -> list[NDArray[np.float32]]:
    """What one of the 8-bit numbers stands for in which keys are kept, and values."""
    weight, norm, widths = block.attend.project.weight, block.norm_1, block.attend.widths
    most = (weight @ norm.bias).abs() + REACH * (weight * norm.weight).norm(dim=1)
    _, keys, values = most.detach().float().cpu().split(widths)
    return [(part.max() / LARGEST).clamp(min=1e-12).reshape(1).numpy() for part in (keys, values)]
