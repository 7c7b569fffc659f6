"""Make tests/attacks/: one small file for each way in which a model file can be wrong.

    python tests/make_attacks.py

A file's name begins with the name of its error in docs/model-file.md: `BAD_FRAME-wrong-checksum.f6c`. Both readers must
answer each file with that error and the same text (tests/test_model_file.py, tests/test_same_bits.py).
"""

import dataclasses
import pathlib
import struct
import zlib

import numpy as np
import zstandard

from fable6c.model import zstd
from fable6c.model.architecture import Dimensions, tensor_specs
from fable6c.model.file import CONTENT_RATIO, FREE_BYTES, HEADER, HEADER_BYTES, MAGIC, encode_model, router_rows, tensor_bytes
from tiny_models import tiny_model
from zstd_frames import BitWriter, block_of, ended, frame_of, fse_description

FOLDER = pathlib.Path(__file__).parent / "attacks"
FIELDS = ["version", "dim", "layers", "hidden", "taps", "vocab", "context"] + [
    "card_bytes",
    "tokenizer_bytes",
    "tensor_bytes",
    "raw_bytes",
    "packed_bytes",
    "raw_crc",
]

model = tiny_model(layers=1)
good = encode_model(model)
good_fields = dict(zip(FIELDS, HEADER.unpack_from(good)[1:]))
good_frame = good[HEADER_BYTES:]
good_raw = zstandard.ZstdDecompressor().decompress(good_frame)


def compress(raw, **options):
    options = {"level": 19, "write_checksum": True, **options}
    return zstandard.ZstdCompressor(**options).compress(raw)


def with_frame(frame, **fields):
    """A file with this compressed part and these fields in its header, all else as in the good file, the header's checksum right."""
    fields = {**good_fields, "packed_bytes": len(frame), **fields}
    header = HEADER.pack(MAGIC, *(fields[name] for name in FIELDS), 0)[:-4]
    return header + struct.pack("<I", zlib.crc32(header)) + frame


def with_fields(**fields):
    return with_frame(good_frame, **fields)


def with_content(start, replacement):
    """A file that is right in all but these bytes of its unpacked content."""
    raw = good_raw[:start] + replacement + good_raw[start + len(replacement) :]
    assert len(raw) == len(good_raw)
    return with_frame(compress(raw), raw_crc=zlib.crc32(raw))


def rle_frame(content_bytes, blocks):
    """A zstd frame that declares `content_bytes` and holds `blocks` RLE blocks of 128 KiB of zeros (RFC 8878, 3.1.1), four bytes each."""
    descriptor = 0b10000100  # content size of four bytes, a window, a checksum
    window = 0b01010000  # 1 MiB
    block = (131072 << 3 | 1 << 1).to_bytes(3, "little") + b"\0"
    last = (131072 << 3 | 1 << 1 | 1).to_bytes(3, "little") + b"\0"
    header = zstandard.FRAME_HEADER + bytes([descriptor, window]) + struct.pack("<I", content_bytes)
    return header + block * (blocks - 1) + last + bytes(4)


