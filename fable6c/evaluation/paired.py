"""Models beside each other on held-out documents, each read alone: what decides whether an operation keeps its result.

documents = held_out("valid.txt")
found = statistics.gain(costs(candidate, documents), costs(base, documents))
found = mixture([a, b], documents)        # their predictions mixed, with weights learned from half of the documents
"""

from collections.abc import Sequence

import numpy as np

from fable6c.data.text import normalize, read_documents
from fable6c.errors import UserError
from fable6c.evaluation import statistics
from fable6c.evaluation.predictors import Predictor

LEAST = 20  # documents: of fewer a bootstrap says little
FIRST = 600  # characters of a document that are read: they fit the windows of the kernels, which read twenty times as fast as the reference
ROUNDS = 100  # of learning weights


def held_out(path: str) -> list[str]:
    """The first FIRST characters of each document of a text, normalized as evaluation/bits.py does. UserError for fewer than LEAST documents."""
    documents = [document[:FIRST] for document in map(normalize, read_documents([path])) if document]
    if len(documents) < LEAST:
        raise UserError(
            f"{path}: has {len(documents)} document{'s' * (len(documents) != 1)}, a paired test needs at least {LEAST}; give a text in which <|endoftext|> ends each"
        )
    return documents


def costs(predictor: Predictor, documents: Sequence[str]) -> np.ndarray:
    """The bits of each document: float64 (documents,)."""
    return np.array([bits.sum() for bits in predictor.alone(predictor.tokenizer.encode_documents(list(documents)), True)])


def mixture(predictors: Sequence[Predictor], documents: Sequence[str]) -> dict:
    """The models' predictions mixed: p = Σ weight · p of a model, with constant weights that the even documents choose.

    {"weights": (K,), "alone": bits per character of each, "ensemble": the same of the mixture, "best": the model that is best on the even documents,
    "gain": `statistics.gain` of the mixture over that}, all but the weights of the odd documents. UserError for different tokenizers.
    """
    tokenizer = predictors[0].tokenizer
    for place, predictor in enumerate(predictors):
        if predictor.tokenizer.to_bytes() != tokenizer.to_bytes():
            raise UserError(
                f"model {place + 1} has another tokenizer than the first: predictions of different tokens cannot be mixed; train with one tokenizer"
            )
    tokens = tokenizer.encode_documents(list(documents))
    bits = [np.stack(of_document, axis=1) for of_document in zip(*(predictor.alone(tokens, True) for predictor in predictors))]
    weights = mixture_weights(np.concatenate(bits[0::2]))
    best = int(np.concatenate(bits[0::2]).sum(axis=0).argmin())
    characters = sum(map(len, documents[1::2]))
    alone = np.array([of_document.sum(axis=0) for of_document in bits[1::2]])
    mixed = np.array([-np.log2(np.exp2(-of_document) @ weights).sum() for of_document in bits[1::2]])
    return {
        "weights": weights.tolist(), "alone": (alone.sum(axis=0) / characters).tolist(), "ensemble": float(mixed.sum() / characters), "best": best,
        "gain": statistics.gain(mixed.tolist(), alone[:, best].tolist()),
    }  # fmt: skip


def mixture_weights(bits: np.ndarray) -> np.ndarray:
    """The weights that make tokens cheapest, of bits (N, K) that each of K models needs for them: expectation and maximisation, (K,) float64."""
    chances, weights = np.exp2(-bits), np.full(bits.shape[1], 1 / bits.shape[1])
    for _ in range(ROUNDS):
        shares = chances * weights
        weights = (shares / shares.sum(axis=1, keepdims=True)).mean(axis=0)
    return weights
