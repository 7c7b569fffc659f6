"""One contract, the same bits: the reference, the engine in wasm3 and in node, and the native program, on the golden model.

For each position of the golden text the logits are identical in every bit, and so are the stories. For each file in attacks/
both readers give the same error in the same words. Parts that are not built here are skipped, and say so.
"""

import hashlib
import json
import pathlib
import re
import shutil
import subprocess

import numpy as np
import pytest
import xxhash

import make_attacks
import make_golden
from engine_module import EngineModule
from fable6c.engine import Engine, EngineError
from fable6c.model.architecture import Dimensions
from fable6c.model.file import CODES, ModelFileError, decode_header, decode_model, encode_model, engine_memory, read_model
from fable6c.model.reference import Reference, generate
from fable6c.model.routing import open_reference
from fable6c.model.sampling import Sampler
from fable6c.model.tokenizer import Tokenizer
from tiny_models import tiny_model

TESTS = pathlib.Path(__file__).parent
WASM = TESTS.parent / "asengine" / "build" / "fable6c.wasm"
NATIVE = TESTS.parent / "build" / "fable6c"
ATTACKS = sorted((TESTS / "attacks").glob("*.f6c"))
EXPECTED = json.loads(make_golden.EXPECTED.read_text(encoding="utf-8"))

needs_wasm = pytest.mark.skipif(not WASM.exists(), reason=f"{WASM.name} is not built: npm run asbuild")


@pytest.fixture(scope="module")
def model():
    return read_model(make_golden.MODEL)


@pytest.fixture(scope="module")
def reference_digests(model):
    return make_golden.digests(model, make_golden.text_tokens(model))


@pytest.fixture(scope="module")
def reference_stories(model):
    prompt = Tokenizer(model.merges).encode(EXPECTED["prompt"]).tolist()
    return [
        [token for token, _ in generate(Reference(model), prompt, make_golden.STORY_TOKENS, Sampler(**story["sampling"]))]
        for story in EXPECTED["stories"]
    ]


@pytest.fixture(scope="module")
def engine():
    pytest.importorskip("fable6c._lib_wasm3", reason="the wasm3 interpreter is not built: make test builds it")
    return Engine(str(make_golden.MODEL))


@pytest.fixture(scope="module")
def reader():
    """An engine to load other models into."""
    pytest.importorskip("fable6c._lib_wasm3", reason="the wasm3 interpreter is not built: make test builds it")
    return Engine()


def answer(reader, data):
    """What the engine says to a file: (0, "") or the error's code and message."""
    try:
        reader.load(data)
    except EngineError as error:
        return error.code, str(error)
    return 0, ""


def assert_same_logits(engine, model, tokens):
    logits, _ = open_reference(model).forward(np.array([tokens]))
    engine.reset()
    for position, token in enumerate(tokens):
        engine.run(token)
        assert engine.logits().tobytes() == logits[0, position].tobytes(), f"position {position}, token {token}"


# The reference gives what it gave when the golden files were made, on whatever machine, NumPy and BLAS this is.


def test_the_golden_model_is_the_one_that_was_recorded():
    assert hashlib.sha256(make_golden.MODEL.read_bytes()).hexdigest() == EXPECTED["model_sha256"]
    assert 100_000 < make_golden.MODEL.stat().st_size < 1_000_000


def test_reference_logits(reference_digests):
    assert len(reference_digests) == EXPECTED["positions"] >= 1000
    assert {place: reference_digests[int(place)] for place in EXPECTED["digests"]} == EXPECTED["digests"]
    assert make_golden.digest_of_all(reference_digests) == EXPECTED["all_digests"]


def test_reference_stories(model):
    assert list(make_golden.stories(model)) == EXPECTED["stories"]
    assert {0, 0.8} <= {story["sampling"]["temperature"] for story in EXPECTED["stories"]}


# The engine in wasm3


@needs_wasm
def test_engine_logits_in_wasm3(engine, model, reference_digests):
    engine.reset()
    for position, token in enumerate(make_golden.text_tokens(model)):
        engine.run(token)
        assert xxhash.xxh64(engine.logits().tobytes()).hexdigest() == reference_digests[position], f"position {position}, token {token}"


@needs_wasm
def test_engine_reads_text_four_tokens_at_a_time_to_the_same_bits(engine, model, reference_digests):
    text = make_golden.TEXT.read_bytes()
    assert engine.encode(text) == make_golden.text_tokens(model)[1:]
    engine.feed(text)
    assert xxhash.xxh64(engine.logits().tobytes()).hexdigest() == reference_digests[-1]


@needs_wasm
@pytest.mark.parametrize("story", EXPECTED["stories"], ids=lambda story: str(story["sampling"]))
def test_engine_stories_in_wasm3(engine, story):
    engine.reset()
    settings = {"top_k": 0, "seed": 1, **story["sampling"]}
    engine.seed(settings.pop("seed"))
    engine.sampling(**settings)
    assert "".join(engine.generate(EXPECTED["prompt"], make_golden.STORY_TOKENS)) == story["text"]


