"""What is in a model file: header, card, sizes, zeros; or only whether all of it is right.

python -m fable6c.inspect model.f6c
python -m fable6c.inspect model.f6c --verify
python -m fable6c.inspect model.f6c --weights weights.html
"""

if __name__ == "__main__" and not __package__:
    raise SystemExit("run this as a module: python -m fable6c.inspect")  # as a file, its folder would hide modules of Python's own

import dataclasses
import hashlib
import json
import os
from collections.abc import Sequence
from typing import Optional

import zstandard

from fable6c.cli import ArgumentParser, run
from fable6c.data.text import read_documents
from fable6c.errors import UsageError, UserError
from fable6c.files import existing_file
from fable6c.model.architecture import expert_prefix, parameter_count, tensor_specs
from fable6c.model.file import (
    ZSTD_LEVEL,
    Matrix,
    Model,
    ModelFileError,
    decode_header,
    decode_model,
    decompress,
    expert_names,
    read_bytes,
)
from fable6c.model.limits import HEADER_BYTES

TEXT_SEED, TEXT_CHARACTERS = 1, 40_000  # of the made-up stories


def describe(data: bytes, model: Model) -> list[str]:
    """The lines that show a model and the file's bytes that it was decoded from."""
    header = decode_header(data)
    raw = decompress(data[HEADER_BYTES:], header.raw_bytes)
    dimensions = dataclasses.asdict(model.dimensions)
    lines = [
        f"format      version {model.version}, {len(data):,} bytes",
        f"sha256      {hashlib.sha256(data).hexdigest()}",
        "dimensions  " + ", ".join(f"{name} {value}" for name, value in dimensions.items()),
        *([f"experts     {model.experts}: " + json.dumps(expert_names(model.card))[1:-1]] if model.router is not None else []),
        f"parameters  {parameter_count(model.dimensions, model.experts):,}",
        "",
        "card",
    ]
    # ASCII only: a card's text comes from elsewhere and could hold a terminal's control characters.
    lines += [f"  {json.dumps(name)[1:-1]}: {json.dumps(value)}" for name, value in model.card.items()]

    specs = {spec.name: spec for spec in tensor_specs(model.dimensions, model.experts)}

    def bytes_of(*names: str) -> int:
        return sum(spec.file_bytes for name, spec in specs.items() if name.startswith(names))

    sizes = {
        "card": header.card_bytes,
        "tokenizer": header.tokenizer_bytes,
        "embedding": bytes_of("embedding"),
        **(
            {
                "blocks": bytes_of("norm_in", "blocks", "norm_out"),
                "head": bytes_of("head"),
                **({"copying": bytes_of("norm_copy", "copy")} if model.dimensions.copies else {}),
            }
            if model.router is None
            else {
                "norm_in": bytes_of("norm_in"),
                **{f"expert {number}": bytes_of(expert_prefix(number)) for number in range(model.experts)},
                "router": model.router.size,
            }
        ),
    }
    lines += ["", f"{'part':<24}{'bytes':>12}{'packed alone':>14}"]
    compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL)
    start = 0
    for name, size in sizes.items():
        packed = len(compressor.compress(raw[start : start + size]))
        start += size
        lines.append(f"  {name:<22}{size:>12,}{packed:>14,}")
    lines.append(f"  {'all, as in the file':<22}{header.raw_bytes:>12,}{header.packed_bytes:>14,}")

    lines += ["", f"{'tensor':<24}{'kind':<14}{'shape':>14}{'zeros':>8}{'mean scale':>12}"]
    for spec in specs.values():
        tensor = model.tensors[spec.name]
        shape = " x ".join(map(str, spec.shape))
        line = f"  {spec.name:<22}{spec.kind:<14}{shape:>14}"
        if isinstance(tensor, Matrix):
            line += f"{(tensor.weight == 0).mean():>8.1%}{tensor.scale.mean():>12.5f}"
        lines.append(line)
    return lines


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = ArgumentParser(
        "python -m fable6c.inspect",
        "Show what is in a model file, or check it. A damaged or foreign file is one line and exit status 1.",
        "python -m fable6c.inspect model.f6c",
    )
    parser.add_argument("model", help="the model file (.f6c)")
    parser.add_argument("--verify", action="store_true", help="check all of it and only say OK")
    parser.add_argument(
        "--weights",
        default="",
        metavar="PAGE",
        help="write a page (.html) about the weights: what each tensor is worth, and who gives nothing",
    )
    parser.add_argument("--text", default="", metavar="FILE", help="text for --weights to measure on (default: made-up stories of our own)")
    options = parser.parse_args(argv)
    if options.text and not options.weights:
        raise UsageError("--text is what --weights measures on; give both")
    data = read_bytes(options.model)
    try:
        model = decode_model(data)
    except ModelFileError as error:
        raise ModelFileError(error.name, error.value, options.model) from None
    if options.verify:
        print(f"{options.model}: OK, {len(data):,} bytes, sha256 {hashlib.sha256(data).hexdigest()}")
    elif options.weights and model.router is not None:
        raise UserError(f"{options.model}: has {model.experts} experts; --weights looks at one: give the model file that it was made of")
    elif options.weights:
        # Here, because they need the trainer and its kernels, and the rest of this command does not.
        from fable6c.corpus import synth
        from fable6c.evaluation import weights

        existing_file(options.weights, (options.model, options.text))
        text = "\n".join(read_documents([options.text])) if options.text else synth.text(TEXT_SEED, TEXT_CHARACTERS)
        weights.write(weights.analyse(model, text), os.path.basename(options.model), options.weights)
        print(options.weights)
    else:
        print("\n".join(describe(data, model)))


if __name__ == "__main__":
    run(main)
