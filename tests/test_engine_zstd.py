"""The two zstd decoders (RFC 8878), the engine's and fable6c/model/zstd.py, against each other and the zstd library: frames of every kind
decode to the same bytes; damaged ones are rejected by both, or decode to the same bytes, and never trap, hang or write outside of
their destination."""

import inspect
import random
import struct
import types

import pytest
import xxhash
import zstandard

import zstd_frames
from engine_module import EngineModule
from fable6c.model import zstd

SPACE = 1 << 24  # for the frame, and again for its content
GUARD = b"\xa5" * 64  # before and after the destination
BAD = -1


@pytest.fixture(scope="module")
def engine():
    module = EngineModule()
    module.source = module.file_buffer(2 * SPACE)
    assert module.source
    return module


def decode(engine, frame, capacity):
    """The content of a frame, or None where both decoders reject it. Fails if they differ, or if a byte outside of the destination
    changed."""
    content = decode_in_engine(engine, frame, capacity)
    assert decode_in_python(frame, capacity if content is None else len(content)) == content
    return content


def decode_in_python(frame, content_size):
    try:
        return zstd.decompress(frame, content_size)
    except zstd.ZstdError:
        return None


def decode_in_engine(engine, frame, capacity):
    """The same of the engine alone."""
    destination = engine.source + SPACE
    engine.write(engine.source, frame)
    engine.write(destination - len(GUARD), GUARD)
    engine.write(destination + capacity, GUARD)
    size = engine.decompress(engine.source, len(frame), destination, capacity)
    assert engine.read(destination - len(GUARD), len(GUARD)) == GUARD
    assert engine.read(destination + capacity, len(GUARD)) == GUARD
    if size == BAD:
        return None
    assert 0 <= size <= capacity
    return engine.read(destination, size)


# Contents


def words(count, seed):
    chance = random.Random(seed)
    vocabulary = ["".join(chance.choices("etaoinshrdlu", k=chance.randint(1, 9))) for _ in range(900)]
    return " ".join(chance.choices(vocabulary, weights=[1 / (rank + 1) for rank in range(900)], k=count)).encode()


def noise(size, seed, alphabet=256):
    chance = random.Random(seed)
    return bytes(chance.randrange(alphabet) for _ in range(size)) if alphabet < 256 else chance.randbytes(size)


CONTENTS = {
    "empty": b"",
    "one byte": b"x",
    "two bytes": b"xy",
    "short text": b"Once upon a time there was a small zebra.",
    "one letter": b"a" * 1000,
    "zeros of many blocks": bytes(500_000),
    "text": words(1500, 1),
    "text of many blocks": words(60_000, 2),
    "noise": noise(3000, 3),
    "noise of many blocks": noise(300_000, 4),
    "two symbols": noise(20_000, 5, 2),
    "three symbols": noise(5000, 6, 3),
    "sixteen symbols": noise(20_000, 7, 16),
    "243 symbols": noise(200_000, 8, 243),  # as packed trits are
    "text, then noise, then text": words(20_000, 9) + noise(150_000, 10) + words(20_000, 9),
    "a distant match": noise(70_000, 11) + words(15_000, 12) + noise(70_000, 11),
    "overlapping matches": b"".join(noise(length, length) * 40 for length in range(1, 30)),
    "counting": b"".join(struct.pack("<I", number) for number in range(30_000)),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_every_level(engine, name):
    content = CONTENTS[name]
    for level in [-50, -1, *range(1, 23)]:
        frame = zstandard.ZstdCompressor(level=level, write_checksum=True).compress(content)
        both = len(content) < 10_000 or level in (-50, 3, 19)
        assert (decode if both else decode_in_engine)(engine, frame, len(content)) == content, f"level {level}"


def test_every_short_length(engine):
    text = words(300, 13)
    for size in range(400):
        for level in (1, 19):
            frame = zstandard.ZstdCompressor(level=level, write_checksum=True).compress(text[:size])
            assert decode(engine, frame, size) == text[:size]


def streamed(content, parameters, chunk, flush):
    """A frame with a window descriptor, written chunk by chunk, with a block ended after each where `flush`."""
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj(size=len(content))
    parts = []
    for start in range(0, len(content), chunk):
        parts.append(compressor.compress(content[start : start + chunk]))
        if flush:
            parts.append(compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))
    return b"".join(parts) + compressor.flush()


