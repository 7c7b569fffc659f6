"""The engine's tokenizer against fable6c.tokenizer: the same ids for every sequence of bytes, and text that comes out whole."""

import random
import struct
import time

import numpy as np
import pytest

import make_golden
from engine_module import WASM, EngineModule
from fable6c.engine import Engine
from fable6c.model.file import encode_model, read_model
from fable6c.model.tokenizer import Tokenizer
from tiny_models import tiny_model

TEXT_CAPACITY = 65536


def smallest_model(merges):
    """The bytes of a model that is little more than a vocabulary of these merges (left, right)."""
    model = tiny_model(dim=1, layers=1, hidden=1, taps=1, vocab=257 + len(merges))
    model.merges = np.array(merges, np.uint16).reshape(-1, 2)
    return encode_model(model)


def random_merges(count, alphabet, seed):
    """Merges as no training makes them: any two tokens that are there, so that a token's own bytes need not lead to it."""
    chance = random.Random(seed)
    tokens = [bytes([byte]) for byte in range(256)]
    seen, merges, pool = set(tokens), [], list(alphabet)
    while len(merges) < count:
        left, right = chance.choice(pool), chance.choice(pool)
        token = tokens[left] + tokens[right]
        if len(token) <= 64 and token not in seen:
            seen.add(token)
            pool.append(len(tokens))
            tokens.append(token)
            merges.append((left, right))
    return merges


def crowded_merges(count, cells):
    """Merges whose tokens all belong into one part of the engine's hash table of that many cells."""
    states = [(0x811C9DC5 ^ byte) * 0x01000193 & 0xFFFFFFFF for byte in range(256)]
    lengths, merges = [1] * 256, []
    for left, state in enumerate(states):  # which grows
        for byte in range(256 if lengths[left] < 64 else 0):
            joined = (state ^ byte) * 0x01000193 & 0xFFFFFFFF
            if ((joined ^ joined >> 15) & cells - 1) < cells // 32:
                states.append(joined)
                lengths.append(lengths[left] + 1)
                merges.append((left, byte))
                if len(merges) == count:
                    return merges
    raise AssertionError(f"only {len(merges)} merges")


class Encoder:
    """The engine and the Python tokenizer of the same vocabulary."""

    def __init__(self, data, merges):
        self.engine = EngineModule()
        self.engine.load(data)
        self.tokenizer = Tokenizer(np.array(merges, np.uint16).reshape(-1, 2))

    def engine_ids(self, text):
        engine = self.engine
        engine.reset()
        engine.write(engine.text_buffer(), text)
        count = engine.feed(len(text))
        ids = struct.unpack(f"<{count}H", engine.read(engine.queue(), 2 * count))
        assert ids[0] == engine.dimension(4) - 1 and engine.pending() == count
        return list(ids[1:])

    def check(self, text):
        assert self.engine_ids(text) == self.tokenizer.encode(text).tolist(), text[:200]


@pytest.fixture(scope="module")
def golden():
    return Encoder(make_golden.MODEL.read_bytes(), read_model(make_golden.MODEL).merges)


CHARACTERS = "aehst ETAB019.,!?'\"- \n\t\r\x00\x0b\x0c\x7féßñøж中文字猫犬ひらカ한글😀🎉👩‍👩‍👧🏽\u00a0\u2019\u201c\u2028\u3000\ufeff\ufffd"


def strings(count, seed):
    """Words, characters of many scripts, and bytes that are not UTF-8."""
    chance = random.Random(seed)
    vocabulary = make_golden.TEXT.read_text(encoding="utf-8").split(" ")
    for _ in range(count):
        kind = chance.randrange(5)
        if kind == 0:
            yield " ".join(chance.choices(vocabulary, k=chance.randrange(20))).encode()
        elif kind == 1:
            yield "".join(chance.choices(CHARACTERS, k=chance.randrange(40))).encode()
        elif kind == 2:
            yield chance.randbytes(chance.randrange(60))
        elif kind == 3:
            yield bytes(chance.choices(b"ab '1.\n\xc3", k=chance.randrange(30)))
        else:
            text = " ".join(chance.choices(vocabulary, k=8)).encode()
            start = chance.randrange(len(text) + 1)
            yield text[start : start + chance.randrange(50)]


def test_ten_thousand_strings(golden):
    texts = list(strings(10_000, 1))
    assert sum(not _is_utf8(text) for text in texts) > 1000
    for text in texts:
        golden.check(text)


def _is_utf8(text):
    try:
        text.decode("utf-8")
        return True
    except UnicodeDecodeError:
        return False


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "  ",
        "   a",
        "'",
        "a'",
        "'a",
        "a'b'c''d",
        "a' b",
        "rock'n'roll",
        "I don't know.",
        "in 1984!",
        " 1 23",
        "\n",
        " \n \n\n",
        "\t\ta",
        "a \n\nb",
        "<|endoftext|>",
        "😀",
        " 😀😀",
        "é",
        "e\u0301",
        "中文",
        "\ufeffBOM",
        "\x00\x01",
        "." * 70,
        "Zoë’s cat said “naïve”",
    ],
    ids=repr,
)
def test_corner_cases(golden, text):
    golden.check(text.encode())


def test_every_pair_of_bytes(golden):
    for first in range(256):
        golden.check(b"".join(bytes([first, second, 0x20]) for second in range(256)))


