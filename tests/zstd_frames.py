"""Malformed zstd frames, and whether the two decoders agree on them: the engine's and fable6c/model/zstd.py.

    python tests/zstd_frames.py --frames 1000000 --seed 1

Begins with frames of libzstd and frames made up here, block by block: types of blocks and literals, sizes, Huffman weights, FSE tables,
modes, sequences. Then mutates them: bits, bytes, cuts, insertions, blocks of two frames in one. A wrong size or checksum would hide all other
damage, so both are repaired: to what libzstd, Python or the engine makes of the blocks. Prints a line of counts; the first frame that one decoder takes and the other refuses ends it with status 1.
"""

import argparse
import random
import struct
import sys

import xxhash
import zstandard

from engine_module import EngineModule
from fable6c.model import zstd

SPACE = 1 << 22  # for the frame, and again for its content
MAX_CONTENT = 1 << 18
PROBE = 1 << 13


# ---- Frames and blocks


def frame_of(blocks, content_size, checksum, window=b"\x40"):
    """A frame with a content size of four bytes, a checksum and a window of 256 KiB unless another is given; None: single segment."""
    descriptor = bytes([0xA4]) if window is None else bytes([0x84]) + window
    return zstd.MAGIC + descriptor + struct.pack("<I", content_size) + b"".join(blocks) + struct.pack("<I", checksum & 0xFFFFFFFF)


def block_of(kind, size, data, last=False):
    return (last | kind << 1 | size << 3).to_bytes(3, "little") + data


def ended(blocks):
    """The same blocks with only the last marked as the last."""
    return [bytes([block[0] & ~1 | (place == len(blocks) - 1)]) + block[1:] for place, block in enumerate(blocks)]


def libzstd_blocks(content, chance):
    """The blocks that libzstd makes of a content, several of them so that tables are used again."""
    parameters = zstandard.ZstdCompressionParameters(
        strategy=chance.randint(1, 9), window_log=chance.choice((10, 14, 17)), min_match=chance.choice((3, 4, 5))
    )
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    cut = chance.randint(1, len(content))
    parts = [compressor.compress(content[:cut]), compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK), compressor.compress(content[cut:])]
    frame = b"".join(parts) + compressor.flush()
    at = 6  # magic, descriptor, window
    blocks, last = [], False
    while not last:
        header = int.from_bytes(frame[at : at + 3], "little")
        last, end = header & 1, at + 3 + (1 if header >> 1 & 3 == 1 else header >> 3)
        blocks.append(frame[at:end])
        at = end
    return blocks