@pytest.mark.parametrize("strategy", range(1, 10))
@pytest.mark.parametrize("window_log", [10, 12, 17, 20])
def test_windows_strategies_and_small_blocks(engine, strategy, window_log):
    parameters = zstandard.ZstdCompressionParameters(strategy=strategy, window_log=window_log, write_checksum=True, write_content_size=True)
    for name in ("text", "a distant match", "overlapping matches", "text, then noise, then text"):
        content = CONTENTS[name]
        for chunk, flush in ((len(content) // 2, False), (len(content) // 40 + 1, True)):
            assert decode(engine, streamed(content, parameters, chunk, flush), len(content)) == content


# Every kind of block, of literals and of tables occurs above, or is made here


def kinds(frame):
    """The kinds of blocks, literals and tables in a valid frame, as read from its headers alone."""
    flags = frame[4]
    single = flags >> 5 & 1
    at = 5 + (1 - single) + (1 << (flags & 3) >> 1) + (flags >> 6 and 1 << (flags >> 6) or single)
    found, last = set(), False
    while not last:
        header = int.from_bytes(frame[at : at + 3], "little")
        last, kind, size = header & 1, header >> 1 & 3, header >> 3
        at += 3
        found.add(("block", ("raw", "rle", "compressed")[kind]))
        if kind == 2:
            found |= kinds_in_block(frame[at : at + size])
        at += 1 if kind == 1 else size
    return found


def kinds_in_block(block):
    kind, form = block[0] & 3, block[0] >> 2 & 3
    found = {("literals", ("raw", "rle", "compressed", "treeless")[kind]), ("literals header", kind > 1, form)}
    if kind < 2:
        size = {0: 1, 1: 2, 2: 1, 3: 3}[form]
        count = int.from_bytes(block[:size], "little") >> (4 if form & 1 else 3)
        at = size + (1 if kind == 1 else count)
    else:
        size, bits = {0: (3, 10), 1: (3, 10), 2: (4, 14), 3: (5, 18)}[form]
        fields = int.from_bytes(block[:size], "little") >> 4
        at = size + (fields >> bits & (1 << bits) - 1)
        if kind == 2:
            found.add(("weights", "direct" if block[size] >= 128 else "FSE"))
    sequences = block[at]
    at += 1 if sequences < 128 else 2 if sequences < 255 else 3
    found.add(("sequences", min(sequences, 1), sequences >= 128, sequences == 255))
    if sequences:
        for table, shift in (("literals lengths", 6), ("offsets", 4), ("match lengths", 2)):
            found.add((table, ("predefined", "rle", "FSE", "repeat")[block[at] >> shift & 3]))
    return found


def test_all_kinds_are_among_the_frames():
    found = set()
    for content in CONTENTS.values():
        for level in (-50, 1, 3, 9, 19):
            found |= kinds(zstandard.ZstdCompressor(level=level, write_checksum=True).compress(content))
    for strategy in (1, 5, 9):
        parameters = zstandard.ZstdCompressionParameters(strategy=strategy, window_log=17, write_checksum=True, write_content_size=True)
        for name in ("text", "overlapping matches", "text, then noise, then text"):
            found |= kinds(streamed(CONTENTS[name], parameters, len(CONTENTS[name]) // 40 + 1, True))
    expected = {("block", kind) for kind in ("raw", "rle", "compressed")}
    expected |= {("literals", kind) for kind in ("raw", "compressed", "treeless")}  # RLE: by hand below
    expected |= {("literals header", compressed, form) for compressed in (False, True) for form in range(4)} - {
        ("literals header", False, 2)
    }
    expected |= {("weights", "direct"), ("weights", "FSE")}
    expected |= {
        (table, mode) for table in ("literals lengths", "offsets", "match lengths") for mode in ("predefined", "rle", "FSE", "repeat")
    }
    expected |= {("sequences", 0, False, False), ("sequences", 1, False, False), ("sequences", 1, True, False)}
    assert expected <= found, sorted(map(str, expected - found))


# Frames made by hand


def frame_of(blocks, content, descriptor=0xA4, window=b""):
    """A frame of blocks (kind, size, bytes); the default descriptor says: 4 bytes of content size, single segment, checksum."""
    parts = [b"\x28\xb5\x2f\xfd", bytes([descriptor]), window, struct.pack("<I", len(content))]
    for place, (kind, size, data) in enumerate(blocks):
        is_last = place == len(blocks) - 1
        parts += [(is_last | kind << 1 | size << 3).to_bytes(3, "little"), data]
    return b"".join(parts) + struct.pack("<I", xxhash.xxh64_intdigest(content) & 0xFFFFFFFF)


def compressed(*parts):
    data = b"".join(parts)
    return 2, len(data), data


def raw_literals(data):
    return (len(data) << 4 | 3 << 2).to_bytes(3, "little") + data


ALL_RLE = 0b01_01_01_00  # compression modes: each table is one code
PREDEFINED = 0


def test_very_many_sequences(engine):
    """The longest form of the number of sequences. Each is one literal and three times the same again, and takes no bits."""
    count = 0x7F00 + 100
    literals = bytes(number * 7 % 251 for number in range(count))
    content = b"".join(bytes([literal]) * 4 for literal in literals)
    sequences = b"\xff" + struct.pack("<H", count - 0x7F00) + bytes([ALL_RLE, 1, 0, 0]) + b"\x01"
    frame = frame_of([compressed(raw_literals(literals), sequences)], content)
    assert zstandard.ZstdDecompressor().decompress(frame) == content
    assert decode(engine, frame, len(content)) == content


@pytest.mark.parametrize("size", [0, 1, 31, 32, 4095, 4096, 100_000])
def test_rle_literals(engine, size):
    form = 0 if size < 32 else 1 if size < 4096 else 3
    header = (1 | form << 2 | size << (4 if form & 1 else 3)).to_bytes({0: 1, 1: 2, 3: 3}[form], "little")
    content = GOOD_START + b"x" * size
    frame = frame_of([(0, len(GOOD_START), GOOD_START), compressed(header, b"x", b"\x00")], content)
    assert zstandard.ZstdDecompressor().decompress(frame) == content
    assert decode(engine, frame, len(content)) == content


# A frame of these blocks' content, not its damage, must stay below a block's maximum size, which is that of the content.
GOOD_START = bytes(range(100, 200))
LITERALS = b"abcdefgh"
ONE_SEQUENCE = bytes([1, ALL_RLE, 8, 0, 0])  # eight literals, then three bytes from the repeated offset 1
GOOD_BLOCK = raw_literals(LITERALS) + ONE_SEQUENCE + b"\x01"
GOOD_END = b"abcdefghhhh"

BAD_BLOCKS = {
    "empty": [compressed()],
    "reserved block type": [(3, 4, b"abcd")],
    "block size beyond the frame": [(0, 9, b"abcd")],
    "literals only, no sequences section": [compressed(raw_literals(GOOD_END))],
    "a byte after no sequences": [compressed(raw_literals(GOOD_END), b"\x00\x00")],
    "literals beyond the block": [compressed(b"\xfc\xff\xff")],
    "RLE literals without their byte": [compressed(b"\x01")],
    "RLE literals larger than a block": [compressed(b"\xfd\xff\xffa\x00")],
    "literals header cut": [compressed(b"\x0c")],
    "treeless literals without a tree": [compressed(b"\x43\x00\x01", b"\x01" * 4, b"\x00")],
    "compressed literals without a tree": [compressed(b"\x42\x00\x00", b"\x00")],
    "compressed literals beyond the block": [compressed(b"\x42\xff\xff", b"\x00")],
    "a tree of zeros": [compressed(b"\x42\x00\x01", b"\x81\x00\x00\x01", b"\x00")],
    "a tree with a weight of 12": [compressed(b"\x42\x00\x01", b"\x81\xc1\x00\x01", b"\x00")],
    "a tree that no weight completes": [compressed(b"\x42\x00\x01", b"\x82\x31\x20\x01", b"\x00")],
    "four streams without a jump table": [compressed(b"\x46\x00\x01", b"\x80\x10\x01\x01", b"\x00")],
    "the number of sequences is cut": [compressed(raw_literals(LITERALS), b"\x80")],
    "the long number of sequences is cut": [compressed(raw_literals(LITERALS), b"\xff\x00")],
    "no modes": [compressed(raw_literals(LITERALS), b"\x01")],
    "reserved mode bits": [compressed(raw_literals(LITERALS), bytes([1, ALL_RLE | 1, 8, 0, 0, 1]))],
    "no RLE codes": [compressed(raw_literals(LITERALS), bytes([1, ALL_RLE]))],
    "literals length code 36": [compressed(raw_literals(LITERALS), bytes([1, ALL_RLE, 36, 0, 0, 1]))],
    "offset code 32": [compressed(raw_literals(LITERALS), bytes([1, ALL_RLE, 8, 32, 0, 1]))],
    "match length code 53": [compressed(raw_literals(LITERALS), bytes([1, ALL_RLE, 8, 0, 53, 1]))],
    "repeated tables at first": [compressed(raw_literals(LITERALS), bytes([1, 0xFC, 1]))],
    "FSE table cut": [compressed(raw_literals(LITERALS), bytes([1, 0b10_01_01_00]))],
    "FSE accuracy 10": [compressed(raw_literals(LITERALS), bytes([1, 0b10_01_01_00, 5, 1, 1, 1, 1, 1, 1]))],
    "FSE probabilities that go on": [compressed(raw_literals(LITERALS), bytes([1, 0b10_01_01_00, 0x14]) + bytes([0xFF]) * 40)],
    "FSE zeros that go on": [compressed(raw_literals(LITERALS), bytes([1, 0b10_01_01_00, 0x10 | 4]) + bytes([0xFE, 0xFF] * 40))],
    "no bits": [compressed(raw_literals(LITERALS), ONE_SEQUENCE)],
    "bits without an end": [compressed(raw_literals(LITERALS), ONE_SEQUENCE, b"\x00")],
    "too few bits": [compressed(raw_literals(LITERALS), bytes([1, PREDEFINED, 1]))],
    "too many bits": [compressed(raw_literals(LITERALS), ONE_SEQUENCE, b"\x02")],
    "more literals than there are": [compressed(raw_literals(LITERALS), bytes([1, ALL_RLE, 9, 0, 0, 1]))],
    "an offset before the start": [compressed(raw_literals(LITERALS), bytes([1, ALL_RLE, 8, 7, 0, 0x80]))],
    "an offset of 2^31": [compressed(raw_literals(LITERALS), bytes([1, ALL_RLE, 8, 31, 0, 0, 0, 0, 0x80]))],
    "a repeated offset of 0": [compressed(raw_literals(LITERALS), bytes([1, ALL_RLE, 0, 1, 0, 0b11]))],
    "a match beyond the content": [compressed(raw_literals(LITERALS), bytes([1, ALL_RLE, 8, 0, 1, 1]))],
    "more than the content": [compressed(raw_literals(GOOD_END + b"h"), b"\x00")],
    "less than the content": [compressed(raw_literals(GOOD_END[:-1]), b"\x00")],
}


def with_good_start(blocks):
    return frame_of([(0, len(GOOD_START), GOOD_START), *blocks], GOOD_START + GOOD_END)


def test_the_good_block_of_the_bad_ones(engine):
    frame = with_good_start([compressed(GOOD_BLOCK)])
    assert zstandard.ZstdDecompressor().decompress(frame) == GOOD_START + GOOD_END
    assert decode(engine, frame, 200) == GOOD_START + GOOD_END


@pytest.mark.parametrize("name", BAD_BLOCKS)
def test_bad_blocks(engine, name):
    frame = with_good_start(BAD_BLOCKS[name])
    with pytest.raises(zstandard.ZstdError):
        zstandard.ZstdDecompressor().decompress(frame)
    assert decode(engine, frame, 200) is None


# Damage with the content and the checksum that a careless decoder would arrive at


def huffman_literals(tree, stream):
    """Four literals of a code in one stream."""
    return (2 | 4 << 4 | len(tree + stream) << 14).to_bytes(3, "little") + tree + stream


TREE = b"\x80\x10"  # two symbols, 0 and 1, of one bit each
STREAM = b"\x16"  # 0, 1, 1, 0 below the first 1
FOUR_LITERALS = bytes([0, 1, 1, 0])

CARELESS = {
    "a code of 12 bits": ([compressed(huffman_literals(b"\x80\xc0", STREAM), b"\x00")], FOUR_LITERALS),
    "a bit left of the literals": ([compressed(huffman_literals(TREE, b"\x2c"), b"\x00")], FOUR_LITERALS),
    "a bit of the literals missing": ([compressed(huffman_literals(TREE, b"\x0b"), b"\x00")], FOUR_LITERALS),
    "an offset of 110 after 108 bytes": (
        [compressed(raw_literals(LITERALS), bytes([1, ALL_RLE, 8, 6, 0, 0x71]))],
        LITERALS + GUARD[:2] + GOOD_START[:1],
    ),
    "a raw block of 200,000 bytes": ([(0, 200_000, noise(200_000, 19))], noise(200_000, 19)),
    "an RLE block of 200,000 bytes": ([(1, 200_000, b"x")], b"x" * 200_000),
    "a block of literals and a match that unpacks to 165,539 bytes": (
        [compressed((1 | 3 << 2 | 100_000 << 4).to_bytes(3, "little"), b"x", bytes([1, ALL_RLE, 8, 0, 52, 0, 0, 1]))],
        b"x" * 165_539,
    ),
}


def test_the_good_literals_of_the_careless_ones(engine):
    content = GOOD_START + FOUR_LITERALS
    frame = frame_of([(0, len(GOOD_START), GOOD_START), compressed(huffman_literals(TREE, STREAM), b"\x00")], content)
    assert zstandard.ZstdDecompressor().decompress(frame) == content
    assert decode(engine, frame, len(content)) == content


@pytest.mark.parametrize("name", CARELESS)
def test_what_a_careless_decoder_would_accept(engine, name):
    blocks, end = CARELESS[name]
    content = GOOD_START + end
    frame = frame_of([(0, len(GOOD_START), GOOD_START), *blocks], content)
    with pytest.raises(zstandard.ZstdError):
        zstandard.ZstdDecompressor().decompressobj().decompress(frame)
    assert decode(engine, frame, len(content)) is None


def test_an_offset_beyond_the_window(engine):
    """RFC 8878, 3.1.1.1.2: a decoder may rely on the window. 3000 bytes back in a window of 1024 is damage."""
    content = noise(3000, 14)
    far = bytes([1, ALL_RLE, 0, 11, 0]) + struct.pack("<H", 1 << 11 | 3003 - 2048)
    blocks = [(0, 1000, content[:1000]), (0, 1000, content[1000:2000]), (0, 1000, content[2000:]), compressed(b"\x00", far)]
    content += content[:3]
    assert decode(engine, frame_of(blocks, content), len(content)) == content
    assert decode(engine, frame_of(blocks, content, 0x84, b"\x10"), len(content)) == content  # a window of 4 KiB
    assert decode(engine, frame_of(blocks, content, 0x84, b"\x00"), len(content)) is None


def test_only_plain_frames(engine):
    content = CONTENTS["text"]
    plain = zstandard.ZstdCompressor(write_checksum=True).compress(content)
    assert decode(engine, plain, len(content)) == content
    skippable = b"\x50\x2a\x4d\x18\x02\x00\x00\x00ab"
    dictionary = zstandard.ZstdCompressionDict(content, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    damaged = {
        "a byte after it": plain + b"\x00",
        "twice": plain + plain,
        "skippable frame before": skippable + plain,
        "skippable frame after": plain + skippable,
        "skippable frame alone": skippable,
        "no checksum": zstandard.ZstdCompressor(write_checksum=False).compress(content),
        "no content size": zstandard.ZstdCompressor(write_checksum=True, write_content_size=False).compress(content),
        "dictionary content": zstandard.ZstdCompressor(write_checksum=True, dict_data=dictionary).compress(content),
        "dictionary id": plain[:4] + bytes([plain[4] | 1]) + b"\x05" + plain[5:],
        "reserved bit": plain[:4] + bytes([plain[4] | 8]) + plain[5:],
        "wrong magic": b"\x27" + plain[1:],
        "wrong checksum": plain[:-1] + bytes([plain[-1] ^ 1]),
        "nothing": b"",
    }
    for name, frame in damaged.items():
        assert decode(engine, frame, len(content)) is None, name
    assert decode(engine, plain, len(content) - 1) is None
    assert decode(engine, plain, len(content) + 1) == content


def test_addresses_outside_of_memory(engine):
    frame = zstandard.ZstdCompressor(write_checksum=True).compress(b"text" * 9)
    engine.write(engine.source, frame)
    end = 1 << 31  # memory is smaller than this
    top = -1  # 2^32 - 1
    for source, size, destination, capacity in [
        (0, len(frame), engine.source, 36),
        (engine.source, len(frame), 0, 36),
        (engine.source, top, engine.source, 36),
        (end, len(frame), engine.source, 36),
        (engine.source, len(frame), end, 36),
        (engine.source, len(frame), engine.source + SPACE, top),
        (top, 20, top, 20),
    ]:
        assert engine.decompress(source, size, destination, capacity) == BAD


# Damage


def small_frames():
    for name in ("one letter", "text", "two symbols", "243 symbols", "overlapping matches", "counting"):
        content = CONTENTS[name][:6000]
        for level in (1, 19):
            yield content, zstandard.ZstdCompressor(level=level, write_checksum=True).compress(content)


def test_truncation_at_every_byte(engine):
    for content, frame in small_frames():
        for size in range(0, len(frame), 1 + len(frame) // 700):
            assert decode(engine, frame[:size], len(content)) is None


def test_flipped_bits(engine):
    chance = random.Random(15)
    for content, frame in small_frames():
        for _ in range(200):
            damaged = bytearray(frame)
            for _ in range(chance.choice((1, 1, 2, 8))):
                damaged[chance.randrange(5, len(frame) - 4)] ^= 1 << chance.randrange(8)
            assert decode(engine, bytes(damaged), len(content)) in (None, content)


def test_flipped_bits_near_the_tables(engine):
    """Most of a frame is literals: the bits that steer the decoder are at its start and just behind the literals."""
    chance = random.Random(16)
    for content, frame in small_frames():
        for _ in range(150):
            damaged = bytearray(frame)
            damaged[chance.randrange(4, min(60, len(frame) - 4))] = chance.randrange(256)
            assert decode(engine, bytes(damaged), len(content)) in (None, content)


def test_noise_behind_a_good_header(engine):
    chance = random.Random(17)
    for _ in range(3000):
        block = bytes([chance.randrange(256) & 0xF3 | 4]) + chance.randbytes(chance.randrange(200))
        assert decode(engine, frame_of([compressed(block)], bytes(5000)), 5000) is None


def test_every_literals_section_with_noise(engine):
    """A valid description of a Huffman tree, noise as its streams; and the reverse."""
    chance = random.Random(18)
    tree = b"\x83\x32\x11"  # weights 3, 2, 1 and what is missing
    for _ in range(2000):
        data = tree + chance.randbytes(chance.randrange(1, 60))
        size = chance.randrange(1, 300)
        header = (2 | chance.randrange(2) << 2 | size << 4 | len(data) << 14).to_bytes(3, "little")
        assert decode(engine, frame_of([compressed(header, data, b"\x00")], bytes(size)), size) is None


def test_both_decoders_agree_on_malformed_frames():
    """The long run is `python tests/zstd_frames.py --frames 1000000`."""
    counts = zstd_frames.run(4000, 21)
    assert min(counts["taken"], counts["refused"]) > 1500


FAULTS = {  # a check of the decoder in Python, and what is left when it is missing
    "a tree without weight 1": ("need((whole == 1).any())", "pass"),
    "four streams for fewer than six literals": (" and count >= 6)", ")"),
    "an FSE table of one symbol": ("need(max(frequencies) < 1 << log)", "pass"),
    "a frequency for weight 12": ("description, 6, 12)", "description, 6, 13)"),
    "bits left of the sequences": ("need(bits.left == 0)", "pass"),
    "bits left of the literals": ("need(at == end and len(places) == count)", "need(len(places) >= count)"),
    "an offset beyond the window": ("min(len(output), self.window)", "len(output)"),
    "a block beyond the window": ("size <= self.block_maximum and at +", "at +"),
    "reserved modes": ("need(modes & 3 == 0)", "pass"),
    "codes of 12 bits": ("0 < log <= 11", "0 < log <= 12"),
    "first states cut short": ("    need(bits.left >= 0)\n    weights", "    weights"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_the_malformed_frames_find_a_missing_check(name, monkeypatch):
    source, (check, without) = inspect.getsource(zstd), FAULTS[name]
    assert source.count(check) == 1
    lax = types.ModuleType("lax")
    exec(compile(source.replace(check, without), "lax", "exec"), lax.__dict__)
    monkeypatch.setattr(zstd_frames, "zstd", lax)
    with pytest.raises(AssertionError, match="engine refuses, Python gives"):
        zstd_frames.run(60_000, 4)
