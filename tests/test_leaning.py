"""Leaning: what a header asks for comes, in the engine as in the reference."""

import random

import numpy as np
import pytest

from engine_module import EngineModule
from fable6c.model.asking import QUOTE, Leaning, words_missing, write_header
from fable6c.model.file import read_bytes, read_model
from fable6c.model.reference import Reference, generate
from fable6c.model.sampling import Sampler, words_said
from fable6c.model.tokenizer import Tokenizer
from programs import MODEL

END = -1
FIELDS = [
    {"Words": "dragon, spoon, brave"},
    {"Name": "Mia", "Words": "ox", "Talk": "yes"},
    {"Words": "mother-in-law, didn't, antidisestablishment"},
    {"Talk": "no", "Length": "long"},
    {"Length": "short", "Talk": "yes"},
    {"Length": "middle", "Name": "Jo", "Mood": "sad", "Begins": "W N: a b"},
    {"Mood": "sad"},
    {"Mood": "happy", "Length": "short"},
]
MALFORMED = [
    "\x01Words: a b c d e f g\n\x02",
    "\x01Words dragon spoon\nNail: x y\nTalk no\nTalk: maybe\nLength:\nLength: enormous\n\x02",
    "\x01Words: " + "q" * 200 + " dragon, dragon dragon\x02",
    "\x01W: \u00fcber  two  ,,; 7seven x'y-z \n\n\nT:  no\n\x02Once",
    "\x01Words: never ended",
    "\x02Words: no header\n",
    "\x01\x02",
    "\x01Mood: h\nLength: short\x02",
    "\x01Mood: x\nMood: sad\nLength: short\x02",
    "\x01Mood: so very so\nMood: " + "q" * 200 + "\nMood:\nWords: very\n\x02",
]


@pytest.fixture(scope="module")
def teller():
    engine = EngineModule()
    engine.load(read_bytes(MODEL))
    model = read_model(MODEL)
    return engine, Reference(model), Tokenizer(model.merges)


def told(engine, header, tokens, seed):
    engine.reset()
    engine.seed(seed)
    engine.sampling(0.8, 40, 1.0, 2.5)
    data = header.encode()
    engine.write(engine.text_buffer(), data)
    engine.feed(len(data))
    while engine.pending():
        engine.step()
    ids = []
    while len(ids) < tokens and engine.step() != END:
        ids.append(engine.token())
    return ids


def expected(reference, tokenizer, header, tokens, seed):
    return [token for token, _ in generate(reference, tokenizer.encode(header), tokens, Sampler.by_default(seed))]


@pytest.mark.parametrize("header", [*map(write_header, FIELDS), *MALFORMED], ids=range(len(FIELDS) + len(MALFORMED)))
def test_engine_and_reference_lean_alike(teller, header):
    engine, reference, tokenizer = teller
    assert told(engine, header, 120, 3) == expected(reference, tokenizer, header, 120, 3)


def test_random_headers(teller):
    engine, reference, tokenizer = teller
    draw = random.Random(1)
    for seed in range(25):
        pieces = [
            "Words: ",
            "Name: ",
            "Talk: ",
            "Length: ",
            "yes",
            "no",
            "short",
            "long",
            "\n",
            " ",
            ",",
            "tim",
            " tim",
            "'",
            "-",
            '"',
            "\u201c",
            ":",
            "é",
        ]
        header = "\x01" + "".join(draw.choices(pieces, k=draw.randrange(12))) + "\x02"
        assert told(engine, header, 40, seed) == expected(reference, tokenizer, header, 40, seed), repr(header)


@pytest.mark.parametrize("fields", FIELDS, ids=range(len(FIELDS)))
def test_what_is_asked_comes(teller, fields):
    engine, _, tokenizer = teller
    for seed in range(4):
        ids = told(engine, write_header(fields), 1500, seed)
        assert len(ids) < 1500, "leaned to its end"
        story = b"".join(tokenizer.token_bytes[id] for id in ids).decode("utf-8", "replace")
        assert not words_missing(fields.get("Words", "").split(", ") if "Words" in fields else [], story)
        assert fields.get("Name", "") in story
        if "Talk" in fields:
            assert ('"' in story or "\u201c" in story) == (fields["Talk"] == "yes")
        words = sum(tokenizer.token_bytes[id][:1] == b" " for id in ids)
        low, high = {"short": (0, 170), "middle": (120, 250), "long": (190, 600)}.get(fields.get("Length"), (0, 600))
        assert low <= words <= high


def test_the_candidates_are_what_comes_next(teller):
    engine, _, tokenizer = teller
    told(engine, write_header({"Words": "dragon"}), 0, 1)
    leaned = 0
    for _ in range(120):
        count = engine.candidates()
        first, share = engine.candidate(0), engine.share(0)
        if engine.step() == END:
            break
        if count == 1 and share == 1:
            leaned += 1
            assert engine.token() == first
    assert leaned >= len(tokenizer.encode(" dragon"))


@pytest.mark.parametrize("header", ["", write_header({"Words": "ox", "Length": "short"})])
def test_nothing_leans_without_a_header_or_after_the_storys_end(teller, header):
    """Plain texts of any length are the sampler's, and so is what follows the end of a story that had a header."""
    engine, _, tokenizer = teller
    told(engine, header, 2000, 1)
    vocab = len(tokenizer.token_bytes)
    for seed in range(30):
        data = b" a story of many words" * 12
        engine.write(engine.text_buffer(), data)
        engine.feed(len(data))
        while engine.pending():
            engine.step()
        logits = np.frombuffer(engine.read(engine.logits(), 4 * vocab), "<f4").copy()
        engine.seed(seed)
        drawn = vocab - 1 if engine.step() == END else engine.token()
        assert drawn == Sampler.by_default(seed).choose(logits, words_said(tokenizer.encode(data).tolist(), tokenizer.token_bytes))


def test_a_host_that_goes_on_itself_ends_a_word(teller):
    """A word that leaning has begun is not finished after other text; it is still missing, and comes later."""
    engine, _, tokenizer = teller
    word = tokenizer.encode(" antidisestablishment").tolist()
    assert len(word) > 3
    told(engine, write_header({"Words": "antidisestablishment"}), 0, 1)
    for _ in range(300):
        engine.step()
        if engine.token() == word[0] and engine.candidates() == 1:
            break
    assert engine.candidate(0) == word[1]
    engine.run(ord("x"))
    assert engine.candidate(0) != word[1]
    ids = []
    while engine.step() != END:
        ids.append(engine.token())
    assert b"antidisestablishment" in b"".join(tokenizer.token_bytes[id] for id in ids)


def test_speech_is_begun_at_once_where_it_is_nearly_as_likely():
    """With logits of its own: two nats below the likeliest a token comes at once, three below only later."""
    texts = [bytes([byte]) for byte in range(256)] + [b" a", b" bc", b""]
    leaning = Leaning(texts)
    for token in [258, 1, *b"Talk:", *b" yes", 10, 2]:
        leaning.read(token)
    logits = np.zeros(259, np.float32)
    logits[256] = 3
    logits[QUOTE] = 1
    assert leaning.choose(logits, Sampler(0)) == QUOTE
    logits[QUOTE] = 0
    for _ in range(15):
        assert leaning.choose(logits, Sampler(0)) == 256
        leaning.read(256)
    leaning.read(256)
    assert leaning.choose(logits, Sampler(0)) == QUOTE
    leaning.read(QUOTE)
    assert leaning.choose(logits, Sampler(0)) == 256