def content_of(chance):
    size = chance.choice((5, 20, 100, 400, 1500))
    kind = chance.randrange(4)
    if kind == 0:
        words = ["".join(chance.choices("etaoinshr", k=chance.randint(1, 7))) for _ in range(40)]
        return " ".join(chance.choices(words, k=size // 5 + 1)).encode()
    if kind == 1:  # skewed, so that Huffman codes have many lengths
        alphabet = chance.sample(range(256), chance.randint(2, 256))
        return bytes(chance.choices(alphabet, [chance.random() ** 6 + 1e-3 for _ in alphabet], k=size))
    if kind == 2:
        return chance.randbytes(chance.randint(1, 30)) * (size // 10 + 1)
    return bytes(chance.choices(range(chance.choice((2, 3, 16, 243))), k=size))


# ---- Made up


class BitWriter:
    """Bits in the order in which a decoder reads them."""

    def __init__(self):
        self.bits = []

    def add(self, value, count):
        self.bits += [value >> place & 1 for place in reversed(range(count))]

    def backward(self):
        """The stream that is read backward: a 1 bit in front, zeros above it."""
        bits = [1, *self.bits]
        bits = [0] * (-len(bits) % 8) + bits
        return bytes(int("".join(map(str, bits[at : at + 8])), 2) for at in range(0, len(bits), 8))[::-1]


def fse_description(log, frequencies):
    """RFC 8878, 4.1.1, written for whatever frequencies are given."""
    word, bit, remaining, place = log - 5, 4, 1 << log, 0
    while remaining > 0 and place < len(frequencies):
        value = frequencies[place] + 1
        bits = (remaining + 1).bit_length()
        low = (1 << bits) - 1 - (remaining + 1)
        short = (1 << bits - 1) - 1
        if value < low:
            bits -= 1
        elif value > short:
            value += low
        word |= value << bit
        bit += bits
        remaining -= abs(frequencies[place])
        place += 1
        if frequencies[place - 1] == 0:
            run = 0
            while place < len(frequencies) and frequencies[place] == 0:
                run, place = run + 1, place + 1
            for repeat in [3] * (run // 3) + [run % 3]:
                word |= repeat << bit
                bit += 2
    return word.to_bytes((bit + 7) // 8, "little")


def frequencies_of(chance, log, symbols):
    """Frequencies that sum to 2**log, now and then of one symbol only or of a symbol too many."""
    count = min(chance.choice((1, 2, 3, symbols, symbols + 1)), 1 << log)
    present = sorted(chance.sample(range(symbols + 1), count))
    if present[-1] == symbols and chance.random() < 0.8:
        present[-1] = symbols - 1 if symbols - 1 not in present else symbols
    cuts = sorted(chance.sample(range(1, 1 << log), len(present) - 1))
    frequencies = [0] * (present[-1] + 1)
    for symbol, start, end in zip(present, [0, *cuts], [*cuts, 1 << log]):
        frequencies[symbol] = end - start
        if end - start == 1 and chance.random() < 0.7:
            frequencies[symbol] = -1
    return frequencies


def weights_of(chance):
    """Weights of a Huffman tree, most often of a whole one; the last is left out, as in a description."""
    lengths = [1, 1]
    for _ in range(chance.choice((0, 1, 3, 10, 60, 120))):
        place = chance.randrange(len(lengths))
        lengths[place] += 1
        lengths.append(lengths[place])
    longest = max(lengths)
    weights = [longest + 1 - length for length in lengths]
    weights += [0] * chance.choice((0, 0, 1, 5))
    chance.shuffle(weights)
    while weights[-1] == 0:
        weights.pop()
    if chance.random() < 0.2:
        weights = [weight + 1 if weight else 0 for weight in weights]  # no weight 1
    if chance.random() < 0.2:
        weights[chance.randrange(len(weights))] = chance.randrange(16)
    return [min(weight, 15) for weight in weights]


def fse_weights(chance):
    """A description of Huffman weights by FSE, and the weights; when luck will have it they are those of a whole tree."""
    for _ in range(40):
        log = chance.choice((5, 5, 6, 6, 7))
        frequencies = frequencies_of(chance, log, chance.choice((2, 2, 3, 4, 12)))
        if chance.random() < 0.2:  # one symbol gives way to another, which need not occur
            frequencies += [0] * (chance.choice((11, 12, 12, 13)) - len(frequencies)) + [-1]
            frequencies[max(range(len(frequencies)), key=frequencies.__getitem__)] -= 1
        cells = zstd.fse_table(log, frequencies).cells
        writer, weights = BitWriter(), []
        states = [chance.randrange(len(cells)), chance.randrange(len(cells))]
        for state in states:
            writer.add(state, log)
        if chance.random() < 0.1:  # less than the first two states need; what is missing is zeros
            kept = chance.randrange(2 * log)
            states[1] = int("".join(map(str, [*writer.bits[log:kept], *[0] * log]))[:log] or "0", 2)
            states[0] = int("".join(map(str, [*writer.bits[: min(kept, log)], *[0] * log]))[:log], 2)
            del writer.bits[kept:]
            weights = [cells[state][0] for state in states]
        for turn in range(chance.choice((0, 1, 2, 5, 30, 251, 252, 253, 254)) if not weights else 0):
            weight, count, base = cells[states[turn & 1]]
            weights.append(weight)
            bits = chance.randrange(1 << count)
            writer.add(bits, count)
            states[turn & 1] = base + bits
        else:
            turn = len(weights)
            if writer.bits and len(writer.bits) >= 2 * log:  # the next state's bits are missing
                weights += [cells[states[turn & 1]][0], cells[states[turn & 1 ^ 1]][0]]
        tail = fse_description(log, frequencies) + writer.backward()
        total = sum(1 << weight >> 1 for weight in weights)
        missing = (1 << total.bit_length()) - total
        if len(tail) < 128 and len(weights) <= 255 and missing & missing - 1 == 0:
            break
    return bytes([min(len(tail), 127)]) + tail, [*weights, missing.bit_length()]


def huffman_stream(chance, weights, count):
    """`count` random literals of the code of these weights, whether it is a whole one or not."""
    log = max((sum(1 << weight >> 1 for weight in weights) - 1).bit_length(), 1)
    code, codes = 0, []
    for weight in range(1, 16):
        for symbol in range(len(weights)):
            if weights[symbol] == weight:
                codes.append((code >> weight - 1, max(log + 1 - weight, 0)))
                code += 1 << weight - 1
    writer = BitWriter()
    for _ in range(count):
        writer.add(*chance.choice(codes or [(0, 1)]))
    if chance.random() < 0.1:
        writer.add(0, chance.randint(1, 9))  # bits left
    return writer.backward()


def literals_section(chance, has_tree):
    kind = chance.choice((0, 1, 2, 2, 2, 3 if has_tree else 2))
    form = chance.randrange(4)
    if kind < 2:
        size = chance.choice((0, 1, 3, 31, 31, 32, 200) if form & 1 else (0, 1, 3, 31, 31))
        data = chance.randbytes(size if kind == 0 else 1)
        header = kind | form << 2 | size << (4 if form & 1 else 3)
        return header.to_bytes((1, 2, 1, 3)[form], "little") + data
    weights = weights_of(chance)
    size = chance.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 100, 301))
    data = b""
    if kind == 2:
        given = weights[:-1]
        if chance.random() < 0.7 and 1 <= len(given) <= 128:
            nibbles = [*given, chance.choice((0, 0, 7))]
            data = bytes([127 + len(given)]) + bytes(high << 4 | low for high, low in zip(nibbles[::2], nibbles[1::2]))
        else:
            data, weights = fse_weights(chance)
    if form == 0:
        data += huffman_stream(chance, weights, size)
    else:
        each = (size + 3) // 4
        streams = [huffman_stream(chance, weights, max(count, 0)) for count in (each, each, each, size - 3 * each)]
        data += b"".join(struct.pack("<H", len(stream)) for stream in streams[:3]) + b"".join(streams)
    bytes_, bits = ((3, 10), (3, 10), (4, 14), (5, 18))[form]
    stored = min(len(data), (1 << bits) - 1)
    return (kind | form << 2 | size << 4 | stored << 4 + bits).to_bytes(bytes_, "little") + data


def sequences_section(chance, has_tables):
    count = chance.choice((0, 0, 0, 0, 1, 1, 1, 2, 3, 7, 200))
    form = chance.choice((1, 1, 1, 2)) if count < 128 else 2
    header = bytes([count]) if form == 1 else bytes([128 + (count >> 8), count & 255])
    if count == 0 and chance.random() < 0.9:
        return header
    modes, descriptions, tables = [], b"", []
    for kind in zstd.SEQUENCE_KINDS:
        mode = chance.choice((0, 1, 1, 2, 2, 3 if has_tables else 1))
        modes.append(mode)
        tables.append(kind.default)  # wrong where a table is repeated
        if mode == 1:
            code = chance.choice((0, 0, 1, 2, 3, 8, 20, kind.codes - 1, kind.codes))
            descriptions += bytes([code])
            tables[-1] = zstd.FseTable(0, [(code, 0, 0)])
        elif mode == 2:
            log = chance.choice((5, 5, 6, kind.max_log, kind.max_log + 1))
            frequencies = frequencies_of(chance, log, chance.choice((3, 3, 6, kind.codes)))
            descriptions += fse_description(log, frequencies)
            tables[-1] = zstd.fse_table(log, frequencies)
    reserved = chance.choice((0,) * 15 + (1,))
    header += bytes([modes[0] << 6 | modes[1] << 4 | modes[2] << 2 | reserved]) + descriptions
    return header + sequences(chance, tables, count)


def sequences(chance, tables, count):
    """`count` sequences of these tables, with whatever lengths and offsets their states come to."""
    writer = BitWriter()
    states = [chance.randrange(len(table.cells)) for table in tables]
    for state, table in zip(states, tables):
        writer.add(state, table.log)
    for left in range(count - 1, -1, -1):
        entries = [table.cells[state] for state, table in zip(states, tables)]
        literals_code, offset_code, match_code = (entry[0] for entry in entries)
        for bits in (offset_code, extra_bits(zstd.MATCH_LENGTH_BITS, match_code), extra_bits(zstd.LITERALS_LENGTH_BITS, literals_code)):
            writer.add(chance.randrange(1 << bits) >> chance.choice((0, bits)), bits)
        for place in (0, 2, 1) if left else ():
            bits = chance.randrange(1 << entries[place][1])
            writer.add(bits, entries[place][1])
            states[place] = entries[place][2] + bits
    if chance.random() < 0.05:
        writer.add(0, chance.randint(1, 9))  # bits left
    return writer.backward()


def extra_bits(bits, code):
    return bits[code] if code < len(bits) else 0


def made_up_blocks(chance):
    blocks = [block_of(0, 9, chance.randbytes(9))]
    for place in range(chance.randint(1, 3)):
        kind = chance.choice((0, 1, 2, 2, 2, 2, 2, 2, 3))
        if kind == 2:
            data = literals_section(chance, place > 0) + sequences_section(chance, place > 0)
            blocks.append(block_of(2, len(data), data))
        else:
            size = chance.choice((0, 1, 5, 70, 131072, 131073)) if kind == 1 else chance.choice((0, 1, 5, 70))
            blocks.append(block_of(kind, size, chance.randbytes(1 if kind == 1 else size)))
    return blocks


# ---- Mutations


def mutated(blocks, others, chance):
    blocks = list(blocks)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        place = chance.randrange(len(blocks))
        block = bytearray(blocks[place])
        kind = chance.randrange(8)
        # What steers the decoder is near the start of a block, or near its end: sequences, the ends of streams.
        at = chance.choice(
            (chance.randrange(min(len(block), 12)), chance.randrange(len(block)), max(len(block) - 1 - chance.randrange(12), 0))
        )
        if kind < 4:
            block[at] ^= 1 << chance.randrange(8)
        elif kind == 4:
            block[at] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
        elif kind == 5:
            block[3:] = resized(block[3:], at, chance)
        elif kind == 6:
            blocks.insert(chance.randrange(len(blocks) + 1), chance.choice(others))
            continue
        elif len(blocks) > 1:
            del blocks[place]
            continue
        if kind == 5:
            block[:3] = (int.from_bytes(block[:3], "little") & 7 | len(block) - 3 << 3).to_bytes(3, "little")
        blocks[place] = bytes(block)
    return ended(blocks) if chance.random() < 0.97 else blocks


def resized(data, at, chance):
    """With a byte or a few more or less."""
    count = chance.choice((1, 1, 2, 5))
    return data[:at] + data[at + count :] if chance.random() < 0.5 else data[:at] + chance.randbytes(count) + data[at:]


# ---- The verdicts


class Judges:
    def __init__(self):
        self.engine = EngineModule()
        self.source = self.engine.file_buffer(2 * SPACE)
        self.destination = self.source + SPACE
        assert self.source
        self.counts = dict.fromkeys(("frames", "taken", "refused", "libzstd disagrees"), 0)

    def judge(self, blocks, window):
        """Whether both decoders take a frame of these blocks. AssertionError, with the frame, if they differ."""
        packed = b"".join(blocks)
        reference = libzstd(frame_without_size(packed))
        if reference is None:
            reference = in_python(packed)
        if reference is None:
            reference = self.written(packed)
        size = len(reference)
        frame = frame_of([packed], size, xxhash.xxh64_intdigest(reference), window)
        content = self.in_engine(frame, size)
        if content is None:  # libzstd may have made something else of it
            again = frame_of([packed], size, xxhash.xxh64_intdigest(self.engine.read(self.destination, size)), window)
            content = self.in_engine(again, size) if again != frame else None
            frame = frame if content is None else again
        try:
            ours = bytes(zstd.decompress(frame, size))
        except zstd.ZstdError:
            ours = None
        assert ours == content, f"engine {describe(content)}, Python {describe(ours)}: {frame.hex()}"
        self.counts["frames"] += 1
        self.counts["refused" if content is None else "taken"] += 1
        self.counts["libzstd disagrees"] += (libzstd(frame) is None) != (content is None)
        return content is not None

    def written(self, packed):
        """What the engine writes before it refuses a frame for its size, or for something else before."""
        frame = frame_of([packed], PROBE, 0)
        contents = []
        for fill in (b"\0", b"\1"):  # a byte that ends the content can be one of them, not both
            self.engine.write(self.destination, fill * PROBE)
            self.in_engine(frame, PROBE)
            contents.append(self.engine.read(self.destination, PROBE).rstrip(fill))
        return max(contents, key=len)

    def in_engine(self, frame, size):
        self.engine.write(self.source, frame)
        found = self.engine.decompress(self.source, len(frame), self.destination, size)
        return None if found != size else self.engine.read(self.destination, size)


def describe(content):
    return "refuses" if content is None else f"gives {len(content)} bytes"


def frame_without_size(packed):
    return zstd.MAGIC + b"\x00\x40" + packed


def libzstd(frame):
    """What libzstd makes of a frame, None where it refuses."""
    try:
        decompressor = zstandard.ZstdDecompressor().decompressobj()
        content = decompressor.decompress(frame)
        return content if decompressor.eof and not decompressor.unused_data and len(content) <= MAX_CONTENT else None
    except zstandard.ZstdError:
        return None


def in_python(packed):
    """The content of blocks, None where the decoder in Python refuses them."""
    decoder = zstd.Decoder(1 << 18, MAX_CONTENT)
    try:
        decoder.blocks(packed, 0, len(packed))
        return decoder.output
    except zstd.ZstdError:
        return None


def run(frames, seed, report=None):
    """Judges that many frames. Returns the counts."""
    chance = random.Random(seed)
    judges = Judges()
    while judges.counts["frames"] < frames:
        pool = [ended(libzstd_blocks(content_of(chance), chance)) for _ in range(20)]
        made_up = [ended(made_up_blocks(chance)) for _ in range(1500)]
        pool += [blocks for blocks in made_up if judges.judge(blocks, b"\x40")]
        others = [block for blocks in pool for block in blocks]
        for _ in range(3000):
            window = chance.choice((b"\x40", b"\x40", b"\x40", b"\x00", None))
            judges.judge(mutated(chance.choice(pool), others, chance), window)
        if report is not None:
            report(judges.counts)
    return judges.counts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    counts = run(options.frames, options.seed, lambda counts: print(counts, file=sys.stderr, flush=True))
    print(", ".join(f"{name} {count:,}" for name, count in counts.items()))


if __name__ == "__main__":
    main()
