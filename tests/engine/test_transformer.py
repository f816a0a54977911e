"""Attention and its parts: relative and rotary positions, grouped queries, the cache, masks."""

import pytest
import torch

from engine.transformer import (
    Block,
    BlockConfig,
    Cache,
    CrossAttention,
    Encoder,
    FeedForward,
    Memory,
    Rotation,
    SelfAttention,
    placed,
)

SMALL = BlockConfig(width=24, heads=3, kv_heads=3, feed_forward=32)
RELATIVE = BlockConfig(width=24, heads=3, kv_heads=3, feed_forward=32, positions="relative", reach=6, key_width=30)
GROUPED = BlockConfig(width=24, heads=4, kv_heads=2, feed_forward=32)
every_kind = pytest.mark.parametrize("config", [SMALL, RELATIVE, GROUPED], ids=["rotary", "relative", "grouped"])


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def random_steps(time, width=24, batch=2):
    return torch.randn(batch, time, width)


def told_apart(time, padded=0, batch=2):
    valid = torch.ones(batch, time, dtype=torch.bool)
    valid[:, time - padded :] = False
    return valid


def relative_by_loop(attention, query, keys, first):
    """The relative scores, one by one: q · E[key - query] within the reach, nothing beyond."""
    batch, heads, time, head = query.shape
    scores = torch.zeros(batch, heads, time, keys)
    for t in range(time):
        for key in range(keys):
            distance = key - (first + t)
            if abs(distance) < attention.config.reach and not (attention.causal and distance > 0):
                row = attention.distance[:, attention.config.reach - 1 + distance]
                scores[:, :, t, key] = (query[:, :, t] * row).sum(-1) / head**0.5
    return scores


