"""Figures of other models, each with its source, its protocol and what is not comparable: what the suite's page and report stand beside."""

from typing import NamedTuple, Optional


class Published(NamedTuple):
    """bits_per_char on valid500 by `protocol` ("stream", "stories", "flashlm"); `estimate` where it was converted from another unit."""

    name: str
    parameters: str
    size: str
    bits_per_char: Optional[float]
    protocol: str
    estimate: bool
    source: str
    not_comparable: str


LLAMA = "llama2.c's README: validation loss in nats per Llama token, here times 1.443 bits times 0.273 tokens a character (measured on valid500)"
ELDAN = "Eldan and Li 2023, arXiv:2305.07759"

MODELS = [
    Published("stories260K", "0.26 M", "1.0 MB, f32", 0.903, "stream", False, "measured here, benchmarks/run.sh curve", "windows of 512 tokens"),
    Published(
        "FlashLM v4", "4.3 M", "ternary", 0.8798, "flashlm", False, "FlashLM's README and its eval_bpc.py", "the protocol helps: see above"
    ),
    Published(
        "TinyStories-1M", "3.7 M, 1 M without embeddings", "f32", 0.6182, "flashlm", False, f"FlashLM's README; the model: {ELDAN}",
        "trained on 470 M tokens of the whole dataset, with a GPU",
    ),
    Published("stories15M", "15 M", "60 MB, f32", 0.42, "stories", True, LLAMA, "another validation text of the same dataset; windows of 256"),
    Published("stories42M", "42 M", "170 MB, f32", 0.33, "stories", True, LLAMA, "the same, windows of 1,024"),
    Published("stories110M", "110 M", "440 MB, f32", 0.30, "stories", True, LLAMA, "the same, windows of 1,024"),
    Published("TinyStories-33M", "33 M without embeddings", "f32", None, "", False, ELDAN, "graded by GPT-4, which nobody can repeat offline"),
    Published(
        "GPT-2 small", "124 M", "0.5 GB, f32", None, "", False, "Radford et al. 2019", "trained on web pages; BLiMP's figure for GPT-2 stands above, perhaps of another size"
    ),
    Published(
        "BitNet b1.58 2B4T", "2 B", "0.4 GB, ternary", None, "", False, "Ma et al. 2025, arXiv:2504.12285",
        "four trillion tokens of training; its tests ask for knowledge that no story has",
    ),
    Published("Z80-uLM", "–", "40 KB with its program", None, "", False, "its README", "answers in a word or two; docs/z80.md has the comparison"),
]  # fmt: skip

# Mean over paradigms, from the tests' repositories and papers.
GRAMMAR = {
    "zorro": {"RoBERTa-base": 0.825},
    "blimp": {"5-gram": 0.610, "LSTM": 0.701, "Transformer-XL": 0.700, "GPT-2": 0.833, "people": 0.886},
}
GRAMMAR_SOURCES = {
    "zorro": "Huebner et al. 2021, from the scores in its repository, mean over the same 23 paradigms",
    "blimp": "Warstadt et al. 2020, mean over the summary in its repository; people from the paper",
}
