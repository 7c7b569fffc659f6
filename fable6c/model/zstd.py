"""A strict Zstandard decoder, in the order of RFC 8878, whose sections the headings cite.

    raw = decompress(frame, content_size)      # or ZstdError

It decides as asengine/assembly/zstd.ts does, frame by frame (tests/test_engine_zstd.py), so that a model file is good for every reader
or for none. libzstd cannot take its place: it lets some malformed frames pass, and which ones changes with its version. Where the RFC
leaves a choice, docs/model-file.md says what is taken.

Nearly all of a model is Huffman-coded literals; NumPy looks up the codes at all bits of a stream at once, so that Python has to step
from code to code only.
"""

from typing import NamedTuple, Optional, Union

import numpy as np

MAGIC = b"\x28\xb5\x2f\xfd"
MAX_BLOCK = 128 * 1024
MAX_WINDOW = 1 << 30


class ZstdError(ValueError):
    """Not one whole frame of RFC 8878 with the content size that was asked for and a right checksum."""


def need(condition: object) -> None:
    if not condition:
        raise ZstdError("the frame breaks a rule of RFC 8878")


class FseTable(NamedTuple):
    log: int  # the states are 0 ... 2**log - 1
    cells: list[tuple[int, int, int]]  # for each state: symbol, bits to read for the next state, its least value


class HuffmanTable(NamedTuple):
    log: int  # the longest code's bits
    symbols: np.ndarray  # uint8 (2**log): the symbol of the code that these bits begin with
    lengths: np.ndarray  # uint8 (2**log): the code's length


# ---- 3.1.1. Zstandard frames


def decompress(frame: bytes, content_size: int) -> bytearray:
    """The content of the one frame that is all of `frame`: of `content_size` bytes, with a checksum, without a dictionary."""
    end = len(frame) - 4  # of header and blocks; the checksum follows
    at, window = frame_header(frame, end, content_size)
    decoder = Decoder(window, content_size)
    at = decoder.blocks(frame, at, end)
    need(at == end and len(decoder.output) == content_size)
    need(int.from_bytes(frame[end:], "little") == xxh64(decoder.output) & 0xFFFFFFFF)
    return decoder.output


def store(content: bytes) -> bytes:
    """A frame that holds the content as it is, in raw blocks."""
    size = len(content)
    parts = [MAGIC, b"\xa4", size.to_bytes(4, "little")]  # the content size in four bytes, a single segment, a checksum
    for start in range(0, max(size, 1), MAX_BLOCK):
        block = content[start : start + MAX_BLOCK]
        is_last = start + MAX_BLOCK >= size
        parts += [(is_last | len(block) << 3).to_bytes(3, "little"), block]
    return b"".join([*parts, (xxh64(content) & 0xFFFFFFFF).to_bytes(4, "little")])


def frame_header(frame: bytes, end: int, content_size: int) -> tuple[int, int]:
    """3.1.1.1. Where the blocks start, and the window's size."""
    need(end >= 5 and frame[:4] == MAGIC)
    descriptor = frame[4]
    single_segment = descriptor >> 5 & 1
    size_bytes = (single_segment, 2, 4, 8)[descriptor >> 6]
    dictionary_bytes = (0, 1, 2, 4)[descriptor & 3]
    has_checksum, reserved = descriptor & 4, descriptor & 8
    need(has_checksum and not reserved and size_bytes > 0)
    at = 5
    need(at + (1 - single_segment) + dictionary_bytes + size_bytes <= end)
    window = content_size
    if not single_segment:
        exponent, mantissa = frame[at] >> 3, frame[at] & 7
        window = (1 << 10 + exponent) // 8 * (8 + mantissa)
        at += 1
    need(not any(frame[at : at + dictionary_bytes]))
    at += dictionary_bytes
    size = int.from_bytes(frame[at : at + size_bytes], "little") + (256 if size_bytes == 2 else 0)
    need(size == content_size and window <= MAX_WINDOW)
    return at + size_bytes, window