@pytest.mark.parametrize("seed", range(6))
def test_vocabularies_that_no_training_makes(seed):
    merges = random_merges(400, b"ab' ", seed)
    encoder = Encoder(smallest_model(merges), merges)
    chance = random.Random(seed)
    for _ in range(500):
        encoder.check(bytes(chance.choices(b"aaabbb' ", k=chance.randrange(90))))
    for token in encoder.tokenizer.token_bytes[:-1]:
        encoder.check(token)


def test_no_merges():
    encoder = Encoder(smallest_model([]), [])
    encoder.check(bytes(range(256)))


def test_the_longest_tokens():
    """a, aa, … up to 64 letters, and pieces around that length."""
    merges = [(97, 97)] + [(256 + j, 97) for j in range(62)]
    encoder = Encoder(smallest_model(merges), merges)
    for length in [*range(1, 200), 1000, TEXT_CAPACITY]:
        encoder.check(b"a" * length)


LONG = {
    "one letter": b"a" * TEXT_CAPACITY,
    "spaces": b" " * TEXT_CAPACITY,
    "full stops": b"." * TEXT_CAPACITY,
    "line breaks": b"\n" * TEXT_CAPACITY,
    "digits": b"7" * TEXT_CAPACITY,
    "one word of random letters": bytes(random.Random(2).choices(b"etaoinshrdlu", k=TEXT_CAPACITY)),
    "noise": random.Random(3).randbytes(TEXT_CAPACITY),
    "one piece of noise": bytes(byte | 0x80 for byte in random.Random(4).randbytes(TEXT_CAPACITY)),
    "story": (make_golden.TEXT.read_bytes() * 20)[:TEXT_CAPACITY],
}


@pytest.mark.parametrize("name", LONG)
def test_as_much_text_as_fits(golden, name):
    golden.check(LONG[name])


def test_text_that_does_not_fit(golden):
    assert golden.engine.text_capacity() == TEXT_CAPACITY
    golden.engine.reset()
    assert golden.engine.feed(TEXT_CAPACITY + 1) == -33
    assert golden.engine.read(golden.engine.message(), golden.engine.message_length()).startswith(b"the text has 65537 bytes")
    assert golden.engine.pending() == 0


def test_the_worst_text_takes_seconds_in_an_interpreter():
    merges = [(97, 97)] + [(256 + j, 256 + j) for j in range(5)]
    engine = Engine(smallest_model(merges))
    started = time.process_time()
    for name in ("one letter", "one word of random letters"):
        engine.encode(LONG[name])
    assert time.process_time() - started < 8  # 0.6 s on a quiet machine


def test_a_fed_text_starts_with_the_mark_only_once(golden):
    engine = golden.engine
    engine.reset()
    engine.write(engine.text_buffer(), b"ab")
    first = engine.feed(2)
    while engine.pending():
        assert engine.step() == 0
    engine.write(engine.text_buffer(), b"ab")
    assert engine.feed(2) == first - 1
    assert struct.unpack("<H", engine.read(engine.queue(), 2))[0] != engine.dimension(4) - 1


def test_output_is_the_tokens_as_utf8():
    """A random model at temperature 100 makes noise: each step gives whole characters, a story all that Python makes of its tokens."""
    merges = random_merges(300, range(256), 7)
    encoder = Encoder(smallest_model(merges), merges)
    engine, texts = encoder.engine, encoder.tokenizer.token_bytes
    assert engine.sampling(100.0, 0, 1.0, 0.0) == 0
    assert engine.step() == 0  # the end mark, in front of the first story
    story, tokens = "", []
    held = flushed = ended = 0
    for _ in range(10_000):
        size = engine.step()
        if size != -1:
            held += size < len(texts[engine.token()])
            story += engine.read(engine.text_buffer(), size).decode("utf-8")
            tokens.append(texts[engine.token()])
            continue
        ended += 1
        if story != b"".join(tokens).decode("utf-8", "replace"):
            tokens.pop()  # the last step made no token, but gave out what was held back
            flushed += 1
        assert story == b"".join(tokens).decode("utf-8", "replace")
        assert engine.step() == 0
        story, tokens = "", []
    assert held > 500 and flushed > 1 and ended > 2 * flushed


def instructions_to_load(data):
    """WebAssembly instructions, as wasmtime counts them."""
    wasmtime = pytest.importorskip("wasmtime")
    config = wasmtime.Config()
    config.consume_fuel = True
    engine = wasmtime.Engine(config)
    store = wasmtime.Store(engine)
    store.set_fuel(1 << 40)
    exports = wasmtime.Instance(store, wasmtime.Module.from_file(engine, str(WASM)), []).exports(store)
    address = exports["file_buffer"](store, len(data))
    exports["memory"].write(store, data, address)
    before = store.get_fuel()
    assert exports["load"](store, len(data), 0) == 0
    return before - store.get_fuel()


def test_tokens_that_meet_in_the_hash_table_do_not_slow_loading_down():
    count = 7000
    crowded = crowded_merges(count, 16384)
    ordinary = random_merges(count, range(97, 123), 20)
    instructions = [instructions_to_load(smallest_model(merges)) for merges in (crowded, ordinary)]
    assert instructions[0] < 3 * instructions[1], instructions
    encoder = Encoder(smallest_model(crowded), crowded)
    for seed in range(5):
        encoder.check(random.Random(seed).randbytes(2000))
