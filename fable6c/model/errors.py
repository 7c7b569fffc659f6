"""What can be wrong, each with its code, its name and its message: the same for every reader of a model and every host of the engine.

`{}` is what was found. asengine/assembly/layout.ts is made from these tables (layout.py).
"""

from fable6c.model.limits import HEADER_BYTES, MAX_TEXT_BYTES, NEWEST_VERSION

# A model file: docs/model-file.md.
ERRORS = {
    1: (
        "TOO_SHORT",
        f"the file has {{}} bytes, less than the {HEADER_BYTES} of a model's header: it is empty or truncated; copy or download it again",
    ),
    2: ("WEB_PAGE", 'the file starts with "<": this is a web page, not a model; download the raw file'),
    3: ("NOT_A_MODEL", "the file does not start as a .f6c model does; give a file made by `python -m fable6c.export`"),
    4: ("TEXT_MODE", "the file was changed by a text-mode transfer (line ends rewritten); transfer it as binary"),
    5: ("NEWER_VERSION", f"the model has format version {{}}, this build reads 1 to {NEWEST_VERSION}; get a newer fable6c"),
    6: ("HEADER_CHECKSUM", "the header is damaged (its checksum does not match); copy or download the file again"),
    7: ("BAD_DIMENSION", "the header's {} is out of range; the file is damaged or not made by fable6c"),
    8: ("BAD_SIZE", "the sizes in the header contradict each other ({}); the file is damaged or not made by fable6c"),
    9: ("TRUNCATED", "the file ends early: {} bytes are missing; copy or download it again"),
    10: ("TRAILING_BYTES", "the file has {} bytes after its end; copy or download it again"),
    11: ("TOO_LARGE", "the model needs {} KiB of memory, more than is allowed here; use a smaller model or allow more"),
    12: ("BAD_FRAME", "the compressed part is damaged (not a valid zstd frame with a right checksum); copy or download the file again"),
    13: ("CONTENT_CHECKSUM", "the unpacked content is damaged (its checksum does not match); copy or download the file again"),
    14: ("BAD_CARD", "the model card is not valid UTF-8 text; the file is damaged or not made by fable6c"),
    15: ("BAD_TOKENIZER", "the tokenizer is damaged at token {}; the file is damaged or not made by fable6c"),
    16: ("BAD_TENSOR", "tensor {} holds a value that is not allowed; the file is damaged or not made by fable6c"),
}

# A call of the engine: docs/engine.md.
ENGINE_ERRORS = {
    32: ("NO_MODEL", "no model is loaded; load one first"),
    33: ("TEXT_TOO_LONG", f"the text has {{}} bytes, more than the {MAX_TEXT_BYTES} that can be read at once; shorten it"),
    34: ("STILL_READING", "{} tokens of the last text are still to be read; step until none is pending"),
    35: ("NO_SUCH_TOKEN", "the model has no token {}"),
    36: ("BAD_SAMPLING", "{} is out of range"),
}