class Decoder:
    """The output so far, and what blocks hand on to the next: tables and the last three offsets (3.1.1.3.2, 3.1.1.5)."""

    def __init__(self, window: int, content_size: int):
        self.output = bytearray()
        self.window = window
        self.content_size = content_size
        self.block_maximum = min(window, MAX_BLOCK)
        self.huffman: Optional[HuffmanTable] = None
        self.sequence_tables: list[Optional[FseTable]] = [None, None, None]  # literals lengths, offsets, match lengths
        self.repeated_offsets = (1, 4, 8)

    def blocks(self, frame: bytes, at: int, end: int) -> int:
        """3.1.1.2. Executes the blocks from `at` to the last one. Returns where that ends."""
        last = 0
        while not last:
            need(at + 3 <= end)
            header = int.from_bytes(frame[at : at + 3], "little")
            last, kind, size = bool(header & 1), header >> 1 & 3, header >> 3
            stored = 1 if kind == 1 else size
            at += 3
            need(size <= self.block_maximum and at + stored <= end and kind != 3)
            block = frame[at : at + stored]
            at += stored
            if kind == 2:
                self.compressed_block(block)
            else:
                need(len(self.output) + size <= self.content_size)
                self.output += block if kind == 0 else block * size
        return at

    # ---- 3.1.1.3. Compressed blocks

    def compressed_block(self, block: bytes) -> None:
        literals, size = self.literals_section(block)
        self.sequences_section(block[size:], literals)

    def literals_section(self, block: bytes) -> tuple[bytes, int]:
        """3.1.1.3.1. The block's literals, and the section's size."""
        need(block)
        kind, form = block[0] & 3, block[0] >> 2 & 3
        if kind < 2:  # raw or RLE: one size of 5, 12 or 20 bits
            at = (1, 2, 1, 3)[form]
            size = int.from_bytes(block[:at], "little") >> (4 if form & 1 else 3)
            stored = size if kind == 0 else 1
        else:  # compressed or treeless: two sizes of 10, 10, 14 or 18 bits
            at, bits = ((3, 10), (3, 10), (4, 14), (5, 18))[form]
            sizes = int.from_bytes(block[:at], "little") >> 4
            size, stored = sizes & (1 << bits) - 1, sizes >> bits
        need(at + stored <= len(block) and size <= self.block_maximum)
        content = block[at : at + stored]
        if kind == 0:
            return content, at + stored
        if kind == 1:
            return content * size, at + stored
        if kind == 2:
            self.huffman, tree_size = huffman_tree(content)
            content = content[tree_size:]
        need(self.huffman is not None)
        decode = huffman_stream if form == 0 else huffman_streams
        return decode(self.huffman, content, size), at + stored  # type: ignore[arg-type]

    def sequences_section(self, section: bytes, literals: bytes) -> None:
        """3.1.1.3.2. Executes the block: the sequences and the literals left after them."""
        need(section)
        at, count = 1, section[0]
        if count >= 128:
            long = count == 255
            at = 3 if long else 2
            need(at <= len(section))
            count = 0x7F00 + section[1] + (section[2] << 8) if long else (count - 128 << 8) + section[1]
        block_end = min(len(self.output) + self.block_maximum, self.content_size)
        if count > 0:
            need(at < len(section))
            modes = section[at]
            at += 1
            need(modes & 3 == 0)
            for place, kind in enumerate(SEQUENCE_KINDS):
                table, size = sequence_table(section[at:], modes >> (6 - 2 * place) & 3, kind, self.sequence_tables[place])
                self.sequence_tables[place] = table
                at += size
            literals = self.execute_sequences(section[at:], count, literals, block_end)
        else:
            need(at == len(section))
        need(len(literals) <= block_end - len(self.output))
        self.output += literals

    def execute_sequences(self, stream: bytes, count: int, literals: bytes, block_end: int) -> bytes:
        """3.1.1.3.2.1.2 and 3.1.1.4. Decodes the sequences, each executed at once. Returns the literals left over."""
        bits = BackwardBits(stream)
        output = self.output
        (literals_log, literals_cells), (offset_log, offset_cells), (match_log, match_cells) = self.sequence_tables  # type: ignore[misc]
        literals_state = bits.read(literals_log)
        offset_state = bits.read(offset_log)
        match_state = bits.read(match_log)
        used = 0  # literals
        while True:
            literals_code, literals_bits, literals_base = literals_cells[literals_state]
            offset_code, offset_bits, offset_base = offset_cells[offset_state]
            match_code, match_bits, match_base = match_cells[match_state]
            offset_value = (1 << offset_code) + bits.read(offset_code)
            match_length = MATCH_LENGTH_BASES[match_code] + bits.read(MATCH_LENGTH_BITS[match_code])
            literals_length = LITERALS_LENGTH_BASES[literals_code] + bits.read(LITERALS_LENGTH_BITS[literals_code])
            count -= 1
            if count:
                literals_state = literals_base + bits.read(literals_bits)
                match_state = match_base + bits.read(match_bits)
                offset_state = offset_base + bits.read(offset_bits)
            need(bits.left >= 0)

            need(literals_length <= len(literals) - used and len(output) + literals_length + match_length <= block_end)
            output += literals[used : used + literals_length]
            used += literals_length
            offset = self.offset_of(offset_value, literals_length)
            need(0 < offset <= min(len(output), self.window))
            start = len(output) - offset
            match = output[start : start + match_length]
            if offset < match_length:  # the match overlaps its own output, which repeats it
                match = (match * (match_length // offset + 1))[:match_length]
            output += match
            if not count:
                need(bits.left == 0)
                return literals[used:]

    def offset_of(self, value: int, literals_length: int) -> int:
        """3.1.1.5. Repeat offsets"""
        first, second, third = self.repeated_offsets
        if value > 3:
            self.repeated_offsets = value - 3, first, second
        else:
            which = value + (literals_length == 0)
            if which == 2:
                self.repeated_offsets = second, first, third
            elif which > 2:
                self.repeated_offsets = third if which == 3 else first - 1, first, second
        return self.repeated_offsets[0]


# Codes to baselines and extra bits: tables 14 (literals lengths) and 15 (match lengths) of 3.1.1.3.2.1.1
LITERALS_LENGTH_BASES = [*range(16), 16, 18, 20, 22, 24, 28, 32, 40, 48, 64, *(1 << n for n in range(7, 17))]
LITERALS_LENGTH_BITS = [0] * 16 + [1, 1, 1, 1, 2, 2, 3, 3, 4, 6, *range(7, 17)]
MATCH_LENGTH_BASES = [*range(3, 35), 35, 37, 39, 41, 43, 47, 51, 59, 67, 83, 99, *(3 + (1 << n) for n in range(7, 17))]
MATCH_LENGTH_BITS = [0] * 32 + [1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, *range(7, 17)]

# 3.1.1.3.2.2. Default distributions
LITERALS_LENGTH_DEFAULT = [4, 3] + [2] * 11 + [1] * 3 + [2] * 9 + [3, 2] + [1] * 5 + [-1] * 4
OFFSET_DEFAULT = [1] * 6 + [2] * 3 + [1] * 15 + [-1] * 5
MATCH_LENGTH_DEFAULT = [1, 4, 3] + [2] * 6 + [1] * 37 + [-1] * 7


class SequenceKind(NamedTuple):
    max_log: int
    codes: int  # allowed are 0 ... codes - 1
    default: FseTable


def sequence_table(section: bytes, mode: int, kind: SequenceKind, previous: Optional[FseTable]) -> tuple[FseTable, int]:
    """One of the three tables by its compression mode (3.1.1.3.2.1), and the size of its description."""
    if mode == 0:  # predefined
        return kind.default, 0
    if mode == 1:  # RLE
        need(section and section[0] < kind.codes)
        return FseTable(0, [(section[0], 0, 0)]), 1
    if mode == 2:  # FSE compressed
        log, frequencies, size = fse_description(section, kind.max_log, kind.codes)
        return fse_table(log, frequencies), size
    need(previous is not None)  # repeat
    return previous, 0  # type: ignore[return-value]


# ---- 4.1. FSE


def fse_description(data: bytes, max_log: int, symbols: int) -> tuple[int, list[int], int]:
    """4.1.1. The accuracy log, the frequencies (-1: "less than one") of at most `symbols` symbols, and the description's size."""
    need(data)
    log = (data[0] & 15) + 5
    need(log <= max_log)
    word = int.from_bytes(data[: 2 * symbols], "little")  # no description is longer; zeros follow the end
    bit = 4
    remaining = 1 << log
    frequencies: list[int] = []
    while remaining > 0 and len(frequencies) < symbols:
        bits = (remaining + 1).bit_length()
        value = word >> bit & (1 << bits) - 1
        short = (1 << bits - 1) - 1
        short_values = (1 << bits) - 1 - (remaining + 1)  # this many low values take a bit less
        bit += bits
        if value & short < short_values:
            bit -= 1
            value &= short
        elif value > short:
            value -= short_values
        frequencies.append(value - 1)
        remaining -= abs(value - 1)
        repeat = 3 if value == 1 else 0
        while repeat == 3 and len(frequencies) < symbols:  # runs of zeros in steps of three
            repeat = word >> bit & 3
            bit += 2
            frequencies += [0] * repeat
    size = bit + 7 >> 3
    need(remaining == 0 and len(frequencies) <= symbols and size <= len(data))
    need(max(frequencies) < 1 << log)  # of two symbols at least
    return log, frequencies, size


def fse_table(log: int, frequencies: list[int]) -> FseTable:
    """4.1.2. The decoding table for frequencies, which sum to its size."""
    size = 1 << log
    high = size  # the cells for "less than one" are taken from the end
    symbols = [0] * size
    for symbol, frequency in enumerate(frequencies):
        if frequency < 0:
            high -= 1
            symbols[high] = symbol
    step = (size >> 1) + (size >> 3) + 3
    cell = 0
    for symbol, frequency in enumerate(frequencies):
        for _ in range(frequency):
            symbols[cell] = symbol
            cell = cell + step & size - 1
            while cell >= high:
                cell = cell + step & size - 1
    next_states = [abs(frequency) for frequency in frequencies]
    cells = []
    for symbol in symbols:
        state = next_states[symbol]
        next_states[symbol] += 1
        bits = log + 1 - state.bit_length()
        cells.append((symbol, bits, (state << bits) - size))
    return FseTable(log, cells)


SEQUENCE_KINDS = (
    SequenceKind(9, 36, fse_table(6, LITERALS_LENGTH_DEFAULT)),
    SequenceKind(8, 32, fse_table(5, OFFSET_DEFAULT)),
    SequenceKind(9, 53, fse_table(6, MATCH_LENGTH_DEFAULT)),
)


class BackwardBits:
    """A bit stream that is read backward, from the 1 bit that ends its last byte (4.1). Zeros follow its start; `left` is negative then."""

    def __init__(self, stream: bytes):
        need(stream and stream[-1])
        self.data = stream[::-1] + bytes(8)
        self.left = 8 * len(stream) - 9 + stream[-1].bit_length()
        self.bit = 9 - stream[-1].bit_length()  # of the reversed bytes, the highest first

    def read(self, count: int) -> int:
        """The next `count` <= 32 bits."""
        at, bit = self.bit >> 3, self.bit & 7
        self.bit += count
        self.left -= count
        return int.from_bytes(self.data[at : at + 5], "big") >> (40 - bit - count) & (1 << count) - 1


# ---- 4.2. Huffman coding


def huffman_tree(data: bytes) -> tuple[HuffmanTable, int]:
    """4.2.1. Huffman tree description: the decoding table, and the description's size."""
    need(data)
    header = data[0]
    size = header if header < 128 else header - 126 >> 1
    description = data[1 : 1 + size]
    need(len(description) == size)
    weights = compressed_weights(description) if header < 128 else direct_weights(description)[: header - 127]
    return huffman_table(weights), 1 + size


def direct_weights(description: bytes) -> list[int]:
    """4.2.1.1. Weights of four bits each."""
    return [weight for byte in description for weight in (byte >> 4, byte & 15)]


def compressed_weights(description: bytes) -> list[int]:
    """4.2.1.2. Weights as symbols of two FSE states that take turns until the stream runs out of bits."""
    log, frequencies, size = fse_description(description, 6, 12)  # no weight exceeds 11
    cells = fse_table(log, frequencies).cells
    bits = BackwardBits(description[size:])
    state, other = bits.read(log), bits.read(log)
    need(bits.left >= 0)
    weights: list[int] = []
    while len(weights) < 254:
        weight, count, base = cells[state]
        weights.append(weight)
        state = base + bits.read(count)
        if bits.left < 0:
            return [*weights, cells[other][0]]
        state, other = other, state
    raise ZstdError("more than 255 weights")


def huffman_table(weights: list[int]) -> HuffmanTable:
    """4.2.1.3. The decoding table; the last symbol's weight is what the others lack to a power of two."""
    total = sum(1 << weight >> 1 for weight in weights)
    log = total.bit_length()
    missing = (1 << log) - total
    need(0 < log <= 11 and missing & missing - 1 == 0)
    whole = np.array([*weights, missing.bit_length()])
    need((whole == 1).any())  # the longest codes
    order = np.argsort(whole, kind="stable")[np.count_nonzero(whole == 0) :]
    cells = 1 << whole[order] >> 1
    return HuffmanTable(log, np.repeat(order.astype(np.uint8), cells), np.repeat((log + 1 - whole[order]).astype(np.uint8), cells))


def huffman_streams(table: HuffmanTable, content: bytes, count: int) -> bytes:
    """3.1.1.3.1.6. `count` literals in four streams behind a jump table."""
    need(len(content) >= 6 and count >= 6)  # six literals: erratum 7297 of the RFC
    size = (count + 3) // 4
    at, parts = 6, []
    for jump in (0, 2, 4):
        stop = at + content[jump] + (content[jump + 1] << 8)
        need(stop <= len(content))
        parts.append(huffman_stream(table, content[at:stop], size))
        at = stop
    parts.append(huffman_stream(table, content[at:], count - 3 * size))
    return b"".join(parts)


BIT_SHIFTS = np.arange(24, 16, -1, dtype=np.uint32)


def huffman_stream(table: HuffmanTable, stream: bytes, count: int) -> bytes:
    """4.2.2. A Huffman-coded stream of exactly `count` literals, read backward as in BackwardBits."""
    need(stream and stream[-1])
    data = np.frombuffer(stream[::-1] + bytes(2), np.uint8).astype(np.uint32)
    words = data[:-2] << 16 | data[1:-1] << 8 | data[2:]
    prefixes = (words[:, None] >> (BIT_SHIFTS - table.log) & (1 << table.log) - 1).ravel()  # the next bits at each bit of the stream
    lengths = table.lengths[prefixes].tobytes()
    at = 9 - stream[-1].bit_length()
    end = len(lengths)
    places = []
    while at < end:
        places.append(at)
        at += lengths[at]
    need(at == end and len(places) == count)
    return table.symbols[prefixes[places]].tobytes() if places else b""


# ---- XXH64, seed 0, of the content (3.1.1: Content_Checksum)

PRIME_1, PRIME_2, PRIME_3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
PRIME_4, PRIME_5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
MASK = (1 << 64) - 1


def rotate(value: int, bits: int) -> int:
    return (value << bits | value >> (64 - bits)) & MASK


def xxh64(data: Union[bytes, bytearray]) -> int:
    stripes = len(data) // 32
    if stripes:
        lanes = np.frombuffer(data, "<u8", 4 * stripes).reshape(-1, 4) * np.uint64(PRIME_2)
        sums = [PRIME_1 + PRIME_2 & MASK, PRIME_2, 0, -PRIME_1 & MASK]
        for lane in range(4):
            value = sums[lane]
            for product in lanes[:, lane].tolist():
                value = value + product & MASK
                value = (value << 31 | value >> 33) * PRIME_1 & MASK  # a product's low half needs the factor's low half only
            sums[lane] = value
        digest = sum(rotate(value, bits) for value, bits in zip(sums, (1, 7, 12, 18))) & MASK
        for value in sums:
            digest = ((digest ^ rotate(value * PRIME_2 & MASK, 31) * PRIME_1 & MASK) * PRIME_1 + PRIME_4) & MASK
    else:
        digest = PRIME_5
    digest = digest + len(data) & MASK
    at = 32 * stripes
    while at + 8 <= len(data):
        word = int.from_bytes(data[at : at + 8], "little") * PRIME_2 & MASK
        digest = (rotate(digest ^ rotate(word, 31) * PRIME_1 & MASK, 27) * PRIME_1 + PRIME_4) & MASK
        at += 8
    if at + 4 <= len(data):
        digest = (rotate(digest ^ int.from_bytes(data[at : at + 4], "little") * PRIME_1 & MASK, 23) * PRIME_2 + PRIME_3) & MASK
        at += 4
    for byte in data[at:]:
        digest = rotate(digest ^ byte * PRIME_5 & MASK, 11) * PRIME_1 & MASK
    digest = (digest ^ digest >> 33) * PRIME_2 & MASK
    digest = (digest ^ digest >> 29) * PRIME_3 & MASK
    return digest ^ digest >> 32
