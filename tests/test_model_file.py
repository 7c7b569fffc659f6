"""The model file's Python reader and writer against docs/model-file.md."""

import pathlib
import re
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import zstandard

import make_attacks
from fable6c.errors import UserError
from fable6c.model import file as model_file
from fable6c.model import zstd
from fable6c.model.architecture import (
    DIMENSION_RANGES,
    Dimensions,
    parameter_count,
    tensor_specs,
)
from fable6c.model.file import (
    ERRORS,
    HEADER_BYTES,
    Matrix,
    ModelFileError,
    decode_header,
    decode_model,
    encode_model,
    engine_memory,
    pack_trits,
    read_model,
    split_planes,
    unpack_trits,
    write_model,
)
from fable6c.model.tokenizer import Tokenizer
from tiny_models import tiny_model

TESTS = pathlib.Path(__file__).parent
ATTACKS = sorted((TESTS / "attacks").glob("*.f6c"))
DOCUMENT = (TESTS.parent / "docs" / "model-file.md").read_text(encoding="utf-8")


def error_of(data, **options):
    with pytest.raises(ModelFileError) as caught:
        decode_model(data, **options)
    return caught.value


def same(a, b):
    assert (a.dimensions, a.card) == (b.dimensions, b.card)
    assert a.merges.dtype == b.merges.dtype == np.uint16 and np.array_equal(a.merges, b.merges)
    assert list(b.tensors) == [spec.name for spec in tensor_specs(a.dimensions)]
    for name, x in a.tensors.items():
        y = b.tensors[name]
        if isinstance(x, Matrix):
            assert y.weight.dtype == np.int8 and np.array_equal(x.weight, y.weight), name
            x, y = x.scale, y.scale
        assert x.shape == y.shape and x.dtype == y.dtype and x.tobytes() == y.tobytes(), name


# The document


def test_the_documents_error_table_is_the_codes():
    table = {int(code): (name, text) for code, name, text in re.findall(r"^\| (\d+) \| `([A-Z_]+)` \| (.*) \|$", DOCUMENT, re.M)}
    assert table == ERRORS


# Trits


def test_trits_example_of_the_docstring():
    assert pack_trits(np.array([[1, 0, -1]], np.int8)) == bytes([113])


def test_all_243_bytes_are_all_rows_of_five_trits():
    weight = unpack_trits(bytes(range(243)), 243, 5)
    assert len({tuple(row) for row in weight.tolist()}) == 243
    assert set(weight.ravel().tolist()) == {-1, 0, 1}
    assert pack_trits(weight) == bytes(range(243))
    assert weight[0].tolist() == [-1] * 5 and weight[1].tolist() == [0, -1, -1, -1, -1]


