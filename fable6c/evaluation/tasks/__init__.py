"""The suite's tasks, one a file: NAME, TITLE, and `run(asked)`, which returns plain figures or says why there are none.

A task takes any predictor (evaluation/predictors.py). Its figures are a dict for report.json; {"skipped": reason} where it cannot run.
"""

import dataclasses
from typing import Optional

from fable6c.evaluation.predictors import Predictor


@dataclasses.dataclass
class Asked:
    """What a task gets: the predictor, and the options of the command.

    texts, corpus, books     files of text to predict, of the training text, of held-out books
    zorro, blimp             files of pairs
    checkpoint               the folder of a training run
    protocols                of prediction; empty: all that the text allows
    pairs, stories           how many pairs of a paradigm and how many stories at most
    quick                    a fraction of the items
    """

    predictor: Predictor
    model_path: str
    texts: list[str] = dataclasses.field(default_factory=list)
    corpus: list[str] = dataclasses.field(default_factory=list)
    books: list[str] = dataclasses.field(default_factory=list)
    zorro: Optional[str] = None
    blimp: Optional[str] = None
    checkpoint: Optional[str] = None
    protocols: list[str] = dataclasses.field(default_factory=list)
    pairs: int = 2000
    stories: int = 100
    quick: bool = False
    progress: bool = True