def attacks():
    """All (name of the file, bytes)."""
    yield "TOO_SHORT-empty", b""
    yield "TOO_SHORT-three-bytes", b"abc"
    yield "TOO_SHORT-seven-bytes", good[:7]
    yield "TOO_SHORT-eight-bytes", good[:8]
    yield "TOO_SHORT-63-bytes", good[:63]
    yield "WEB_PAGE-one-byte", b"<"
    yield "WEB_PAGE-doctype", b"<!DOCTYPE html>\n<html><head><title>model.f6c</title></head></html>\n"
    yield "WEB_PAGE-after-white-space", b"\r\n\t\v\f <html></html>"
    yield "NOT_A_MODEL-text", b"Once upon a time there was a file that was no model at all, and it was longer than a header.\n"
    yield "NOT_A_MODEL-zip", b"PK\x03\x04" + bytes(100)
    yield "NOT_A_MODEL-eight-bytes", b"GGUF\x03\0\0\0"
    yield "NOT_A_MODEL-white-space", b" " * 80
    yield "NOT_A_MODEL-high-bit-lost", bytes([0x09]) + good[1:]
    yield "NOT_A_MODEL-version-0", with_fields(version=0)
    yield "TEXT_MODE-crlf-to-lf", good.replace(b"\r\n", b"\n")
    yield "TEXT_MODE-lf-to-crlf", good.replace(b"\n", b"\r\n")
    yield "NEWER_VERSION-4", with_fields(version=4)
    yield "NEWER_VERSION-largest", with_fields(version=2**32 - 1)
    yield "HEADER_CHECKSUM-dim", good[:12] + bytes([good[12] ^ 1]) + good[13:]
    yield "HEADER_CHECKSUM-zero", good[:60] + bytes(4) + good[64:]

    limits = {"dim": 4096, "layers": 64, "hidden": 16384, "taps": 32, "vocab": 65536, "context": 2**20}
    for name, limit in limits.items():
        yield f"BAD_DIMENSION-{name}-0", with_fields(**{name: 0})
        yield f"BAD_DIMENSION-{name}-above", with_fields(**{name: limit + 1})
        yield f"BAD_DIMENSION-{name}-largest", with_fields(**{name: 2**32 - 1})
    yield "BAD_DIMENSION-vocab-256", with_fields(vocab=256)
    yield "BAD_DIMENSION-all-zero", with_fields(**dict.fromkeys(limits, 0))

    yield "BAD_SIZE-card-1", with_fields(card_bytes=1)
    yield "BAD_SIZE-card-above", with_fields(card_bytes=65537)
    yield "BAD_SIZE-card-largest", with_fields(card_bytes=2**32 - 1)
    yield "BAD_SIZE-card-moved", with_fields(card_bytes=good_fields["card_bytes"] + 1)
    for name in ("tokenizer_bytes", "tensor_bytes", "raw_bytes"):
        yield f"BAD_SIZE-{name}-0", with_fields(**{name: 0})
        yield f"BAD_SIZE-{name}-less", with_fields(**{name: good_fields[name] - 1})
        yield f"BAD_SIZE-{name}-more", with_fields(**{name: good_fields[name] + 1})
        yield f"BAD_SIZE-{name}-largest", with_fields(**{name: 2**32 - 1})
    # The largest dimensions, with sizes that agree with them: tensor_bytes is negative as an i32, raw_bytes above its cap.
    yield "BAD_SIZE-above-the-cap", with_frame(good_frame, **sized(Dimensions(4096, 64, 16384, 32, 65536, 2**20)))

    yield "TRUNCATED-header-only", good[:64]
    yield "TRUNCATED-last-byte", good[:-1]
    yield "TRUNCATED-packed-largest", with_fields(packed_bytes=2**32 - 1)
    yield "TRAILING_BYTES-one", good + b"\0"
    yield "TRAILING_BYTES-twice", good + good
    yield "TRAILING_BYTES-packed-0", with_fields(packed_bytes=0)

    large = sized(Dimensions(4096, 19, 16384, 32, 257, 2**20))  # 1023 MiB, just below the cap
    yield "BAD_SIZE-bomb", with_frame(rle_frame(large["raw_bytes"], 8), **large)
    slow = sized(Dimensions(4095, 1, 16380, 1, 257, 1))
    yield "BAD_SIZE-zeros", with_frame(rle_frame(slow["raw_bytes"], slow["raw_bytes"] // 131072), **slow)
    short = sized(Dimensions(1060, 1, 1, 1, 300, 1))
    for name, packed in (("packed-too-small", min_frame(short) - 1), ("packed-0", 0)):
        yield f"BAD_SIZE-{name}", with_frame(bytes(packed), **short)
    keys = sized(Dimensions(1024, 1, 1, 1, 257, 2**20, copies=True))  # 2**20 keys of 1 KiB
    yield "TOO_LARGE-keys", with_frame(bytes(min_frame(keys)), **keys, version=2)

    yield "BAD_FRAME-empty", with_frame(b"")
    yield "BAD_FRAME-three-bytes", with_frame(good_frame[:3])
    yield "BAD_FRAME-magic", with_frame(b"\x27" + good_frame[1:])
    yield "BAD_FRAME-reserved-bit", with_frame(good_frame[:4] + bytes([good_frame[4] | 8]) + good_frame[5:])
    window_byte = bytes([good_frame[4] & ~0x20])
    yield "BAD_FRAME-window-of-2-GiB", with_frame(good_frame[:4] + window_byte + b"\xa8" + good_frame[5:])
    yield "BAD_FRAME-no-content-size", with_frame(compress(good_raw, write_content_size=False))
    yield "BAD_FRAME-content-size-less", with_frame(compress(good_raw[:-1]))
    yield "BAD_FRAME-content-size-more", with_frame(compress(good_raw + b"\0"))
    yield "BAD_FRAME-bomb", with_frame(rle_frame(good_fields["raw_bytes"], 256))
    yield "BAD_FRAME-no-checksum", with_frame(compress(good_raw, write_checksum=False))
    yield "BAD_FRAME-wrong-checksum", with_frame(good_frame[:-1] + bytes([good_frame[-1] ^ 1]))
    yield "BAD_FRAME-flip", with_frame(flip(good_frame, len(good_frame) // 2))
    yield "BAD_FRAME-ends-in-a-block", with_frame(good_frame[: len(good_frame) // 2])
    yield "BAD_FRAME-ends-in-the-checksum", with_frame(good_frame[:-1])
    yield "BAD_FRAME-trailing-byte", with_frame(good_frame + b"\0")
    yield "BAD_FRAME-second-frame", with_frame(good_frame + compress(b""))
    yield "BAD_FRAME-skippable-first", with_frame(skippable() + good_frame)
    yield "BAD_FRAME-skippable-after", with_frame(good_frame + skippable())
    yield "BAD_FRAME-only-skippable", with_frame(skippable(good_fields["raw_bytes"]))
    dictionary = zstandard.ZstdCompressionDict(good_raw, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    yield "BAD_FRAME-dictionary-content", with_frame(compress(good_raw, dict_data=dictionary))
    # A dictionary id of one byte in an otherwise right frame: the single-segment descriptor with the id flag set.
    yield "BAD_FRAME-dictionary-id", with_frame(good_frame[:4] + bytes([good_frame[4] | 1, 7]) + good_frame[5:])
    for name, card, blocks, window in malformed_blocks():
        yield f"BAD_FRAME-{name}", with_card(card, blocks, window)
    yield "CONTENT_CHECKSUM-wrong", with_fields(raw_crc=good_fields["raw_crc"] ^ 1)

    card = good_fields["card_bytes"]
    for name, text in {
        "latin-1": b"caf\xe9",
        "cut-character": b"\xe2\x82",
        "lone-continuation": b"\x80",
        "overlong": b"\xc0\xaf",
        "overlong-three": b"\xe0\x80\xaf",
        "surrogate": b"\xed\xa0\x80",
        "above-unicode": b"\xf4\x90\x80\x80",
    }.items():
        yield f"BAD_CARD-{name}", with_content(card - len(text), text)

    for name, place, merge in [
        ("left-is-itself", 0, (256, 97)),
        ("right-is-later", 0, (97, 298)),
        ("the-end-mark", 42, (97, 299)),
        ("beyond-the-vocabulary", 3, (65535, 65535)),
        ("same-pair", 42, (97, 97)),
        ("same-bytes", 42, (257, 97)),  # "ba" + "a" …
    ]:
        merges = model.merges.copy()
        if name == "same-bytes":
            merges[41] = (98, 256)  # … after "b" + "aa"
        merges[place] = merge
        yield f"BAD_TOKENIZER-{name}", with_content(card, merges.tobytes())
    doubling = model.merges.copy()
    doubling[1:7] = [(j, j) for j in range(256, 262)]  # 4, 8, 16, 32, 64 bytes, then 128
    yield "BAD_TOKENIZER-128-bytes", with_content(card, doubling.tobytes())
    doubling[6] = (261, 97)  # 65 bytes
    yield "BAD_TOKENIZER-65-bytes", with_content(card, doubling.tobytes())

    start = card + good_fields["tokenizer_bytes"]
    embedding, norm_in, norm_mix, mix_in = tensor_specs(model.dimensions)[:4]
    head = tensor_specs(model.dimensions)[-1]
    gains_end = len(good_raw) - head.file_bytes  # norm_out is the last tensor but one
    for name, value in {
        "nan": np.nan,
        "infinite": np.inf,
        "minus-infinite": -np.inf,
        "1e30": 1e30,
        "above-1024": np.nextafter(np.float32(1024), np.float32(2000)),
    }.items():
        yield f"BAD_TENSOR-first-scale-{name}", with_content(start, np.float32(value).tobytes())
        yield f"BAD_TENSOR-head-scale-{name}", with_content(gains_end, np.float32(value).tobytes())
        yield f"BAD_TENSOR-last-gain-{name}", with_content(gains_end - 4, np.float32(value).tobytes())
    row = start + 4 * embedding.scales  # seven columns: two bytes to a row, three trits of padding in the second
    low_row = start + embedding.file_bytes - 2
    yield "BAD_TENSOR-byte-243", with_content(row, b"\xf3")
    yield "BAD_TENSOR-byte-255", with_content(row, b"\xff")
    for digit in (0, 2):
        yield f"BAD_TENSOR-padding-digit-{digit}", with_content(row + 1, bytes([1 + 3 * 1 + 9 * digit + 27 + 81]))
    yield "BAD_TENSOR-low-plane-byte-243", with_content(low_row, b"\xf3")
    yield "BAD_TENSOR-low-plane-padding", with_content(low_row + 1, bytes([1 + 3 + 9 * 2 + 27 + 81]))
    mix_in_last_byte = start + sum(spec.file_bytes for spec in (embedding, norm_in, norm_mix, mix_in)) - 1
    yield "BAD_TENSOR-padding-in-the-last-row", with_content(mix_in_last_byte, bytes([1 + 3 + 9 + 27 + 81 * 2]))

    yield "BAD_SIZE-version-2-without-its-tensors", with_fields(version=2)
    copying = encode_model(tiny_model(layers=1, copies=True))
    copying_fields = dict(zip(FIELDS, HEADER.unpack_from(copying)[1:]))
    copying_raw = zstandard.ZstdDecompressor().decompress(copying[HEADER_BYTES:])
    yield "BAD_SIZE-version-1-with-the-tensors-of-2", with_frame(copying[HEADER_BYTES:], **{**copying_fields, "version": 1})
    norm, matrix, sentinel, bias = tensor_specs(Dimensions(**{**dataclasses.asdict(model.dimensions), "copies": True}))[-4:]
    end = len(copying_raw)
    for name, place, replacement in (
        ("copy-bias-nan", end - bias.file_bytes, np.float32(np.nan).tobytes()),
        ("copy-sentinel-infinite", end - bias.file_bytes - sentinel.file_bytes, np.float32(np.inf).tobytes()),
        ("copy-matrix-byte-243", end - bias.file_bytes - sentinel.file_bytes - 1, b"\xf3"),
        ("copy-norm-1e30", end - sum(spec.file_bytes for spec in (norm, matrix, sentinel, bias)), np.float32(1e30).tobytes()),
    ):
        raw = copying_raw[:place] + replacement + copying_raw[place + len(replacement) :]
        frame = compress(raw)
        yield f"BAD_TENSOR-{name}", with_frame(frame, **{**copying_fields, "packed_bytes": len(frame), "raw_crc": zlib.crc32(raw)})

    # Several experts: their number follows from the size of the tensors and the router.
    experts = tiny_model(layers=1, copies=True, experts=2)
    experts.router[:] = 0  # which makes the files small
    routed = encode_model(experts)
    routed_fields = dict(zip(FIELDS, HEADER.unpack_from(routed)[1:]))
    routed_frame = routed[HEADER_BYTES:]
    size, dimensions = routed_fields["tensor_bytes"], tiny_model(layers=1, copies=True).dimensions
    for name, other in {
        "0": 0,
        "less": size - 1,
        "more": size + 1,
        "largest": 2**32 - 1,
        "only-what-they-share": shared_bytes(dimensions),
        "one-expert": shared_bytes(dimensions) + (size - shared_bytes(dimensions)) // 2,
        "17-experts": tensor_bytes(dimensions, 17),
    }.items():
        fields = {**routed_fields, "tensor_bytes": other, "raw_bytes": (routed_fields["raw_bytes"] - size + other) % 2**32}
        yield f"BAD_SIZE-experts-{name}", with_frame(routed_frame, **fields)
    yield "BAD_SIZE-experts-in-version-2", with_frame(routed_frame, **{**routed_fields, "version": 2})
    yield "BAD_SIZE-version-3-without-experts", with_frame(copying[HEADER_BYTES:], **{**copying_fields, "version": 3})
    routed_raw = zstandard.ZstdDecompressor().decompress(routed_frame)
    place = len(routed_raw) - 2 * router_rows(dimensions) - bias.file_bytes
    raw = routed_raw[:place] + np.float32(np.nan).tobytes() + routed_raw[place + bias.file_bytes :]
    frame = compress(raw)
    yield "BAD_TENSOR-of-the-last-expert", with_frame(frame, **{**routed_fields, "packed_bytes": len(frame), "raw_crc": zlib.crc32(raw)})


def shared_bytes(dimensions):
    """Bytes of the tensors that all experts share: the first two, embedding and norm_in."""
    return sum(spec.file_bytes for spec in tensor_specs(dimensions)[:2])


# ---- Frames that a careless decoder takes: their content is right


def with_card(card, blocks, window=None):
    """A file with this card, unpacked from these blocks; the rest of its content is in raw blocks of at most 1 KiB."""
    raw = card + good_raw[good_fields["card_bytes"] :]
    rest = [block_of(0, len(raw[at : at + 1024]), raw[at : at + 1024]) for at in range(len(card), len(raw), 1024)]
    frame = frame_of(ended([*blocks, *rest]), len(raw), zstd.xxh64(raw), window)
    return with_frame(frame, card_bytes=len(card), raw_bytes=len(raw), raw_crc=zlib.crc32(raw))


DIRECT = bytes([127 + 33]) + bytes(16) + b"\x10"  # weights: 32 zeros and a 1, and so another 1 for 33: " " is 0, "!" is 1
DIRECT_2 = bytes([127 + 33]) + bytes(16) + b"\x20"  # the same with weight 2
CODES = {ord(" "): 0, ord("!"): 1}
EIGHT = b"! ! !!! "


def huffman_block(card, tree=DIRECT, streams=1, bits_left=0, bits=1):
    """A block of Huffman-coded literals."""
    form, size = (0 if streams == 1 else 1), -(-len(card) // streams)
    parts = []
    for start in range(0, len(card), size):
        writer = BitWriter()
        for byte in card[start : start + size]:
            writer.add(CODES[byte] << bits - 1, bits)
        writer.add(0, bits_left if start == 0 else 0)
        parts.append(writer.backward())
    table = b"".join(struct.pack("<H", len(part)) for part in parts[:-1])
    data = tree + table + b"".join(parts)
    return compressed_block((2 | form << 2 | len(card) << 4 | len(data) << 14).to_bytes(3, "little") + data + b"\0")


def compressed_block(data):
    return block_of(2, len(data), data)


def weights_by_fse(weights, log, frequencies):
    """A description of Huffman weights: what an encoder of FSE writes, from the last state to the first."""
    cells = zstd.fse_table(log, frequencies).cells
    states = [next(state for state, cell in enumerate(cells) if cell[0] == weight and cell[1] > 0) for weight in weights[-2:]]
    bits = []
    for weight in reversed(weights[:-2]):
        after = states[1]
        state = next(state for state, (symbol, count, base) in enumerate(cells) if symbol == weight and base <= after < base + (1 << count))
        bits.append((after - cells[state][2], cells[state][1]))
        states = [state, states[0]]
    writer = BitWriter()
    for state in states:
        writer.add(state, log)
    for value, count in reversed(bits):
        writer.add(value, count)
    data = fse_description(log, frequencies) + writer.backward()
    return bytes([len(data)]) + data


def malformed_blocks():
    """(name, card, the blocks that it is unpacked from, window) of what libzstd takes in some version, or the engine once took."""
    long = EIGHT * 40
    yield "rle-block-above-the-window", b" " * 1025, [block_of(1, 1025, b" ")], b"\0"
    yield "raw-block-above-the-window", b" " * 1025, [block_of(0, 1025, b" " * 1025)], b"\0"
    twelve = weights_by_fse([0] * 32 + [1], 5, [29, 1, *[0] * 10, 2])
    yield "weight-12-has-a-frequency", EIGHT, [huffman_block(EIGHT, twelve)], None
    yield "3-bits-left-in-a-stream", long, [huffman_block(long, streams=4, bits_left=3)], None
    yield "huffman-without-weight-1", EIGHT, [huffman_block(EIGHT, DIRECT_2, bits=1)], None
    yield "huffman-without-weight-1-two-bits", EIGHT, [huffman_block(EIGHT, DIRECT_2, bits=2)], None
    yield "four-streams-for-four-literals", EIGHT[:4], [huffman_block(EIGHT[:4], streams=4)], None
    one_symbol = fse_description(5, [0] * 8 + [32])  # literals length 8; the offset and the match length are RLE codes: 1 and 3
    literals = bytes([8 << 3]) + b" " * 8
    yield "fse-table-of-one-symbol", b" " * 11, [compressed_block(literals + b"\x01\x94" + one_symbol + b"\0\0" + b"\x20")], None
    yield "reserved-mode-bit", b" " * 11, [compressed_block(literals + b"\x01\x55" + b"\x08\0\0" + b"\x01")], None


def well_formed_blocks():
    """The same without what is wrong: each of these files is a model."""
    long = EIGHT * 40
    yield b" " * 1024, [block_of(1, 1024, b" ")], b"\0"
    yield b" " * 1024, [block_of(0, 1024, b" " * 1024)], b"\0"
    yield EIGHT, [huffman_block(EIGHT, weights_by_fse([0] * 32 + [1], 5, [29, 1, *[0] * 9, 2]))], None
    yield long, [huffman_block(long, streams=4)], None
    yield EIGHT, [huffman_block(EIGHT)], None
    yield EIGHT, [huffman_block(EIGHT, streams=4)], None
    yield b" " * 11, [compressed_block(bytes([8 << 3]) + b" " * 8 + b"\x01\x54" + b"\x08\0\0" + b"\x01")], None
    two_symbols = fse_description(5, [1, *[0] * 7, 31])
    yield b" " * 11, [compressed_block(bytes([8 << 3]) + b" " * 8 + b"\x01\x94" + two_symbols + b"\0\0" + fse_state(two_symbols, 8))], None


def fse_state(description, symbol):
    """A bit stream of one state of five bits, of this symbol."""
    cells = zstd.fse_table(*zstd.fse_description(description, 9, 36)[:2]).cells
    writer = BitWriter()
    writer.add(next(state for state, cell in enumerate(cells) if cell[0] == symbol), 5)
    return writer.backward()


def min_frame(fields):
    """The size of the smallest frame that may hold a content of this size."""
    return -(-(fields["raw_bytes"] - FREE_BYTES) // CONTENT_RATIO)


def flip(data, place):
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def skippable(size=3):
    return b"\x50\x2a\x4d\x18" + struct.pack("<I", size) + bytes(size)


def sized(dimensions, experts=1):
    """The header's fields of a model of these dimensions with a card of two bytes."""
    tokenizer, tensors = 4 * (dimensions.vocab - 257), tensor_bytes(dimensions, experts)
    names = ("dim", "layers", "hidden", "taps", "vocab", "context")
    sizes = {"card_bytes": 2, "tokenizer_bytes": tokenizer, "tensor_bytes": tensors, "raw_bytes": 2 + tokenizer + tensors}
    return {**{name: getattr(dimensions, name) for name in names}, **sizes}


def main():
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.f6c"):
        old.unlink()
    count = 0
    for name, data in attacks():
        (FOLDER / f"{name}.f6c").write_bytes(data)
        count += 1
    print(f"{FOLDER}: {count} files")


if __name__ == "__main__":
    main()
