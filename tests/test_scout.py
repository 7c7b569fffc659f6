"""The scout: what its probabilities promise, that threads, blocks and files change no bit, its memory, and how it refuses."""

import json
import pathlib
import random
import subprocess
import sys
import zlib

import numpy as np
import pytest

from fable6c import native
from fable6c.data.bpe import train_tokenizer
from fable6c.errors import UserError
from fable6c.mixing import scout as scouts
from fable6c.mixing.kinds import BLOCK, TIERS
from fable6c.mixing.reading import evaluate, generate, train
from fable6c.mixing.scout import Scout
from fable6c.mixing.tree import grow_tree, is_tree
from fable6c.model.sampling import Sampler
from scout_stories import stories

TESTS = pathlib.Path(__file__).parent
MEMORY = 160 << 20


@pytest.fixture(scope="module")
def trained():
    tokenizer = train_tokenizer(stories(400), 340, progress=False)
    scout, figures = train(stories(400), "normal", MEMORY, 1, tokenizer, progress=False)
    return scout, figures


@pytest.fixture(scope="module")
def saved(trained, tmp_path_factory):
    path = str(tmp_path_factory.mktemp("scout") / "stories.scout")
    trained[0].save(path)
    return path


@pytest.fixture
def scout(saved):
    """A fresh copy: reading changes a scout."""
    return Scout.load(saved, 1)


def order_0(tokens):
    counts = np.bincount(tokens)
    p = counts[counts > 0] / len(tokens)
    return -(p * np.log2(p)).sum()


# ---- probabilities


def test_the_distribution_is_one_and_agrees_with_reading(scout):
    tokens = scout.tokenizer.encode("\n".join(stories(3, seed=2)))
    for token in tokens.tolist():
        distribution = scout.distribution()
        assert distribution.shape == (scout.vocab_size,) and distribution.min() > 0
        assert abs(distribution.sum() - 1) < 1e-5
        assert scout.update(token) == -np.log2(distribution[token])


def test_the_distribution_changes_nothing(scout, saved):
    tokens = scout.tokenizer.encode(stories(1, seed=3)[0])
    scout.distribution()
    bits, confidence = scout.probabilities_of(tokens)
    other_bits, other_confidence = Scout.load(saved, 1).probabilities_of(tokens)
    assert np.array_equal(bits, other_bits) and np.array_equal(confidence, other_confidence)


@pytest.mark.parametrize("learn", [True, False])
def test_blocks_steps_and_threads_give_the_same_bits(saved, learn):
    tokens = Scout.load(saved).tokenizer.encode("\n".join(stories(60, seed=4)))
    assert len(tokens) > 2 * BLOCK + 100
    one, two, parts, steps = (Scout.load(saved, threads) for threads in (1, 2, 2, 1))
    bits, confidence = one.probabilities_of(tokens, learn)
    assert np.array_equal(two.probabilities_of(tokens, learn)[0], bits)
    pieces = [parts.probabilities_of(tokens[a:b], learn) for a, b in [(0, 1), (1, 700), (700, 700), (700, len(tokens))]]
    assert np.array_equal(np.concatenate([piece[0] for piece in pieces]), bits)
    assert np.array_equal(np.concatenate([piece[1] for piece in pieces]), confidence)
    assert [steps.update(token, learn) for token in tokens[:300].tolist()] == bits[:300].tolist()
    for name in one.arrays:
        if name in scouts.SAVED and name != "streams":
            assert np.array_equal(one.arrays[name], two.arrays[name]), name


def test_the_instruction_set_changes_no_bit(saved, monkeypatch):
    import importlib

    tokens = Scout.load(saved).tokenizer.encode("\n".join(stories(20, seed=4)))
    expected = Scout.load(saved, 1).probabilities_of(tokens)[0]
    plain = native.Library("scout", "baseline", importlib.import_module("fable6c._lib_scout"))
    monkeypatch.setattr(native, "load", lambda library: plain)
    assert np.array_equal(Scout.load(saved, 1).probabilities_of(tokens)[0], expected)


def test_the_future_changes_no_past_probability(saved):
    tokenizer = Scout.load(saved).tokenizer
    start, end = tokenizer.encode(stories(1, seed=5)[0]), tokenizer.encode(stories(1, seed=6)[0])
    alone = Scout.load(saved, 1).probabilities_of(start)
    together = Scout.load(saved, 1).probabilities_of(np.concatenate([start, end]))
    assert np.array_equal(together[0][: len(start)], alone[0]) and np.array_equal(together[1][: len(start)], alone[1])