@pytest.mark.parametrize("reach", [1, 2, 6, 40])
@pytest.mark.parametrize("time", [1, 2, 7, 16])
def test_relative_scores_of_an_encoder_are_those_of_the_formula(reach, time):
    attention = SelfAttention(BlockConfig(width=24, heads=3, kv_heads=3, positions="relative", reach=reach), False)
    query = torch.randn(2, 3, time, 8)
    expected = relative_by_loop(attention, query, time, 0)
    torch.testing.assert_close(attention._relative(query, time, 0), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("reach", [1, 2, 6, 40])
@pytest.mark.parametrize(("time", "first"), [(1, 0), (2, 0), (16, 0), (1, 9), (4, 9), (4, 40)])
def test_relative_scores_of_the_decoder_are_those_of_the_formula(reach, time, first):
    attention = SelfAttention(BlockConfig(width=24, heads=3, kv_heads=3, positions="relative", reach=reach), True)
    query = torch.randn(2, 3, time, 8)
    past = torch.ones(time, first + time).tril(first)
    expected = relative_by_loop(attention, query, first + time, first)
    torch.testing.assert_close(attention._relative(query, first + time, first) * past, expected, atol=1e-5, rtol=0)


def attention_by_loop(attention, x):
    """The whole of relative self-attention, query by query."""
    parts = attention.project(x).split(attention.widths, dim=-1)
    query, key, value = (part.unflatten(-1, (attention.config.heads, -1)).transpose(1, 2) for part in parts)
    scores = query @ key.transpose(-1, -2) / attention.head**0.5 + relative_by_loop(attention, query, x.shape[1], 0)
    if attention.causal:
        scores = scores.masked_fill(~torch.ones(scores.shape[-2:], dtype=torch.bool).tril(), float("-inf"))
    return attention.out((scores.softmax(-1) @ value).transpose(1, 2).flatten(2))


@pytest.mark.parametrize("causal", [True, False])
def test_relative_attention_is_that_of_the_formula(causal):
    attention, x = SelfAttention(RELATIVE, causal), random_steps(20)
    torch.testing.assert_close(attention(x), attention_by_loop(attention, x), atol=1e-5, rtol=0)


@pytest.mark.parametrize("causal", [True, False])
def test_relative_attention_learns_as_the_formula_does(causal):
    attention, x = SelfAttention(RELATIVE, causal), random_steps(12)
    attention(x).square().sum().backward()
    found = attention.distance.grad.clone()
    attention.zero_grad()
    attention_by_loop(attention, x).square().sum().backward()
    torch.testing.assert_close(found, attention.distance.grad, atol=1e-4, rtol=1e-4)


@every_kind
def test_step_by_step_is_as_all_at_once(config):
    attention, x = SelfAttention(config, causal=True).eval(), random_steps(15)
    with torch.inference_mode():
        whole = attention(x)
        cache, pieces, at = Cache(15), [], 0
        for count in (1, 4, 1, 1, 6, 1, 1):  # a chunk and then single steps, as a window is read and written
            pieces.append(attention(x[:, at : at + count], cache=cache))
            at += count
            cache.length = at
    torch.testing.assert_close(torch.cat(pieces, 1), whole, atol=1e-5, rtol=0)


@every_kind
def test_the_decoder_does_not_see_the_future(config):
    attention, x = SelfAttention(config, causal=True), random_steps(12)
    other = torch.cat([x[:, :7], random_steps(5)], 1)
    torch.testing.assert_close(attention(x)[:, :7], attention(other)[:, :7])


@every_kind
def test_the_encoder_sees_both_ways(config):
    attention, x = SelfAttention(config, causal=False), random_steps(5)
    assert not torch.allclose(attention(x)[:, 0], attention(torch.cat([x[:, :4], random_steps(1)], 1))[:, 0])


@every_kind
def test_padding_changes_nothing(config):
    attention, x = SelfAttention(config, causal=False), random_steps(9)
    padded = torch.cat([x, random_steps(4)], 1)
    alone = attention(x, told_apart(9))
    torch.testing.assert_close(attention(padded, told_apart(13, 4))[:, :9], alone, atol=1e-6, rtol=0)


@every_kind
def test_training_and_inference_give_the_same(config):
    """Two ways to the same weights: plain products under gradients, fused without."""
    attention, x = SelfAttention(config, causal=True), random_steps(11)
    learning = attention(x)
    with torch.inference_mode():
        torch.testing.assert_close(attention(x), learning, atol=1e-5, rtol=0)


def test_a_rotated_product_depends_on_the_distance_alone():
    query, key = torch.randn(2, 1, 1, 1, 8)
    there = [Rotation.by_index(first, 1, 8, query.device) for first in (3, 10, 40, 47)]
    near, far = ((there[a](query) * there[b](key)).sum() for a, b in ((0, 1), (2, 3)))
    torch.testing.assert_close(near, far, atol=1e-5, rtol=0)


def test_a_product_rotated_by_time_depends_on_the_seconds_between_alone():
    query, key = torch.randn(2, 1, 1, 1, 8)
    turn = [Rotation.by_time(torch.tensor([[step]]), 8) for step in (100, 250, 2100, 2250)]
    near, far = ((turn[a](query) * turn[b](key)).sum() for a, b in ((0, 1), (2, 3)))
    torch.testing.assert_close(near, far, atol=1e-4, rtol=0)


def test_a_rotation_keeps_lengths():
    x = torch.randn(1, 2, 5, 8)
    torch.testing.assert_close(Rotation.by_index(7, 5, 8, x.device)(x).norm(dim=-1), x.norm(dim=-1))


def test_grouped_queries_are_full_attention_with_shared_keys():
    grouped = SelfAttention(GROUPED, causal=True)
    full = SelfAttention(BlockConfig(width=24, heads=4, kv_heads=4), causal=True)
    query, key, value = grouped.project.weight.split(grouped.widths)
    shared = [part.view(2, 6, 24).repeat_interleave(2, 0).flatten(0, 1) for part in (key, value)]
    full.project.weight.data = torch.cat([query, *shared]).detach()
    full.out.weight.data = grouped.out.weight.data
    x = random_steps(10)
    torch.testing.assert_close(grouped(x), full(x), atol=1e-5, rtol=0)


@pytest.mark.parametrize("by_time", [True, False])
def test_what_is_not_valid_in_memory_is_not_heard(by_time):
    listen = CrossAttention(GROUPED, 24, by_time).eval()
    notes, x, style = random_steps(6), random_steps(4), torch.zeros(2, 1, 24)
    steps = torch.arange(6).expand(2, 6) * 50 if by_time else None
    turn = Rotation.by_time(torch.arange(4).expand(2, 4) * 60, listen.head) if by_time else None
    valid = told_apart(6, 2)
    other = torch.cat([notes[:, :4], random_steps(2)], 1)
    heard = [listen(x, Memory(vectors, valid, steps, style), turn, 0) for vectors in (notes, other)]
    shorter = Memory(notes[:, :4], valid[:, :4], None if steps is None else steps[:, :4], style)
    torch.testing.assert_close(heard[0], heard[1])
    torch.testing.assert_close(heard[0], listen(x, shorter, turn, 0), atol=1e-6, rtol=0)


def test_listening_by_time_begins_at_the_note_that_stands_there():
    """Before anything is learned, the constant parts make the score peak where the query stands."""
    listen = CrossAttention(BlockConfig(width=64, heads=2, kv_heads=1), 64, by_time=True).eval()
    torch.nn.init.zeros_(listen.query.weight)
    key, value = torch.zeros(32, 64), torch.eye(64)[:32]
    listen.key_value.weight.data = torch.cat([key, value])
    listen.out.weight.data = torch.eye(64)
    memory = Memory(torch.eye(64)[None, :20], torch.ones(1, 20, dtype=torch.bool), torch.arange(20)[None] * 40, None)
    for note in (0, 7, 19):
        turn = Rotation.by_time(torch.tensor([[note * 40]]), 32)
        assert int(listen(torch.zeros(1, 1, 64), memory, turn, 0)[0, 0, :20].argmax()) == note


def test_constants_of_time_are_there_only_where_time_is():
    assert not [name for name, _ in CrossAttention(SMALL, 24, by_time=False).named_parameters() if "peak" in name]


def test_keys_and_values_of_a_memory_are_made_once_in_decoding():
    listen = CrossAttention(SMALL, 24, by_time=False).eval()
    memory = Memory(random_steps(3), told_apart(3), None, torch.zeros(2, 1, 24))
    first = listen(random_steps(1), memory, None, 5)
    stored = memory.projected[5]
    listen(first, memory, None, 5)
    assert memory.projected[5] is stored


def test_the_activation_is_the_one_configured():
    x = torch.tensor([[-1.0, 1.0]])
    for name, expected in (("relu", torch.relu(x)), ("gelu", torch.nn.functional.gelu(x, approximate="tanh"))):
        layer = FeedForward(2, 2, activation=name)
        for linear in (layer.widen, layer.narrow):
            linear.weight.data, linear.bias.data = torch.eye(2), torch.zeros(2)
        torch.testing.assert_close(layer(x), expected)


def test_the_timing_signal_goes_on_where_the_cache_ends():
    config = BlockConfig(width=24, heads=3, kv_heads=3, timing=True)
    whole = placed(torch.zeros(1, 10, 24), config)
    torch.testing.assert_close(placed(torch.zeros(1, 3, 24), config, first=7), whole[:, 7:])
    torch.testing.assert_close(whole[0, 0], torch.cat([torch.zeros(12), torch.ones(12)]))
    assert placed(whole, SMALL) is whole


@every_kind
def test_a_block_keeps_its_shape(config):
    block = Block(config, causal=True, memory_width=24)
    memory = Memory(random_steps(3), told_apart(3), None, torch.zeros(2, 1, 24))
    assert block(random_steps(5), None, memory).shape == (2, 5, 24)


@every_kind
def test_an_encoder_encodes_the_same_with_padding(config):
    encoder = Encoder((7, 3), config, 2)
    tokens = torch.randint(0, 3, (2, 8, 2))
    padded = torch.cat([tokens, torch.randint(0, 3, (2, 5, 2))], 1)
    alone = encoder(tokens, told_apart(8))
    torch.testing.assert_close(encoder(padded, told_apart(13, 5))[:, :8], alone, atol=1e-5, rtol=0)