@needs_wasm
@pytest.mark.parametrize(
    "shape",
    [
        dict(dim=1, layers=1, hidden=1, taps=1, vocab=257),
        dict(dim=5, layers=2, hidden=6, taps=32, vocab=300),
        dict(dim=17, layers=3, hidden=129, taps=2, vocab=515),
        dict(dim=64, layers=2, hidden=1300, taps=5, vocab=923),
        dict(dim=300, layers=1, hidden=31, taps=3, vocab=258),
    ],
    ids=str,
)
def test_awkward_shapes(reader, shape):
    model = tiny_model(**shape, seed=3)
    reader.load(encode_model(model))
    assert_same_logits(reader, model, np.random.default_rng(4).integers(0, model.dimensions.vocab, 40).tolist())


@needs_wasm
@pytest.mark.parametrize("copies", [False, True])
@pytest.mark.parametrize("reals", [[1024, -1024], [0], [1e-40, -1e-38], [1024, 1e-40, 0, -1024, 1e-20]], ids=str)
def test_extreme_parameters(reader, reals, copies):
    """The largest parameters, zeros and subnormal numbers: infinite sums of squares, s = 0, exp at its limits."""
    random = np.random.default_rng(5)
    model = tiny_model(dim=20, layers=4, hidden=20, taps=3, copies=copies)
    for tensor in model.tensors.values():
        array = getattr(tensor, "scale", tensor)
        array[...] = random.choice(np.array(reals, np.float32), array.shape)
    reader.load(encode_model(model))
    assert_same_logits(reader, model, random.integers(0, model.dimensions.vocab, 30).tolist())


@needs_wasm
def test_odds_of_copying_at_their_bound(reader):
    model = tiny_model(dim=20, context=9, copies=True)
    model.tensors["copy_bias"][:] = -200
    reader.load(encode_model(model))
    assert_same_logits(reader, model, np.random.default_rng(7).integers(0, 5, 30).tolist())


@needs_wasm
def test_activations_around_the_quantizers_threshold(reader):
    random = np.random.default_rng(6)
    model = tiny_model(dim=20, layers=3, hidden=20)
    for name, tensor in model.tensors.items():
        if "norm" in name and name != "norm_in":
            tensor[...] = random.uniform(0.4e-30, 0.6e-30, tensor.shape)  # times about 2, the largest of 20 numbers with root mean square 1
    reader.load(encode_model(model))
    tokens = random.integers(0, model.dimensions.vocab, 40).tolist()
    assert_same_logits(reader, model, tokens)
    zero = (Reference(model).forward(np.array([tokens]))[0] == 0).all(axis=2)
    assert 0.1 < zero.mean() < 0.9


# The engine in node


@needs_wasm
def test_engine_in_node(model, reference_digests, reference_stories):
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    request = {
        "model": str(make_golden.MODEL),
        "tokens": make_golden.text_tokens(model),
        "prompt": EXPECTED["prompt"],
        "stories": [story["sampling"] for story in EXPECTED["stories"]],
        "count": make_golden.STORY_TOKENS,
    }
    command = [node, str(TESTS / "same_bits.mjs"), str(WASM)]
    done = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    assert answer["digests"] == reference_digests
    assert answer["stories"] == reference_stories


# The native program