def test_confidence_is_known_before_the_token(saved):
    tokens = Scout.load(saved).tokenizer.encode(stories(1, seed=7)[0])
    other = tokens.copy()
    other[-1] = tokens[0]
    first, second = (Scout.load(saved, 1).probabilities_of(t)[1] for t in (tokens, other))
    assert np.array_equal(first, second)
    assert first[:, 0].max() >= 3 and first[:, 1].max() > 10 and first[:, 3].max() > 10


# ---- learning


def test_it_learns_far_beyond_order_0(trained):
    scout, figures = trained
    text = "\n".join(stories(400))
    assert figures["characters"] == len(text) + 1
    tokens = scout.tokenizer.encode(text)
    assert figures["tokens"] == len(tokens) + 1 == scout.arrays["position"][0]
    assert figures["bits"] < 0.25 * order_0(tokens) * len(tokens)


def test_adaptive_beats_frozen_on_foreign_text(saved):
    foreign = ["The captain counted seven ships and wrote the number into his log. " * 20]
    adaptive, frozen = (evaluate(Scout.load(saved, 1), foreign, learn=learn, progress=False) for learn in (True, False))
    assert adaptive["chars"] == frozen["chars"] == len(foreign[0].rstrip("\n"))
    assert adaptive["bits_per_char"] < 0.8 * frozen["bits_per_char"]


def test_frozen_reading_changes_only_the_memory_of_the_text(scout):
    learned = [n for n in scouts.SAVED if n not in ("tables", "averages", "ring", "streams", "position")]
    before = {name: scout.arrays[name].copy() for name in learned}
    scout.probabilities_of(scout.tokenizer.encode(stories(1, seed=8)[0]), learn=False)
    for name in learned:
        assert np.array_equal(scout.arrays[name], before[name]), name


def test_random_tokens_are_not_predicted():
    """A scout that could see the token it predicts would do better than chance here."""
    tokenizer = train_tokenizer(stories(400), 340, progress=False)
    for_tree, tokens = np.random.default_rng(1).integers(0, tokenizer.vocab_size - 1, (2, 20_000)).astype(np.uint16)
    scout = Scout(tokenizer, "normal", MEMORY, grow_tree(tokenizer, for_tree), 1)
    bits, _ = scout.probabilities_of(tokens)
    assert bits[-5000:].mean() > np.log2(tokenizer.vocab_size - 1) - 0.02


def test_the_tree():
    tokenizer = train_tokenizer(stories(400), 340, progress=False)
    sample = tokenizer.encode("\n".join(stories(400)))
    tree = grow_tree(tokenizer, sample)
    assert is_tree(tree["code"], tree["length"])
    counts = np.bincount(sample, minlength=len(tree["code"]))
    assert (counts * tree["length"]).sum() / counts.sum() < order_0(sample) + 1
    names = [int(tokenizer.encode(f" {name}")[0]) for name in ("Tom", "Lily", "Max", "Sue")]
    assert len({int(tree["code"][id]) >> 29 for id in names}) == 1, "names share the first three answers"
    again = grow_tree(tokenizer, sample)
    assert all(np.array_equal(tree[name], again[name]) for name in tree)
    for broken in (tree["code"] ^ np.uint32(1 << 20), np.roll(tree["code"], 1)):
        assert not is_tree(broken, tree["length"])


def test_pruning(saved):
    """Fewer megabytes predict worse, but not without end; too few are refused."""
    held_out = stories(30, seed=10)
    whole = evaluate(Scout.load(saved, 1), held_out, learn=False, progress=False)["bits_per_char"]
    scout = Scout.load(saved, 1)
    assert scout.prune(6 << 20) <= 6 << 20
    pruned = evaluate(scout, held_out, learn=False, progress=False)["bits_per_char"]
    assert 0.999 * whole < pruned < 1.3 * whole
    assert abs(scout.distribution().sum() - 1) < 1e-5
    with pytest.raises(UserError, match="is too little"):
        Scout.load(saved, 1).prune(1 << 16)


# ---- memory, files


