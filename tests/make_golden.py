"""Make tests/golden/: a small model, a text, and what the reference says about them.

    python tests/make_golden.py                 # a random model with a tokenizer trained on the default corpus
    python tests/make_golden.py trained.f6c     # that model instead
    python tests/make_golden.py --routed        # only the model of three experts, and what the reference says about it

Run it only when the model or docs/numerics.md is meant to change: expected.json is what every implementation must give,
on every machine, in this and in later versions.
"""

import hashlib
import itertools
import json
import pathlib
import sys

import numpy as np
import xxhash

from fable6c.corpus import synth
from fable6c.data.bpe import train_tokenizer
from fable6c.model.file import read_model, write_model
from fable6c.model.reference import PIECE, generate
from fable6c.model.routing import Route, open_reference
from fable6c.model.sampling import Sampler
from fable6c.model.tokenizer import Tokenizer
from tiny_models import tiny_model

FOLDER = pathlib.Path(__file__).parent / "golden"
MODEL, TEXT, EXPECTED = FOLDER / "model.f6c", FOLDER / "text.txt", FOLDER / "expected.json"
ROUTED, ROUTED_EXPECTED = FOLDER / "routed.f6c", FOLDER / "routed.json"
PROMPT = "Once upon a time"
SAMPLINGS = [
    {"temperature": 0, "penalty": 0},
    {"temperature": 0.8, "penalty": 0, "seed": 1},
    {"temperature": 0.8, "top_k": 40, "penalty": 2.5, "seed": 1},
    {"temperature": 1.2, "top_k": 100, "top_p": 0.9, "penalty": 1.3, "seed": 4294967295},
]
STORY_TOKENS = 200


def random_model():
    model = tiny_model(dim=128, layers=4, hidden=320, taps=4, vocab=1024, context=256, copies=True, seed=6)
    model.merges = train_tokenizer(itertools.islice(synth.stories(1), 600), 1024, progress=False).merges
    model.card = {"name": "golden", "corpus": "none: the weights are random"}
    # Gains of both signs, as in a trained model.
    model.tensors["norm_out"] = np.random.default_rng(7).normal(0, 2, 128).astype(np.float32)
    model.tensors["copy_bias"][:] = 9  # now and then a copy
    model.tensors["head"].scale[-1] *= np.float32(0.01)  # an unlikely end mark: long stories
    return model


def digests(model, tokens):
    """XXH64 (16 hex digits) of the logits' bytes (f32, little-endian) after each of the tokens, fed from a fresh state."""
    reference = open_reference(model)
    state, found = None, []
    for start in range(0, len(tokens), PIECE):
        logits, state = reference.forward(np.array([tokens[start : start + PIECE]]), state)
        found += [xxhash.xxh64(row.astype("<f4").tobytes()).hexdigest() for row in logits[0]]
    return found


def digest_of_all(digests):
    """XXH64 of the digests' hex digits, one after the other."""
    return xxhash.xxh64("".join(digests).encode("ascii")).hexdigest()


def text_tokens(model):
    """The end mark and the tokens of the golden text."""
    return [model.dimensions.end_mark] + Tokenizer(model.merges).encode(TEXT.read_bytes()).tolist()


def stories(model):
    reference = open_reference(model)
    prompt = Tokenizer(model.merges).encode(PROMPT).tolist()
    for sampling in SAMPLINGS:
        pieces = [text for _, text in generate(reference, prompt, STORY_TOKENS, Sampler(**sampling))]
        text = b"".join(pieces)
        yield {
            "sampling": sampling,
            "tokens": len(pieces),
            "sha256": hashlib.sha256(text).hexdigest(),
            "text": text.decode("utf-8", "replace"),
        }


def expectations(model):
    tokens = text_tokens(model)
    every = digests(model, tokens)
    return {
        "model_sha256": hashlib.sha256(MODEL.read_bytes()).hexdigest(),
        "positions": len(tokens),
        "digests": {str(position): every[position] for position in (0, 1, 2, 10, 100, 1000)},
        "all_digests": digest_of_all(every),
        "prompt": PROMPT,
        "stories": list(stories(model)),
    }


def routed_model():
    model = tiny_model(dim=36, layers=2, hidden=50, taps=3, vocab=400, context=64, copies=True, seed=8, experts=3)
    model.merges = train_tokenizer(itertools.islice(synth.stories(1), 300), 400, progress=False).merges
    model.card = {"name": "golden", "corpus": "none: the weights are random", "experts": ["one", "two", "three"]}
    for expert in range(3):
        model.tensors[f"experts.{expert}.copy_bias"][:] = 3  # now and then a copy
    return model


def experts(model, tokens):
    """The number of the expert that reads each token, as one digit."""
    return "".join(map(str, Route.fresh(model.experts).follow(model.router, np.array(tokens))[1]))


def routed_expectations(model):
    tokens = text_tokens(model)
    return {
        "model_sha256": hashlib.sha256(ROUTED.read_bytes()).hexdigest(),
        "experts": experts(model, tokens),
        "all_digests": digest_of_all(digests(model, tokens)),
    }


def main():
    write_model(ROUTED, routed_model())
    ROUTED_EXPECTED.write_text(json.dumps(routed_expectations(read_model(ROUTED)), indent=1) + "\n", encoding="utf-8")
    if sys.argv[1:] == ["--routed"]:
        return
    write_model(MODEL, read_model(sys.argv[1]) if len(sys.argv) > 1 else random_model())
    if not TEXT.exists():
        own = synth.text(2, 3600).replace(synth.END_OF_TEXT + "\n", "")
        TEXT.write_bytes((own + "Zoë’s cat said “naïve” — 猫が笑った 😀!\n").encode("utf-8"))
    expected = expectations(read_model(MODEL))
    EXPECTED.write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")
    print(f"{MODEL}: {MODEL.stat().st_size:,} bytes; {expected['positions']} positions")
    for story in expected["stories"]:
        print(f"{story['sampling']}: {story['tokens']} tokens\n{story['text']!r}")


if __name__ == "__main__":
    main()
