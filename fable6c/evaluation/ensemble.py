"""Network and scout as an ensemble: what each of them, and a mixture of both, gives a text.

The scout (docs/scout.md) reads the part of the corpus that the network was trained on. Both then predict the part that was held
out from both, and a gate learns there whom to believe when; at last the text is scored. The mixture of two distributions over
the next token is one: p = (1 - g) p_network + g p_scout, and g depends only on what stands before the token.

    held_out = read(reference, scout, text)          # what both think of each token, and the signs that the gate goes by
    gate = learn_gate(held_out)
    bits = mix(read(reference, scout, other), gate)  # of each token
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Optional

import numpy as np

from fable6c.data.prepare import Survey, choose_held_out
from fable6c.data.text import DOCUMENT_CHARACTERS, normalize, read_documents
from fable6c.errors import UserError
from fable6c.evaluation.bits import predictions
from fable6c.mixing.reading import CHUNK_TOKENS, train
from fable6c.mixing.scout import Scout
from fable6c.model.file import Model, read_model
from fable6c.model.reference import Reference
from fable6c.model.tokenizer import Tokenizer
from fable6c.progress import Progress

SIGNS = "constant, entropy, network's best, times seen, followers, repetition, network's lead".split(", ")
FADING = 0.95  # of the lead: it looks back over about 20 tokens
ROUNDS = 100  # of learning the gate; after 60 no digit moves that is shown
RIDGE = 1e-3  # holds a weight whose sign never changes at 0


class Reading(NamedTuple):
    """What network and scout think of a text of N tokens, each before it comes.

    tokens (N,)     uint16
    bits (N, 2)     -log2 of the token's probability: the network's, the scout's
    signs (N, 7)    what the gate goes by, in the order of SIGNS
    known (N,)      the longest context that the scout has seen before: 0 none, 1 three tokens … 4 six
    """

    tokens: np.ndarray
    bits: np.ndarray
    signs: np.ndarray
    known: np.ndarray


def read(reference: Reference, scout: Scout, text: str, learn: bool = True, progress: bool = True) -> Reading:
    """Let both read a text as one stream; the scout goes on from what it has read before, the network begins anew."""
    return read_tokens(reference, scout, scout.tokenizer.encode(text), learn, progress)


def read_tokens(reference: Reference, scout: Scout, tokens: np.ndarray, learn: bool = True, progress: bool = True) -> Reading:
    """The same for a text in tokens (N,)."""
    bits, signs = np.empty((len(tokens), 2)), np.ones((len(tokens), len(SIGNS)))
    confidence = np.empty((len(tokens), 4), np.int32)
    with Progress("network", len(tokens), "tokens", progress) as shown:
        place = 0
        for logits, targets in predictions(reference, tokens, shown):
            rows = slice(place, place + len(targets))
            chances = np.exp(logits)
            total = chances.sum(axis=1)
            bits[rows, 0] = (np.log(total) - logits[np.arange(len(targets)), targets]) / np.log(2)
            signs[rows, 1] = (np.log(total) - (chances * logits).sum(axis=1) / total) / np.log(2)
            signs[rows, 2] = np.log2(total)
            place = rows.stop
    with Progress("scout", len(tokens), "tokens", progress) as shown:
        for place in range(0, len(tokens), CHUNK_TOKENS):
            rows = slice(place, place + CHUNK_TOKENS)
            bits[rows, 1], confidence[rows] = scout.probabilities_of(tokens[rows], learn)
            shown.add(len(tokens[rows]))
    signs[:, 3:6] = np.log2(1 + confidence[:, 1:])
    signs[:, 6] = lead(bits)
    return Reading(tokens, bits, signs, confidence[:, 0])


def lead(bits: np.ndarray) -> np.ndarray:
    """How much better the network was at the tokens before each one: a fading average of its lead in bits, (N,) float64."""
    out, average = [], 0.0
    for network, scout in bits.tolist():
        out.append(average)
        average = FADING * average + (1 - FADING) * (scout - network)
    return np.array(out)


def gate_of(reading: Reading, gate: np.ndarray) -> np.ndarray:
    """How far to believe the scout at each token, in (0, 1): (N,) float64."""
    return 1 / (1 + np.exp(-reading.signs @ gate))


def mix(reading: Reading, gate: np.ndarray) -> np.ndarray:
    """The bits of each token by the ensemble: (N,) float64."""
    g = gate_of(reading, gate)
    chances = np.exp2(-reading.bits)
    return -np.log2((1 - g) * chances[:, 0] + g * chances[:, 1])


def learn_gate(reading: Reading) -> np.ndarray:
    """The weights of the signs that make a text cheapest: (7,) float64.

    Expectation and maximisation (Jordan and Jacobs, "Hierarchical mixtures of experts and the EM algorithm", 1994): which share
    of each token's chance came from the scout, then one Newton step of a logistic regression to those shares.
    """
    gate = np.zeros(len(SIGNS))
    chances = np.exp2(-reading.bits)
    for _ in range(ROUNDS):
        g = gate_of(reading, gate)
        share = g * chances[:, 1] / ((1 - g) * chances[:, 0] + g * chances[:, 1])
        gradient = reading.signs.T @ (share - g) - RIDGE * gate
        curvature = (reading.signs * (g * (1 - g))[:, None]).T @ reading.signs + RIDGE * np.eye(len(gate))
        gate = gate + np.linalg.solve(curvature, gradient)
    return gate


KINDS = (
    "a line's first word",
    "a sentence's first word",
    "name",
    "frequent word",
    "other word, said before",
    "other word, new",
    "inside a word",
    "punctuation, line end",
)
MEMORIES = (
    "no context of 3 tokens known",
    "3 to 5 tokens known",
    "6 tokens known",
    "repetition of 7 to 14 tokens",
    "repetition of 15 tokens or more",
)
FREQUENT = 100  # words
BEFORE = 200  # tokens back in which a word counts as said before


def kinds_of(tokens: np.ndarray, tokenizer: Tokenizer) -> np.ndarray:
    """The kind of each token, as its place in KINDS: (N,) int. A name is a capitalised word within a sentence, "I" excepted."""
    pieces = [tokenizer.token_bytes[token] for token in tokens.tolist()]
    is_word = {piece for piece in set(pieces) if re.match(rb" [a-z]", piece)}
    counts = dict.fromkeys(is_word, 0)
    for piece in pieces:
        if piece in is_word:
            counts[piece] += 1
    frequent = set(sorted(counts, key=lambda piece: (-counts[piece], piece))[:FREQUENT])
    said: dict[bytes, int] = {}
    out, before = [], b"\n"  # the text before a token: its last few bytes are enough; where each token was last
    for place, piece in enumerate(pieces):
        if not re.match(rb" ?[A-Za-z\x80-\xff]", piece):
            kind = 7
        elif re.search(rb'\n["\' ]*$', before):
            kind = 0
        elif re.search(rb'[.!?]["\' ]*$|"$', before):
            kind = 1
        elif re.search(rb"[A-Za-z'\x80-\xff]$", before) and piece[:1] != b" ":
            kind = 6
        elif re.match(rb" ?[A-Z]", piece) and piece.strip() != b"I":
            kind = 2
        elif piece in frequent:
            kind = 3
        else:
            kind = 4 if place - said.get(piece, -BEFORE - 1) <= BEFORE else 5
        out.append(kind)
        before, said[piece] = (before + piece)[-8:], place
    return np.array(out)


def memories_of(reading: Reading) -> np.ndarray:
    """What the scout remembered before each token, as its place in MEMORIES: (N,) int."""
    repetition = np.rint(np.exp2(reading.signs[:, 5]) - 1)
    out = np.searchsorted([1, 4], reading.known, side="right")
    out[repetition > 0] = 3
    out[repetition >= 15] = 4
    return out


def contributions(reading: Reading, bits: np.ndarray, kinds: np.ndarray, names: Sequence[str]) -> list[dict]:
    """A row for each kind: its tokens, and the mean bits of one by the network, by the scout, by both."""
    rows = []
    for i, name in enumerate(names):
        chosen = kinds == i
        if chosen.any():
            network, scout = reading.bits[chosen].mean(axis=0).tolist()
            both = float(bits[chosen].mean())
            rows.append({"kind": name, "tokens": int(chosen.sum()), "network": network, "scout": scout, "ensemble": both})
    return rows


def divide(model_path: str, model: Model, corpus: Sequence[str]) -> tuple[Iterator[str], str]:
    """The documents to learn from, and the text that was held out, as `fable6c.train` divided them. UserError as in `divide_documents`."""
    learned, kept = divide_documents(model_path, model, corpus)
    return learned, one_stream(kept)


def divide_documents(model_path: str, model: Model, corpus: Sequence[str]) -> tuple[Iterator[str], Iterator[str]]:
    """The documents to learn from, and those that were held out.

    UserError if the model learned another text, because then something else was held out.
    """
    survey = Survey()
    for _ in survey.watch(read_documents(corpus)):
        pass
    found, wanted = survey.sha256.hexdigest(), model.card.get("text_sha256")
    if found != wanted:
        raise UserError(
            f"{model_path}: was not trained on this corpus (its card has text_sha256 {str(wanted)[:16]}, here it is "
            f"{found[:16]}); give the files of --corpus of its training, in the same order"
        )
    held_out = choose_held_out(survey.names, survey.lengths)
    learned = (held_out.split(document)[0] for document in read_documents(corpus))
    kept = (held_out.split(document)[1] for document in read_documents(corpus))
    return filter(None, learned), filter(None, kept)


def one_stream(documents: Iterable[str]) -> str:
    return "\n".join(map(normalize, documents))


def _scored(path: str) -> Iterator[str]:
    """The documents to score. UserError for more than one stream can hold in memory, before it is read to its end."""
    characters = 0
    for document in read_documents([path]):
        characters += len(document)
        if characters > DOCUMENT_CHARACTERS:
            raise UserError(
                f"{path}: more than {DOCUMENT_CHARACTERS:,} characters, which an ensemble cannot score at once; give a part of it"
            )
        yield document


def score(
    model_path: str,
    corpus: Sequence[str],
    text_path: str,
    chars: Optional[int] = None,
    tier: str = "normal",
    memory: int = 1 << 30,
    threads: int = 2,
    learn: bool = True,
    prune: Optional[int] = None,
    progress: bool = True,
) -> dict:
    """All of it, as the command prints it. `chars` is the number to divide by (the text's characters if None); with learn=False
    the scout is frozen after the part of the corpus that it learns from, with `prune` also shrunk to that many bytes. UserError for
    whatever is wrong with the files."""
    text = one_stream(_scored(text_path))
    model = read_model(model_path)
    if model.router is not None:
        raise UserError(f"{model_path}: has {model.experts} experts; an ensemble takes a network of one")
    documents, held_out = divide(model_path, model, corpus)
    tokenizer, reference = Tokenizer(model.merges), Reference(model)
    scout, _ = train(documents, tier, memory, threads, tokenizer, progress)
    if prune is not None:
        scout.prune(prune)
        learn = False
    practice = read(reference, scout, held_out, learn, progress)
    gate = learn_gate(practice)
    reading = read(reference, scout, text, learn, progress)
    bits = mix(reading, gate)

    return {
        **figures(reading, bits, chars or len(text)),
        "held_out": figures(practice, mix(practice, gate), len(held_out)),
        "scout_share": float(gate_of(reading, gate).mean()),
        "gate": dict(zip(SIGNS, gate.tolist())),
        "kinds": contributions(reading, bits, kinds_of(reading.tokens, tokenizer), KINDS),
        "memories": contributions(reading, bits, memories_of(reading), MEMORIES),
    }


def figures(reading: Reading, bits: np.ndarray, chars: int) -> dict:
    """Bits per character of the network, of the scout and of both."""
    network, scout = (reading.bits.sum(axis=0) / chars).tolist()
    return {"network": network, "scout": scout, "ensemble": float(bits.sum() / chars), "chars": chars, "tokens": len(bits)}