def peak(*arguments):
    """Runs the command; returns its highest resident memory in bytes."""
    code = (
        "import sys; from fable6c.scout import main; main(sys.argv[1:]);"
        "print([line for line in open('/proc/self/status') if line.startswith('VmHWM')][0].split()[1])"
    )
    done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.splitlines()[-1]) * 1024


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_memory_cap_is_a_hard_one(tmp_path):
    text = tmp_path / "text.txt"
    draw = random.Random(1)
    words = ["".join(draw.choice("abcdefghijklmnop") for _ in range(draw.randint(2, 9))) for _ in range(20_000)]
    with open(text, "w") as file:  # nothing repeats, so that every table fills up
        file.writelines(" ".join(draw.choice(words) for _ in range(200)) + ".\n" for _ in range(1_000))  # one long document
    for tier, size in zip(TIERS, (192, 192, 384)):
        assert peak("train", text, "-o", tmp_path / "a.scout", "--memory", f"{size}M", "--tier", tier) <= size << 20


def test_a_loaded_scout_goes_on_with_the_same_bits(trained, saved):
    scout, _ = trained
    tokens = scout.tokenizer.encode(stories(1, seed=9)[0])
    copy = Scout.load(saved, 1)
    for name in scouts.SAVED:
        assert np.array_equal(copy.arrays[name], scout.arrays[name]), name
    state = {name: scout.arrays[name].copy() for name in scouts.SAVED}
    assert np.array_equal(copy.probabilities_of(tokens)[0], scout.probabilities_of(tokens)[0])
    for name, array in state.items():
        scout.arrays[name][:] = array


def test_a_damaged_file_is_refused(saved, tmp_path):
    data = pathlib.Path(saved).read_bytes()
    path = tmp_path / "damaged.scout"
    places = [0, 9, 12, 20, 60, len(data) // 3, len(data) - 3]
    for place in places:
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x40]) + data[place + 1 :])
        with pytest.raises(UserError, match="damaged.scout: "):
            Scout.load(str(path))
    for size in (0, 5, 12, 40, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:size])
        with pytest.raises(UserError, match="damaged.scout: "):
            Scout.load(str(path))


@pytest.mark.parametrize(
    "name, index, value",
    [("ring", 5, 60000), ("mixers", 3, np.nan), ("streams", BLOCK, 70000), ("position", 0, -1), ("code", 1, 0)],
)
def test_a_file_that_would_lead_out_of_the_arrays_is_refused(scout, tmp_path, name, index, value):
    scout.arrays[name].reshape(-1)[index] = value
    path = str(tmp_path / "crafted.scout")
    scout.save(path)
    with pytest.raises(UserError, match="crafted.scout: "):
        Scout.load(path)


def test_codes_that_overlap_are_no_tree():
    """Intervals that follow each other may still not be those of a tree, whose nodes would then be more than there is room for."""
    code, length = np.array([0, 1 << 30, 3 << 30], np.uint32), np.array([2, 1, 2], np.uint8)
    assert not is_tree(code, length)
    assert is_tree(np.array([0, 1 << 30, 2 << 30], np.uint32), np.array([2, 2, 1], np.uint8))


def test_whatever_stands_in_the_tables(scout, tmp_path):
    """They are not checked when a file is read: any number in them has to do no harm."""
    scout.arrays["tables"][:] = np.random.default_rng(1).integers(0, 1 << 32, len(scout.arrays["tables"]), np.uint32)
    path = str(tmp_path / "crafted.scout")
    scout.save(path)
    tokens = scout.tokenizer.encode("".join(stories(3)))
    probabilities, _ = Scout.load(path).probabilities_of(tokens)
    assert np.isfinite(probabilities).all() and (probabilities > 0).all()


@pytest.mark.parametrize(
    "header",
    [b"[]", b"{", b"{}", b"[" * 100_000, *(json.dumps({"tier": "fast", "merges": 83, "memory": 1 << 28, **change}).encode() for change in
     ({"memory": 1e11}, {"memory": True}, {"merges": 3.0}, {"tier": []}, {"tier": "huge"}))],
    ids=lambda header: header[:70].decode(),
)  # fmt: skip
def test_a_crafted_header_is_refused(saved, tmp_path, header):
    path = tmp_path / "crafted.scout"
    head = scouts.PREFIX.pack(scouts.MAGIC, len(header)) + header
    path.write_bytes(head + scouts.CRC.pack(zlib.crc32(head)) + pathlib.Path(saved).read_bytes()[-1000:])
    with pytest.raises(UserError, match="crafted.scout: "):
        Scout.load(str(path))


