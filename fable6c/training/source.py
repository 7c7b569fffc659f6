"""The text of a run: files, a database or made-up stories, as a dataset in the run's folder."""

import argparse
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Callable, Optional

from fable6c import __version__
from fable6c.corpus import synth
from fable6c.corpus.dataset import DatabaseDataset, open_dataset, parse_mix
from fable6c.data.prepare import FolderDataset, Survey, prepare
from fable6c.data.text import describe_files, read_documents
from fable6c.errors import UserError
from fable6c.model.tokenizer import Tokenizer
from fable6c.training.config import Config

DEFAULT_CORPUS_SEED, DEFAULT_CORPUS_BYTES = 1, 8_000_000


def text_dataset(
    config: Config,
    paths: Sequence[str],
    folder: str,
    threads: int,
    before: Optional[dict],
    tokenizer: Optional[Tokenizer] = None,
    each: Callable[..., Iterator] = map,
) -> FolderDataset:
    """The run's text, tokenized into its folder. `before` is the description of the checkpoint to go on from, or None; a tokenizer is
    used instead of one that is learned from the text, which gives what it lacks of the vocabulary; `each` as in `prepare`."""
    documents: Callable[[], Iterable[str]]
    if paths:
        documents, source, corpus = (lambda: read_documents(paths)), describe_files(paths), _names(paths)
    else:
        corpus = f"made-up stories ({DEFAULT_CORPUS_BYTES / 1e6:g} MB, seed {DEFAULT_CORPUS_SEED})"
        documents, source = _made_up_stories, f"synth {corpus}, fable6c {__version__}"
    if before and before["source"] != source:
        # Other files may hold the same text. Found out before `prepare` would put another text's tokens into the folder.
        survey = Survey()
        for _ in survey.watch(documents()):
            pass
        if survey.sha256.hexdigest() != before["text_sha256"]:
            raise UserError(
                f"{folder} holds a run on another text ({before['corpus']}): go on with that, or choose another folder with --out"
            )
    dataset = prepare(documents, os.path.join(folder, "data"), config.model.vocab, source, threads, tokenizer=tokenizer, each=each)
    dataset.description["corpus"] = corpus
    return dataset


def database_dataset(path: str, config: Config, options: argparse.Namespace, folder: str, before: Optional[dict]) -> DatabaseDataset:
    """The run's text out of a database."""
    dataset = open_dataset(path, config.model.vocab, options.seed, parse_mix(options.mix), options.curriculum)
    if before and before["text_sha256"] != dataset.description["sha256"]:
        raise UserError(
            f"{folder} holds a run on another text, --mix or --curriculum ({before['corpus']}): go on with that, or choose another folder with --out"
        )
    return dataset


def _names(paths: Sequence[str]) -> str:
    """The files' names for people: the first three, as text even where they are not UTF-8."""
    names = [os.fsencode(os.path.basename(path)).decode("utf-8", "replace") for path in paths]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _made_up_stories() -> Iterator[str]:
    for document in synth.documents(DEFAULT_CORPUS_SEED, DEFAULT_CORPUS_BYTES):
        yield document.rsplit("\n", 2)[0]  # without the line <|endoftext|>: documents are divided by tokens from here on
