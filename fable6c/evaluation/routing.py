"""Experts into one model: checked, given a router, and kept only if held-out documents say that it is better than each of them alone."""

import dataclasses
import hashlib
import itertools
import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Optional

import numpy as np

from fable6c import __version__
from fable6c.data.text import normalize
from fable6c.errors import UserError
from fable6c.evaluation.batch import document_bits, sentence_bits
from fable6c.evaluation.ensemble import divide_documents
from fable6c.evaluation.statistics import gain, said, significant
from fable6c.files import atomic_write, existing_file
from fable6c.model.architecture import SHARED, TENSORS, Dimensions, expert_prefix, parameter_count, tensor_specs
from fable6c.model.file import EXPERTS_KEY, Model, decode_model, encode_model, encode_tensor, read_model
from fable6c.model.routing import Route, RoutedReference
from fable6c.model.tokenizer import Tokenizer
from fable6c.progress import Progress
from fable6c.training.router import learn_router

LEARNED = 20000  # documents of each text from which the router learns
LEARNED_TOKENS = 800  # as far as this
TOKEN_CHARACTERS = 16  # of a document, for each token that is wanted of it: tokens are a quarter as long
ROUTED, OWN = "routed", "own expert"  # rows of the table beside those of the models
HELD_OUT = 50  # documents of each text that are scored,
SCORED_TOKENS = 255  # as far as this: short ones are read by the trainer's kernels
LOOKS = (8, 16, 32, 64)  # tokens after which the router's choice is compared with the text's name


class Text(NamedTuple):
    """The text of an expert: what it is called, and its file."""

    name: str
    path: str


@dataclasses.dataclass
class Scores:
    """What held-out documents say.

    names        of the experts, and so of the kinds of documents
    characters   of each document (N,)
    kinds        of each document (N,): the place of its name
    bits         of each document (N,), by the routed model ("routed"), by each document's own expert ("own expert"), and by each model alone
    right        share of the documents that the router gives to their own expert, after so many tokens
    """

    names: list[str]
    characters: np.ndarray
    kinds: np.ndarray
    bits: dict[str, np.ndarray]
    right: dict[int, float]

    def per_character(self, of: str, kind: Optional[int] = None) -> float:
        chosen = np.ones(len(self.kinds), bool) if kind is None else self.kinds == kind
        return float(self.bits[of][chosen].sum() / self.characters[chosen].sum())


def route(paths: Sequence[str], texts: Sequence[Text], against: Sequence[str], output: str) -> tuple[Model, Scores, str]:
    """Make a model of the experts in `paths`, each with its text, and write it. Returns it, the scores, and in words what was gained.

    UserError, one line, for an output that is one of the inputs, names that cannot be told apart, experts that do not fit together, and where
    held-out documents do not say that the model is better than each of its experts and each model of `against`; nothing is written then.
    """
    existing_file(output, (*paths, *(text.path for text in texts), *against))
    experts, others = [read_model(path) for path in paths], [read_model(path) for path in against]
    check_experts(paths, experts)
    for place, text in enumerate(texts):
        if text.name in (ROUTED, OWN, *against, *(other.name for other in texts[:place])):
            raise UserError(f"--text {text.name}=…: this name stands for another row of the table; choose another one")
    for path, other in zip(against, others):
        check_comparable(path, other)
    tokenizer, dimensions = Tokenizer(experts[0].merges), experts[0].dimensions
    learned, held_out = [], []
    for path, model, text in zip(paths, experts, texts):
        to_learn, kept = divide_documents(path, model, [text.path])
        learned.append(_tokens(tokenizer, to_learn, LEARNED, LEARNED_TOKENS))
        held_out.append(list(itertools.islice(filter(None, map(normalize, kept)), HELD_OUT)))
    router = learn_router(learned, dimensions.vocab, dimensions.end_mark)
    model = join(experts, [text.name for text in texts], [_sha256(path) for path in paths], router, output)
    data = encode_model(model)
    model = decode_model(data)
    scores = score(model, held_out, dict(zip([text.name for text in texts], experts)), dict(zip(against, others)))
    best = min((name for name in scores.bits if name not in (ROUTED, OWN)), key=lambda name: scores.bits[name].sum())
    found = gain(scores.bits[ROUTED].tolist(), scores.bits[best].tolist())
    words = f"{said(found)} than {best}"
    if not significant(found):
        raise UserError(f"{output}: not written, because held-out documents do not say that routing is better: {words}")
    atomic_write(output, data)
    return model, scores, words