@pytest.mark.skipif(not NATIVE.exists(), reason="build/fable6c is not built: make native")
def test_native_program(model, reference_digests):
    text = make_golden.TEXT.read_text(encoding="utf-8")
    done = subprocess.run([str(NATIVE), str(make_golden.MODEL), "--selftest", "-p", text], capture_output=True, text=True, check=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    tokens = make_golden.text_tokens(model)
    expected = [[str(position), str(token), digest] for position, (token, digest) in enumerate(zip(tokens, reference_digests))]
    assert lines == expected + [["selftest", EXPECTED["all_digests"]]]


# A model of several experts


ROUTED = json.loads(make_golden.ROUTED_EXPECTED.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def routed():
    return read_model(make_golden.ROUTED)


@pytest.fixture(scope="module")
def routed_digests(routed):
    return make_golden.digests(routed, make_golden.text_tokens(routed))


def test_reference_of_experts(routed, routed_digests):
    assert hashlib.sha256(make_golden.ROUTED.read_bytes()).hexdigest() == ROUTED["model_sha256"]
    assert make_golden.experts(routed, make_golden.text_tokens(routed)) == ROUTED["experts"] and set(ROUTED["experts"]) == set("012")
    assert make_golden.digest_of_all(routed_digests) == ROUTED["all_digests"]


@needs_wasm
def test_experts_in_wasm3(reader, routed, routed_digests):
    reader.load(make_golden.ROUTED)
    chosen = ""
    for position, token in enumerate(make_golden.text_tokens(routed)):
        reader.run(token)
        chosen += str(reader.expert)
        assert xxhash.xxh64(reader.logits().tobytes()).hexdigest() == routed_digests[position], f"position {position}, token {token}"
    assert chosen == ROUTED["experts"]
    reader.feed("\n")
    assert reader.expert == int(chosen[-1])
    reader.reset()
    assert reader.expert == 0
    reader.feed(make_golden.TEXT.read_bytes())  # four tokens at a time, some of them by two experts
    assert xxhash.xxh64(reader.logits().tobytes()).hexdigest() == routed_digests[-1] and reader.expert == int(chosen[-1])


@needs_wasm
@pytest.mark.parametrize(
    "shape", [dict(dim=1, layers=1, hidden=1, taps=1, vocab=257), dict(dim=37, layers=2, hidden=41, taps=5, vocab=301)], ids=str
)
def test_experts_of_awkward_shapes(reader, shape):
    for experts in (2, 16):
        model = tiny_model(**shape, copies=True, experts=experts)
        reader.load(encode_model(model))
        assert_same_logits(reader, model, np.random.default_rng(4).integers(0, model.dimensions.vocab, 60).tolist())


@needs_wasm
def test_experts_in_node(routed, routed_digests):
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    request = {"model": str(make_golden.ROUTED), "tokens": make_golden.text_tokens(routed), "prompt": "", "stories": [], "count": 0}
    command = [node, str(TESTS / "same_bits.mjs"), str(WASM)]
    done = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["digests"] == routed_digests


@pytest.mark.skipif(not NATIVE.exists(), reason="build/fable6c is not built: make native")
def test_experts_in_the_native_program(routed_digests):
    text = make_golden.TEXT.read_text(encoding="utf-8")
    done = subprocess.run([str(NATIVE), str(make_golden.ROUTED), "--selftest", "-p", text], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert [line.split()[2] for line in lines[:-1]] == routed_digests and lines[-1] == f"selftest {ROUTED['all_digests']}"


# Both readers reject the same inputs in the same words


@needs_wasm
@pytest.mark.parametrize("path", ATTACKS, ids=lambda path: path.stem)
def test_both_readers_reject(reader, path):
    data = path.read_bytes()
    with pytest.raises(ModelFileError) as caught:
        decode_model(data)
    assert answer(reader, data) == (caught.value.code, str(caught.value))


@needs_wasm
def test_both_readers_count_the_same_memory():
    """At a limit of what a file needs both take its header, at a KiB less both refuse it; whatever the dimensions."""
    random = np.random.default_rng(8)
    engine = EngineModule()
    for _ in range(200):
        sizes = [int(2 ** random.uniform(0, most)) for most in (12, 6, 14, 5)]
        vocab, context, copies = 256 + int(2 ** random.uniform(0, 16)), int(2 ** random.uniform(0, 20)), bool(random.integers(2))
        experts = int(random.integers(2, 17)) if copies and random.integers(2) else 1
        fields = make_attacks.sized(Dimensions(*sizes, vocab, context, copies), experts)
        packed = max(make_attacks.min_frame(fields), 0)
        if fields["raw_bytes"] > 1 << 30 or packed > 1 << 20:
            continue
        data = make_attacks.with_frame(bytes(packed), **fields, version=3 if experts > 1 else 1 + copies)
        needed = -(-engine_memory(decode_header(data)) // 1024)
        for limit in (needed - 1, needed) if needed < 1 << 17 else (needed - 1,):
            with pytest.raises(ModelFileError) as caught:
                decode_model(data, 1024 * limit)
            assert caught.value.name == ("TOO_LARGE" if limit < needed else "BAD_FRAME"), fields
            assert engine.answer(data, limit) == (caught.value.code, str(caught.value)), fields


@needs_wasm
def test_keys_count_in_the_memory_that_a_file_asks_for(reader):
    """2³² bytes of them, which are none in 32 bits."""
    fields = make_attacks.sized(Dimensions(dim=4096, layers=1, hidden=1, taps=1, vocab=257, context=1 << 20, copies=True))
    code, message = answer(reader, make_attacks.with_frame(bytes(make_attacks.min_frame(fields)), **fields, version=2))
    assert code == CODES["TOO_LARGE"] and int(re.search(r"(\d+) KiB", message)[1]) > 1 << 22


@needs_wasm
def test_both_readers_take_what_the_malformed_frames_would_be_without_their_fault(reader):
    for card, blocks, window in make_attacks.well_formed_blocks():
        assert answer(reader, make_attacks.with_card(card, blocks, window)) == (0, "")


@pytest.mark.long
@needs_wasm
def test_both_readers_agree_on_damage_anywhere(reader):
    for place in range(len(make_attacks.good)):
        damaged = bytearray(make_attacks.good)
        damaged[place] ^= 1 << place % 8
        try:
            decode_model(bytes(damaged))
            expected = (0, "")
        except ModelFileError as error:
            expected = (error.code, str(error))
        assert answer(reader, bytes(damaged)) == expected, place


@needs_wasm
def test_both_readers_accept_what_is_at_the_edge(reader):
    model = tiny_model()
    model.tensors["norm_out"][:2] = 1024, -1024
    model.merges[1:6] = [(j, j) for j in range(256, 261)]  # token 261 has 64 bytes
    model.card = {"name": "é 猫 😀"}
    data = encode_model(model)
    assert answer(reader, data) == (0, "")
    assert json.loads(reader.card) == decode_model(data).card == model.card