def test_tokens_out_of_range(scout):
    for tokens in ([scout.vocab_size], [-1], [[1, 2]], [0.5]):
        with pytest.raises(ValueError, match="tokens: expected"):
            scout.probabilities_of(tokens)


# ---- the command line


def test_it_writes_the_same_story_again(saved):
    def story(seed):
        scout = Scout.load(saved)
        prompt = scout.tokenizer.encode("Once upon a time").tolist()
        return b"".join(generate(scout, prompt, 40, Sampler(0.8, seed=seed))).decode()

    first = story(1)
    assert first == story(1) and first != story(2)
    assert first.startswith(" there was a child named ")


def command(*arguments):
    return subprocess.run([sys.executable, "-m", "fable6c.scout", *map(str, arguments)], capture_output=True, text=True)


def test_the_commands(tmp_path):
    text, path = tmp_path / "text.txt", tmp_path / "small.scout"
    text.write_text("\n<|endoftext|>\n".join(stories(300)))
    tokenizer = tmp_path / "tokenizer.f6t"
    train_tokenizer(stories(300), 340, progress=False).save(str(tokenizer))
    done = command("train", text, "-o", path, "--tier", "normal", "--tokenizer", tokenizer, "--memory", "160M", "--threads", "1")
    assert done.returncode == 0, done.stderr
    assert "bits per character" in done.stdout and "CPU seconds" in done.stdout
    shown = command("evaluate", path, "--text", text)
    assert shown.returncode == 0 and "bits per character  0." in shown.stdout
    frozen = command("evaluate", path, "--text", text, "--frozen", "--chars", "1000", "--json")
    assert frozen.returncode == 0 and '"chars": 1000' in frozen.stdout
    story = command("generate", path, "-p", "Once upon", "-n", "10", "-t", "0")
    assert story.returncode == 0 and story.stdout.startswith("Once upon a time")
    model = command("train", text, "-o", path, "--tier", "normal", "--tokenizer", TESTS / "golden" / "model.f6c", "--memory", "160M")
    assert model.returncode == 0, model.stderr


def test_bad_input_is_one_line(saved, tmp_path):
    text, latin, empty, short = (tmp_path / name for name in ("text.txt", "latin.txt", "empty.txt", "short.txt"))
    text.write_text("\n".join(stories(200)))
    latin.write_bytes(b"caf\xe9 au lait")
    empty.write_bytes(b"\n\n")
    short.write_text("A cat sat.")
    tokenizer = tmp_path / "tokenizer.f6t"
    train_tokenizer(stories(300), 340, progress=False).save(str(tokenizer))
    out = tmp_path / "out.scout"
    given = ["--tokenizer", tokenizer]
    for status, words, *arguments in [
        (1, "there is no such file", "train", tmp_path / "absent.txt", "-o", out),
        (1, "is not UTF-8", "train", latin, "-o", out),
        (1, "holds no text", "train", empty, "-o", out),
        (1, "too short", "train", short, "-o", out, *given),
        (1, "too small for a vocabulary", "train", short, "-o", out),
        (1, "are too little", "train", text, "-o", out, *given, "--memory", "64M"),
        (2, "give a size like 256M", "train", text, "-o", out, "--memory", "lots"),
        (2, "invalid choice", "train", text, "-o", out, "--tier", "quick"),
        (1, "not a tokenizer", "train", text, "-o", out, "--tokenizer", text),
        (1, "cannot be written", "train", text, "-o", tmp_path / "no" / "out.scout", *given, "--tier", "normal"),
        (1, "is not a scout", "evaluate", text, "--text", text),
        (1, "cannot be read", "evaluate", tmp_path / "absent.scout", "--text", text),
        (1, "is not UTF-8", "evaluate", saved, "--text", latin),
        (2, "--chars 0", "evaluate", saved, "--text", text, "--chars", "0"),
        (1, "is not a scout", "generate", text),
        (2, "whole number from 1", "generate", saved, "-n", "0"),
        (2, "train|evaluate|generate"),
    ]:
        done = command(*arguments)
        assert done.returncode == status, (arguments, done)
        assert done.stdout == "" and done.stderr.count("\n") == 1 and words in done.stderr, (arguments, done.stderr)