def check_experts(paths: Sequence[str], experts: Sequence[Model]) -> None:
    """UserError for models that cannot share a tokenizer and an embedding, or are of several experts themselves."""
    first = experts[0]
    for place, (path, model) in enumerate(zip(paths, experts)):
        if model.router is not None:
            raise UserError(f"{path}: has {model.experts} experts itself; give the model files that it was made of")
        if not model.dimensions.copies:
            raise UserError(f"{path}: does not copy, and experts do; train with copies = true under [model]")
        for field in dataclasses.fields(Dimensions):
            own, wanted = getattr(model.dimensions, field.name), getattr(first.dimensions, field.name)
            if own != wanted:
                raise UserError(f"{path}: has {field.name} = {own} and {paths[0]} has {wanted}; experts of one model have one shape")
        if not np.array_equal(model.merges, first.merges):
            raise UserError(f"{path}: has another tokenizer than {paths[0]}; begin both --from one model")
        for spec in tensor_specs(model.dimensions):
            if spec.row in TENSORS[SHARED] and encode_tensor(spec, model.tensors[spec.name]) != encode_tensor(
                spec, first.tensors[spec.name]
            ):
                raise UserError(
                    f"{path}: has another embedding than {paths[0]}; begin both --from one model, with fixed_embedding = true (--config)"
                )
        if _sha256(path) in map(_sha256, paths[:place]):
            raise UserError(f"{path}: is the same model as another one; give each once")


def check_comparable(path: str, model: Model) -> None:
    if model.router is not None:
        raise UserError(f"{path}: has {model.experts} experts itself; --against takes a model of one")


def join(experts: Sequence[Model], names: Sequence[str], sources: Sequence[str], router: np.ndarray, output: str) -> Model:
    """One model of the experts, whose card names them and, by their SHA-256, the files that they came from."""
    first = experts[0]
    tensors = {}
    for number, expert in enumerate(experts):
        for spec in tensor_specs(first.dimensions):
            tensors[spec.name if spec.row in TENSORS[SHARED] else expert_prefix(number) + spec.name] = expert.tensors[spec.name]
    card = {
        "name": os.fsencode(os.path.splitext(os.path.basename(output))[0]).decode("utf-8", "replace"),
        "made_by": f"fable6c {__version__}",
        "parameters": parameter_count(first.dimensions, len(experts)),
        EXPERTS_KEY: list(names),
        "sources": list(sources),
    }
    return Model(first.dimensions, card, first.merges, tensors, router)


def score(model: Model, held_out: Sequence[Sequence[str]], experts: dict[str, Model], others: dict[str, Model]) -> Scores:
    """What the documents say of the model, and of each of the others alone. held_out: of each expert's kind."""
    documents: list[str] = []
    kinds: list[int] = []
    for kind, texts in enumerate(held_out):
        documents += texts
        kinds += [kind] * len(texts)
    tokenizer = Tokenizer(model.merges)
    tokens = _tokens(tokenizer, documents, len(documents), SCORED_TOKENS)
    # All models score the same characters: as far as the first tokens of this one go.
    beginnings = [tokenizer.decode(part.tolist()) for part in tokens]
    bits = {}
    with Progress("scoring", len(tokens), "documents") as shown:
        reference, quiet, rows = RoutedReference(model), Progress("", enabled=False), []
        for part in tokens:
            rows.append(document_bits(reference, part, quiet).sum())
            shown.add(1)
        bits[ROUTED] = np.array(rows)
    for name, other in {**experts, **others}.items():
        own = Tokenizer(other.merges)
        parts = [np.asarray(own.encode(beginning)) for beginning in beginnings]
        bits[name] = np.array([row.sum() for row in sentence_bits(other, parts)])
    place = np.arange(len(kinds))
    bits[OWN] = np.stack([bits[name] for name in experts])[kinds, place]
    characters = np.array([len(beginning.decode("utf-8", "replace")) for beginning in beginnings])
    return Scores(list(experts), characters, np.array(kinds), bits, right_after(model, tokens, np.array(kinds)))


def right_after(model: Model, tokens: Sequence[np.ndarray], kinds: np.ndarray) -> dict[int, float]:
    """The share of the documents whose own expert reads after so many of LOOKS tokens; of those that are so long."""
    assert model.router is not None
    end_mark = [model.dimensions.end_mark]
    chosen = [Route.fresh(model.experts).follow(model.router, np.concatenate([end_mark, part]))[1] for part in tokens]
    out = {}
    for look in LOOKS:
        hits = [path[look] == kind for path, kind in zip(chosen, kinds) if len(path) > look]
        if hits:
            out[look] = float(np.mean(hits))
    return out


def _tokens(tokenizer: Tokenizer, documents: Iterable[str], most: int, length: int) -> list[np.ndarray]:
    """The beginnings of up to `most` documents, at most `length` tokens of each."""
    beginnings = (document[: TOKEN_CHARACTERS * length] for document in documents)
    chosen = list(itertools.islice(filter(None, map(normalize, beginnings)), most))
    return [np.asarray(part[:length]) for part in tokenizer.encode_documents(chosen)]


def _sha256(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()
