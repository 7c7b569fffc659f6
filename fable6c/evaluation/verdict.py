"""Is the model that was grown or pruned worth keeping? A paired test on the held-out documents of its run.

Both models predict the same documents, in windows as in training. The difference of their bits is taken document by document, and its interval by
a bootstrap over documents (evaluation/statistics.py).
"""

from typing import Any

import numpy as np

from fable6c.data.windows import Dataset
from fable6c.errors import UserError
from fable6c.evaluation.statistics import ratio
from fable6c.model.tokenizer import Tokenizer
from fable6c.training.network import Network
from fable6c.training.run import Run, scored_nats
from fable6c.training.start import Start

MIN_DOCUMENTS = 5
ALLOWED_LOSS = 0.01  # of the bits: what a pruned model may cost


def check_documents(dataset: Dataset) -> None:
    """UserError if there are too few held-out documents to judge by: before the training, not after it."""
    count = int(np.count_nonzero(dataset.valid == dataset.tokenizer.end_of_text))
    if count < MIN_DOCUMENTS:
        raise UserError(
            f"{count} document{'s are' if count != 1 else ' is'} held out of the text, and the test whether the model is kept needs {MIN_DOCUMENTS}: "
            "give a text of more documents, with <|endoftext|> between them"
        )


def judge(run: Run, start: Start, allowed: float) -> str:
    """Why the run's model is refused; "" if it is kept: the 95 % interval of its bits against those of `start` lies below `allowed`. Prints a line if it is kept."""
    network = Network(start.dimensions, 1, 1.0)
    network.parameters[:] = start.parameters
    network.quantize_weights()
    before = document_nats(network, start.tokenizer, recoded(run.dataset, start.tokenizer))
    after = document_nats(run.network, run.dataset.tokenizer, run.dataset.valid)
    change: dict[str, Any] = ratio((after - before).tolist(), before.tolist())
    figures = (
        f"{change['value']:+.2%} bits against {start.path} on {change['count']} held-out documents "
        f"({change['low']:+.2%} to {change['high']:+.2%} in 95 % of bootstrap draws)"
    )
    if change["high"] < allowed:
        print(f"kept: {figures}")
        return ""
    return f"{figures}, and all of that must be below {allowed:+.0%}; train longer, or choose another shape"


def recoded(dataset: Dataset, tokenizer: Tokenizer) -> np.ndarray:
    """The held-out documents in the tokens of another tokenizer, each with its end mark."""
    own = dataset.tokenizer
    if own == tokenizer:
        return dataset.valid
    ends = np.flatnonzero(dataset.valid == own.end_of_text)
    documents = np.split(dataset.valid, ends + 1)[: len(ends)]
    return np.concatenate([np.append(tokenizer.encode(own.decode(document)), np.uint16(tokenizer.end_of_text)) for document in documents])


def document_nats(network: Network, tokenizer: Tokenizer, valid: np.ndarray) -> np.ndarray:
    """The nats that each document's text costs."""
    nats, scored = scored_nats(network, tokenizer, valid)
    ends = valid == tokenizer.end_of_text
    return np.bincount(np.cumsum(ends) - ends, weights=nats * scored)[: int(ends.sum())]
