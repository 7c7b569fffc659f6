"""The numbers of the model file and of the engine's calls that a reader, a host and their messages must agree on.

fable6c/model/layout.py writes them into the engine's layout.ts too.
"""

import struct

import numpy as np

from fable6c.model.architecture import ROUTED_VERSION

# ---- The model file: docs/model-file.md

MAGIC = b"\x89F6C\r\n\x1a\n"
NEWEST_VERSION = ROUTED_VERSION
HEADER = struct.Struct("<8s14I")  # 64 bytes: the magic, then the fields of the document's table
HEADER_BYTES = HEADER.size
MAX_CARD_BYTES = 65536
MAX_RAW_BYTES = 1 << 30
MAX_MAGNITUDE = np.float32(1024)  # of a number in a tensor
# A frame of p bytes holds at most FREE_BYTES + CONTENT_RATIO * p: what a file costs to load stays in proportion to its size.
FREE_BYTES = 1 << 20
CONTENT_RATIO = 16

# ---- The engine: docs/engine.md

MAX_TEXT_BYTES = 65536  # that it reads at once

# Of the router (docs/numerics.md, "Routing").
ROUTER_PAIRS = 2048  # rows of its table that pairs of tokens share, a power of two; before them each token has a row
ROUTER_FADING = 7  # of the scores: they lose 1/128 with each token
ROUTER_UNIT = 16  # of the scores: a factor e in the odds
ROUTER_MARGIN = 16  # by which another expert's score must be higher
ROUTER_SPREAD = 96  # that no score lies further below the highest: a change of the text is noticed soon