@pytest.mark.parametrize("n", [1, 2, 4, 5, 6, 9, 10, 11, 129])
def test_trits_round_trip(n):
    weight = np.random.default_rng(n).integers(-1, 2, (17, n)).astype(np.int8)
    packed = pack_trits(weight)
    assert len(packed) == 17 * -(-n // 5)
    assert np.array_equal(unpack_trits(packed, 17, n), weight)


@pytest.mark.parametrize("byte", [243, 255, 0, 2 + 3 + 9 + 27 + 81 * 2])
def test_bad_trits(byte):
    with pytest.raises(ValueError):
        unpack_trits(bytes([byte]), 1, 4)


def test_nine_levels_are_two_planes():
    weight = np.arange(-4, 5, dtype=np.int8)[None]
    high, low = split_planes(weight)
    assert high.dtype == low.dtype == np.int8
    assert high.tolist() == [[-1, -1, -1, 0, 0, 0, 1, 1, 1]] and low.tolist() == [[-1, 0, 1] * 3]


# Round trip


@pytest.mark.parametrize(
    "shape",
    [
        dict(dim=1, layers=1, hidden=1, taps=1, vocab=257),
        dict(dim=5, layers=3, hidden=10, taps=4, vocab=258),
        dict(dim=16, layers=1, hidden=17, taps=32, vocab=500),
        dict(dim=33, layers=2, hidden=44, taps=2, vocab=300, context=2**20),
    ],
)
def test_round_trip(shape):
    model = tiny_model(**shape)
    data = encode_model(model)
    again = decode_model(data)
    same(model, again)
    assert encode_model(again) == data


def test_files_are_replaced(tmp_path):
    path = tmp_path / "model.f6c"
    write_model(path, tiny_model())
    same(tiny_model(), read_model(path))
    write_model(path, tiny_model(seed=2))
    same(tiny_model(seed=2), read_model(path))
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.f6c"]


def test_a_failed_write_says_so_in_one_line(tmp_path):
    with pytest.raises(UserError) as caught:
        write_model(tmp_path / "absent" / "model.f6c", tiny_model())
    assert "model.f6c" in str(caught.value) and "\n" not in str(caught.value)


def test_parameter_count():
    # By hand for D=7, L=2, H=6, K=3, V=300.
    block = 7 + 21 * 7 + 7 * 3 + 7 + 7 * 7 + 7 + 12 * 7 + 7 * 6
    model = tiny_model()
    assert parameter_count(model.dimensions) == 2 * 300 * 7 + 7 + 2 * block + 7
    weights = [tensor.weight if isinstance(tensor, Matrix) else tensor for tensor in model.tensors.values()]
    assert parameter_count(model.dimensions) == sum(array.size for array in weights), "scales are not counted"


def test_values_at_the_edge_are_accepted():
    model = tiny_model()
    model.tensors["norm_out"][:2] = 1024, -1024
    model.merges[1:6] = [(j, j) for j in range(256, 261)]  # token 261 has 64 bytes
    model.card = {}
    same(model, decode_model(encode_model(model)))
    assert max(map(len, Tokenizer(model.merges).token_bytes)) == 64


@pytest.mark.parametrize("text", ["no JSON", "[1, 2]", "[" * 5000, '"\x1b[31m"', "{}}"])
def test_a_card_that_is_no_object_is_shown_as_text(text):
    size = len(text.encode())
    raw = text.encode() + make_attacks.good_raw[make_attacks.good_fields["card_bytes"] :]
    data = make_attacks.with_frame(make_attacks.compress(raw), card_bytes=size, raw_bytes=len(raw), raw_crc=make_attacks.zlib.crc32(raw))
    assert decode_model(data).card == {"text": text}


def test_the_writer_refuses_what_the_reader_would():
    def broken(name, change):
        model = tiny_model()
        change(model.tensors[name])
        with pytest.raises(ValueError, match=name):
            encode_model(model)

    broken("embedding", lambda t: t.weight.__setitem__((0, 0), 5))
    broken("blocks.0.mix_in", lambda t: t.weight.__setitem__((0, 0), 2))
    broken("embedding", lambda t: t.scale.__setitem__(0, np.inf))
    broken("embedding", lambda t: setattr(t, "scale", t.scale[:1]))
    broken("blocks.1.glu_in", lambda t: setattr(t, "weight", t.weight.T))
    broken("blocks.1.mix_in", lambda t: setattr(t, "weight", t.weight.astype(np.float32)))
    broken("norm_out", lambda t: t.__setitem__(0, np.nan))
    broken("norm_out", lambda t: t.__setitem__(0, 1025))


# Rejected inputs


@pytest.mark.parametrize("path", ATTACKS, ids=lambda path: path.stem)
def test_attack(path):
    with pytest.raises(ModelFileError) as caught:
        read_model(path)
    error = caught.value
    assert error.name == path.name.split("-")[0]
    assert ERRORS[error.code][0] == error.name
    assert str(error) == f"{path}: " + ERRORS[error.code][1].format(error.value)
    assert "\n" not in str(error)


def test_the_attack_files_are_those_of_the_script_and_meet_every_error():
    assert {path.stem for path in ATTACKS} == {name for name, _ in make_attacks.attacks()}
    assert {path.stem.split("-")[0] for path in ATTACKS} == {name for name, _ in ERRORS.values()}
    assert all(path.stat().st_size < 10_000 for path in ATTACKS)


def test_the_first_bad_field_tensor_and_token_are_named():
    assert error_of(make_attacks.with_fields(layers=0, taps=0)).value == "layers"
    assert error_of(make_attacks.with_fields(tokenizer_bytes=0, raw_bytes=0)).value == "tokenizer_bytes"
    norm_out = [spec.name for spec in tensor_specs(make_attacks.model.dimensions)].index("norm_out")
    assert norm_out == 10 + 8 * (make_attacks.model.dimensions.layers - 1)
    assert error_of((TESTS / "attacks" / "BAD_TENSOR-last-gain-nan.f6c").read_bytes()).value == norm_out
    assert error_of((TESTS / "attacks" / "BAD_TOKENIZER-beyond-the-vocabulary.f6c").read_bytes()).value == 259


def test_truncation_at_every_byte():
    data = make_attacks.good
    for size in range(len(data)):
        error = error_of(data[:size])
        if size < HEADER_BYTES:
            assert (error.name, error.value) == ("TOO_SHORT", size)
        else:
            assert (error.name, error.value) == ("TRUNCATED", len(data) - size)


def test_a_flip_of_every_header_bit():
    data = make_attacks.good
    for bit in range(8 * HEADER_BYTES):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        name = error_of(bytes(damaged)).name
        if bit < 8 * 4:
            assert name == "NOT_A_MODEL"
        elif bit < 8 * 8:
            assert name == "TEXT_MODE"
        elif bit < 8 * 12:
            assert name == {8 * 8: "NOT_A_MODEL", 8 * 8 + 1: "HEADER_CHECKSUM"}.get(bit, "NEWER_VERSION"), "version 1 becomes 0, 3, or more"
        else:
            assert name == "HEADER_CHECKSUM"


@pytest.mark.long
def test_a_flip_of_every_fifth_frame_bit_is_refused_or_changes_nothing():
    # A few bits of a frame have no meaning: one that decoders ignore (RFC 8878, 3.1.1.1.1.3), padding after an FSE table.
    data = make_attacks.good
    harmless = 0
    for bit in range(8 * HEADER_BYTES, 8 * len(data), 5):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            model = decode_model(bytes(damaged))
        except ModelFileError as error:
            assert error.name == "BAD_FRAME"
        else:
            same(model, make_attacks.model)
            harmless += 1
    assert harmless < 10


def test_content_damaged_under_right_checksums_is_refused_or_within_the_rules():
    start = make_attacks.good_fields["card_bytes"] + make_attacks.good_fields["tokenizer_bytes"]
    names = set()
    for place in range(start, len(make_attacks.good_raw), 7):
        try:
            model = decode_model(make_attacks.with_content(place, b"\xff"))
        except ModelFileError as error:
            names.add(error.name)
        else:
            same(model, decode_model(encode_model(model)))
    assert names == {"BAD_TENSOR"}


def test_no_memory_is_taken_before_the_sizes_are_checked():
    for name in ("TOO_LARGE-keys", "BAD_SIZE-bomb", "BAD_SIZE-above-the-cap", "BAD_FRAME-bomb"):
        data = (TESTS / "attacks" / f"{name}.f6c").read_bytes()
        tracemalloc.start()
        error_of(data)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2e5, (name, peak)


def test_the_limit():
    data = make_attacks.good
    needed = engine_memory(decode_header(data))
    decode_model(data, limit=needed)
    error = error_of(data, limit=needed - 1)
    assert (error.name, error.value) == ("TOO_LARGE", -(-needed // 1024))


@pytest.mark.parametrize("name", DIMENSION_RANGES)
def test_dimensions_out_of_range(name):
    fine = dict(dim=7, layers=1, hidden=6, taps=3, vocab=300, context=16)
    for value in (0, DIMENSION_RANGES[name][1] + 1):
        with pytest.raises(UserError, match=f"{name} = {value} is out of range"):
            Dimensions(**{**fine, name: value})


def test_a_file_that_cannot_be_read_is_one_line(tmp_path):
    for path in (tmp_path / "absent.f6c", tmp_path):
        with pytest.raises(UserError) as caught:
            read_model(path)
        assert str(caught.value).startswith(f"{path}: cannot read the model (")


def test_only_what_the_limit_allows_is_read(tmp_path):
    path = tmp_path / "large.f6c"
    path.write_bytes(make_attacks.good + bytes(100_000))
    assert len(model_file.read_bytes(path, limit=1000)) == HEADER_BYTES + 1000


@pytest.mark.parametrize("head", [b"GGUF", make_attacks.good[:20]], ids=["foreign", "damaged"])
def test_a_large_file_that_is_no_model_is_not_read(tmp_path, head):
    path = tmp_path / "large.f6c"
    with open(path, "wb") as file:
        file.write(head)
        file.truncate(1 << 40)
    assert len(model_file.read_bytes(path)) == HEADER_BYTES
    with pytest.raises(ModelFileError) as caught:
        read_model(path)
    assert caught.value.name == ("NOT_A_MODEL" if head == b"GGUF" else "HEADER_CHECKSUM")


def test_a_web_page_after_much_white_space_is_one(tmp_path):
    path = tmp_path / "page.f6c"
    path.write_bytes(b"\n" * 1000 + b"<html>")
    with pytest.raises(ModelFileError) as caught:
        read_model(path)
    assert caught.value.name == "WEB_PAGE"


def test_a_read_takes_memory_in_proportion_to_the_file():
    """The file has 284 KB; the address space that all of reading it may take beyond the interpreter's is 64 MiB."""
    script = """
import resource, sys
from fable6c.model.file import read_model
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), used + (64 << 20)))
read_model(sys.argv[1])
"""
    if not pathlib.Path("/proc/self/statm").exists():
        pytest.skip("no /proc to see how much address space the interpreter itself takes")
    done = subprocess.run([sys.executable, "-c", script, str(TESTS / "golden" / "model.f6c")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_memory_that_is_not_there_is_too_large(monkeypatch):
    def no_memory(*arguments):
        raise MemoryError

    monkeypatch.setattr(model_file, "decode_tensors", no_memory)
    error = error_of(make_attacks.good)
    assert (error.name, error.value) == ("TOO_LARGE", -(-engine_memory(decode_header(make_attacks.good)) // 1024))


# The size of the content in proportion to that of the frame


def test_the_largest_content_of_a_frame():
    """What the attacks BAD_SIZE-packed-too-small and TOO_LARGE-keys have a byte too few of, and just enough."""
    fields = make_attacks.sized(Dimensions(1060, 1, 1, 1, 300, 1))
    for missing, name in ((1, "BAD_SIZE"), (0, "BAD_FRAME")):
        error = error_of(make_attacks.with_frame(bytes(make_attacks.min_frame(fields) - missing), **fields))
        assert error.name == name
        if missing:
            assert error.value == "packed_bytes"


def test_a_model_of_zeros_can_be_written_and_read():
    """Level 19 would make 300 bytes of 2 MB; the writer stores them instead."""
    model = tiny_model(dim=1100, layers=1, hidden=1100, vocab=300)
    for tensor in model.tensors.values():
        getattr(tensor, "weight", tensor)[...] = 0
        getattr(tensor, "scale", tensor)[...] = 0
    data = encode_model(model)
    assert len(data) > decode_header(data).raw_bytes
    same(model, decode_model(data))
    assert zstandard.ZstdDecompressor().decompress(data[HEADER_BYTES:]) == zstd.decompress(
        data[HEADER_BYTES:], decode_header(data).raw_bytes
    )


@pytest.mark.parametrize("size", [0, 1, 131071, 131072, 131073, 300_000])
def test_stored_frames(size):
    content = np.random.default_rng(size).bytes(size)
    frame = zstd.store(content)
    assert zstd.decompress(frame, size) == content == zstandard.ZstdDecompressor().decompress(frame, max_output_size=size)
    assert len(frame) <= size + 16 + 3 * (1 + size // 131072)


# Frames that a careless decoder takes


@pytest.mark.parametrize("place", range(len(list(make_attacks.well_formed_blocks()))))
def test_what_the_malformed_frames_would_be_without_their_fault(place):
    card, blocks, window = list(make_attacks.well_formed_blocks())[place]
    assert decode_model(make_attacks.with_card(card, blocks, window)).card == {"text": card.decode()}


INPUTS = sorted((TESTS.parent.parent / "shared" / "inputs").glob("*.f6c"))


@pytest.mark.skipif(not INPUTS, reason="../shared/inputs is not there: files that strangers' readers fell out over")
def test_the_reported_files():
    names = {}
    for path in INPUTS:
        try:
            read_model(path)
        except ModelFileError as error:
            names[path.stem] = error.name
    refused = [
        "3-bits-left-in-a-stream",
        "four-streams-for-four-literals",
        "huffman-without-weight-1",
        "rle-block-above-the-window",
        "weight-12-has-a-frequency",
    ]
    assert names.items() >= {**dict.fromkeys(refused, "BAD_FRAME"), "slow-to-load": "BAD_SIZE"}.items()
