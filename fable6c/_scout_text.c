// Text for the scout's program: files to lines, lines to tokens. Python has its own readers (fable6c/data, fable6c/model/tokenizer.py);
// tests hold both to the same tokens.

#include "_scout_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "_bpe.h"

// ---- checksums

uint32_t crc32_of(uint32_t crc, const void *data, size_t size) {
    const uint8_t *at = data;
    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (0xEDB88320u & -(crc & 1));
    }
    return ~crc;
}

#define PRIME1 0x9E3779B185EBCA87u
#define PRIME2 0xC2B2AE3D27D4EB4Fu
#define PRIME3 0x165667B19E3779F9u
#define PRIME4 0x85EBCA77C2B2AE63u
#define PRIME5 0x27D4EB2F165667C5u

static uint64_t turn(uint64_t x, int by) { return x << by | x >> (64 - by); }
static uint64_t u64_at(const uint8_t *p) {
    uint64_t x;
    memcpy(&x, p, 8);
    return x;
}
static uint64_t xx_round(uint64_t lane, uint64_t input) { return turn(lane + input * PRIME2, 31) * PRIME1; }

void xxh64_begin(xxh64_state *x) { *x = (xxh64_state){{PRIME1 + PRIME2, PRIME2, 0, 0 - PRIME1}, 0, {0}}; }

void xxh64_add(xxh64_state *x, const uint8_t *data, size_t size) {
    size_t held = x->total % 32;
    x->total += size;
    if (held + size < 32) {
        memcpy(x->held + held, data, size);
        return;
    }
    if (held) {
        memcpy(x->held + held, data, 32 - held);
        for (int i = 0; i < 4; i++) x->lane[i] = xx_round(x->lane[i], u64_at(x->held + 8 * i));
        data += 32 - held, size -= 32 - held;
    }
    for (; size >= 32; data += 32, size -= 32)
        for (int i = 0; i < 4; i++) x->lane[i] = xx_round(x->lane[i], u64_at(data + 8 * i));
    memcpy(x->held, data, size);
}

uint64_t xxh64_end(const xxh64_state *x) {
    const uint64_t *v = x->lane;
    uint64_t hash = PRIME5;
    if (x->total >= 32) {
        hash = turn(v[0], 1) + turn(v[1], 7) + turn(v[2], 12) + turn(v[3], 18);
        for (int i = 0; i < 4; i++) hash = (hash ^ xx_round(0, v[i])) * PRIME1 + PRIME4;
    }
    hash += x->total;
    const uint8_t *at = x->held;
    size_t left = x->total % 32;
    for (; left >= 8; left -= 8, at += 8) hash = turn(hash ^ xx_round(0, u64_at(at)), 27) * PRIME1 + PRIME4;
    if (left >= 4) {
        uint32_t word;
        memcpy(&word, at, 4);
        hash = turn(hash ^ word * PRIME1, 23) * PRIME2 + PRIME3;
        left -= 4, at += 4;
    }
    for (; left; left--) hash = turn(hash ^ *at++ * PRIME5, 11) * PRIME1;
    hash = (hash ^ hash >> 33) * PRIME2;
    hash = (hash ^ hash >> 29) * PRIME3;
    return hash ^ hash >> 32;
}

// ---- zstd: sections of RFC 8878 are cited

enum { BLOCK_MOST = 1 << 17, WINDOW_MOST = 1 << 27, SLACK = 1 << 20, IN_BUFFER = 1 << 16 };

typedef struct {
    uint8_t symbol, bits;
    uint16_t base;
} fse_cell;

typedef struct {
    fse_cell cell[512];
    int log;  // -1: none yet
} fse_table;

struct zstd_reader {
    size_t (*read)(void *, uint8_t *, size_t);
    void *from;
    const char *error;
    uint8_t in[IN_BUFFER];
    size_t in_at, in_end;
    uint8_t *out;  // the window, then what is being unpacked
    size_t out_size, out_end, window;
    int in_frame, checksum, last;
    uint64_t content, made;  // of the frame: promised (-1 unknown), unpacked
    xxh64_state hash;
    uint8_t block[BLOCK_MOST], literals[BLOCK_MOST + 32];
    struct {
        uint8_t symbol[2048], bits[2048];
        int log;
    } huffman;
    fse_table tables[3];  // literal lengths, offsets, match lengths
    uint32_t repeat[3];
};

zstd_reader *zstd_open(size_t (*read)(void *from, uint8_t *into, size_t most), void *from) {
    zstd_reader *z = calloc(1, sizeof *z);
    if (z) z->read = read, z->from = from;
    return z;
}

void zstd_close(zstd_reader *z) {
    if (!z) return;
    free(z->out);
    free(z);
}

const char *zstd_error(const zstd_reader *z) { return z->error; }

// Packed bytes: all of `size`, or 0.
static int take(zstd_reader *z, uint8_t *into, size_t size) {
    while (size) {
        if (z->in_at == z->in_end) {
            z->in_at = 0;
            z->in_end = z->read(z->from, z->in, IN_BUFFER);
            if (!z->in_end) return 0;
        }
        size_t n = z->in_end - z->in_at < size ? z->in_end - z->in_at : size;
        memcpy(into, z->in + z->in_at, n);
        z->in_at += n, into += n, size -= n;
    }
    return 1;
}

static int wrong(zstd_reader *z, const char *what) {
    z->error = what;
    return 0;
}

// 3.1.1.1 Frame_Header. 0 at the end of the input or for damage (z->error).
static int frame_header(zstd_reader *z) {
    uint8_t h[18];
    for (;;) {
        if (!take(z, h, 1)) return 0;
        if (!take(z, h + 1, 3)) return wrong(z, "the .zst file ends early");
        uint32_t magic = h[0] | h[1] << 8 | h[2] << 16 | (uint32_t)h[3] << 24;
        if (magic == 0xFD2FB528u) break;
        if ((magic & 0xFFFFFFF0u) != 0x184D2A50u) return wrong(z, "it is no zstd frame");
        if (!take(z, h, 4)) return wrong(z, "the .zst file ends early");  // 3.1.2 a skippable frame
        for (uint32_t n = h[0] | h[1] << 8 | h[2] << 16 | (uint32_t)h[3] << 24; n; n--)
            if (!take(z, h, 1)) return wrong(z, "the .zst file ends early");
    }
    static const uint8_t id_bytes[4] = {0, 1, 2, 4};
    if (!take(z, h, 1)) return wrong(z, "the .zst file ends early");
    int single = h[0] >> 5 & 1, ids = id_bytes[h[0] & 3], sizes = h[0] >> 6 ? 1 << (h[0] >> 6) : single;
    if (h[0] & 8) return wrong(z, "its header is damaged");
    z->checksum = h[0] >> 2 & 1;
    uint64_t window = 0;
    if (!single) {
        if (!take(z, h, 1)) return wrong(z, "the .zst file ends early");
        if ((h[0] >> 3) + 10 > 40) return wrong(z, "its window is above 128 MiB");
        window = 1ull << ((h[0] >> 3) + 10);
        window += window / 8 * (h[0] & 7);
    }
    if (!take(z, h, (size_t)(ids + sizes))) return wrong(z, "the .zst file ends early");
    for (int i = 0; i < ids; i++)
        if (h[i]) return wrong(z, "it needs a dictionary");
    z->content = sizes ? 0 : (uint64_t)-1;
    for (int i = 0; i < sizes; i++) z->content |= (uint64_t)h[ids + i] << (8 * i);
    if (sizes == 2) z->content += 256;
    if (single) window = z->content;
    if (window > WINDOW_MOST) return wrong(z, "its window is above 128 MiB");
    z->window = window < 1024 ? 1024 : (size_t)window;
    if (z->out_size < z->window + SLACK) {
        uint8_t *larger = realloc(z->out, z->window + SLACK);
        if (!larger) return wrong(z, "there is not enough memory for its window");
        z->out = larger, z->out_size = z->window + SLACK;
    }
    z->out_end = 0, z->made = 0, z->in_frame = 1, z->last = 0, z->huffman.log = 0;
    for (int i = 0; i < 3; i++) z->tables[i].log = -1;
    z->repeat[0] = 1, z->repeat[1] = 4, z->repeat[2] = 8;
    xxh64_begin(&z->hash);
    return 1;
}

// Bits that are read from the end of [from, to) to its beginning (4.1).
typedef struct {
    const uint8_t *from;
    int64_t bit;  // bits left; below 0: more were read than there are
} bits;

static int bits_begin(bits *b, const uint8_t *from, const uint8_t *to) {
    if (to <= from || to[-1] == 0) return 0;
    b->from = from;
    b->bit = 8 * (int64_t)(to - from) - 1;
    for (int mark = to[-1]; !(mark & 128); mark <<= 1) b->bit--;
    return 1;
}

// The n bits (at most 56) before the next one to read; zeros beyond the beginning.
static uint64_t peek(const bits *b, int n) {
    int64_t at = b->bit - n;
    uint64_t value = 0;
    if (n == 0) return 0;
    if (at >= 0) {
        const uint8_t *p = b->from + (at >> 3);
        int bytes = (int)((b->bit + 7) / 8 - (at >> 3));
        for (int i = 0; i < bytes; i++) value |= (uint64_t)p[i] << (8 * i);
        return value >> (at & 7) & ((1ull << n) - 1);
    }
    if (b->bit <= 0) return 0;
    for (int i = 0; i < (int)((b->bit + 7) / 8); i++) value |= (uint64_t)b->from[i] << (8 * i);
    return (value & ((1ull << b->bit) - 1)) << -at;
}

static uint64_t get(bits *b, int n) {
    uint64_t value = peek(b, n);
    b->bit -= n;
    return value;
}

// 4.1.1: a table of FSE from the counts of `symbols` symbols, -1 for "less than 1".
static void fse_build(fse_table *t, const int16_t *count, int symbols, int log) {
    int size = 1 << log, high = size, at = 0;
    uint16_t next[256];
    t->log = log;
    for (int s = 0; s < symbols; s++) {
        if (count[s] == -1) t->cell[--high].symbol = (uint8_t)s;
        next[s] = (uint16_t)(count[s] == -1 ? 1 : count[s]);
    }
    for (int s = 0; s < symbols; s++)
        for (int i = 0; i < count[s]; i++) {
            t->cell[at].symbol = (uint8_t)s;
            do at = (at + (size >> 1) + (size >> 3) + 3) & (size - 1);
            while (at >= high);
        }
    for (int i = 0; i < size; i++) {
        int state = next[t->cell[i].symbol]++, width = 0;
        while (state >> (width + 1)) width++;
        t->cell[i].bits = (uint8_t)(log - width);
        t->cell[i].base = (uint16_t)((state << (log - width)) - size);
    }
}

// 4.1.1: the description of a table; returns its bytes, 0 for damage.
static size_t fse_read(fse_table *t, const uint8_t *from, size_t size, int most_log, int most_symbols) {
    size_t bit = 4;
    if (size < 1) return 0;
    int log = (from[0] & 15) + 5, left = (1 << log) + 1, symbols = 0;
    int16_t count[256];
    if (log > most_log) return 0;
    while (left > 1 && symbols < most_symbols) {
        uint32_t word = 0;
        for (size_t i = 0; i < 4 && bit / 8 + i < size; i++) word |= (uint32_t)from[bit / 8 + i] << (8 * i);
        word >>= bit % 8;
        int width = 0;
        while (left >> (width + 1)) width++;
        width++;
        int few = (1 << width) - 1 - left, value = (int)(word & ((1u << (width - 1)) - 1));
        if (value < few) {
            bit += (size_t)width - 1;
        } else {
            value = (int)(word & ((1u << width) - 1));
            if (value >= 1 << (width - 1)) value -= few;
            bit += (size_t)width;
        }
        count[symbols++] = (int16_t)(value - 1);
        left -= value == 0 ? 1 : value - 1;
        while (value == 1) {  // runs of zeros
            if (bit / 8 >= size) return 0;
            int more = from[bit / 8] >> bit % 8 & 1;
            more |= (bit % 8 == 7 ? (bit / 8 + 1 < size ? from[bit / 8 + 1] : 0) : from[bit / 8] >> (bit % 8 + 1)) << 1 & 2;
            bit += 2;
            for (int i = 0; i < more; i++) {
                if (symbols >= most_symbols) return 0;
                count[symbols++] = 0;
            }
            if (more < 3) break;
        }
        if (bit > 8 * size) return 0;
    }
    if (left != 1) return 0;
    fse_build(t, count, symbols, log);
    return (bit + 7) / 8;
}

// 4.2.1: the tree of Huffman codes; returns its bytes, 0 for damage.
static size_t huffman_read(zstd_reader *z, const uint8_t *from, size_t size) {
    uint8_t weight[256];
    int n = 0;
    size_t used;
    if (size < 1) return 0;
    if (from[0] >= 128) {
        n = from[0] - 127;
        used = 1 + (size_t)(n + 1) / 2;
        if (used > size) return 0;
        for (int i = 0; i < n; i++) weight[i] = i % 2 ? from[1 + i / 2] & 15 : from[1 + i / 2] >> 4;
    } else {
        static fse_table t;
        bits b;
        used = 1 + (size_t)from[0];
        if (used > size) return 0;
        size_t head = fse_read(&t, from + 1, used - 1, 6, 256);
        if (!head || !bits_begin(&b, from + 1 + head, from + used)) return 0;
        uint32_t state[2] = {(uint32_t)get(&b, t.log), 0};
        state[1] = (uint32_t)get(&b, t.log);
        if (b.bit < 0) return 0;
        for (int turn_of = 0;; turn_of ^= 1) {
            const fse_cell *cell = &t.cell[state[turn_of]];
            if (n >= 255) return 0;
            weight[n++] = cell->symbol;
            state[turn_of] = cell->base + (uint32_t)get(&b, cell->bits);
            if (b.bit < 0) {
                if (n >= 255) return 0;
                weight[n++] = t.cell[state[turn_of ^ 1]].symbol;
                break;
            }
        }
    }
    uint32_t sum = 0;
    for (int i = 0; i < n; i++) {
        if (weight[i] > 11) return 0;
        if (weight[i]) sum += 1u << (weight[i] - 1);
    }
    if (!sum) return 0;
    int log = 0;
    while (sum >> (log + 1)) log++;
    log++;
    uint32_t rest = (1u << log) - sum;
    if (log > 11 || rest & (rest - 1)) return 0;
    int last = 0;
    while (rest >> (last + 1)) last++;
    weight[n++] = (uint8_t)(last + 1);
    z->huffman.log = log;
    uint32_t at = 0;
    for (int w = 1; w <= log; w++)
        for (int s = 0; s < n; s++)
            if (weight[s] == w) {
                uint32_t span = 1u << (w - 1);
                if (at + span > 1u << log) return 0;
                memset(z->huffman.symbol + at, s, span);
                memset(z->huffman.bits + at, log + 1 - w, span);
                at += span;
            }
    return used;
}

static int huffman_stream(const zstd_reader *z, uint8_t *out, size_t n, const uint8_t *from, size_t size) {
    bits b;
    if (!bits_begin(&b, from, from + size)) return 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t code = (uint32_t)peek(&b, z->huffman.log);
        out[i] = z->huffman.symbol[code];
        b.bit -= z->huffman.bits[code];
        if (b.bit < 0) return 0;
    }
    return b.bit == 0;
}

// 3.1.1.3.1 Literals_Section: fills z->literals, *count of them; returns its bytes, 0 for damage.
static size_t literals_section(zstd_reader *z, const uint8_t *at, size_t size, size_t *count) {
    if (size < 1) return 0;
    int type = at[0] & 3, format = at[0] >> 2 & 3;
    uint64_t head = 0;
    for (size_t i = 0; i < 5 && i < size; i++) head |= (uint64_t)at[i] << (8 * i);
    if (type < 2) {
        size_t bytes = format == 1   ? 2
                       : format == 3 ? 3
                                     : 1,
               n = (size_t)(format == 1   ? head >> 4 & 4095
                            : format == 3 ? head >> 4 & 0xFFFFF
                                          : head >> 3 & 31);
        size_t used = bytes + (type ? 1 : n);
        if (used > size || n > BLOCK_MOST) return 0;
        if (type) memset(z->literals, at[bytes], n);
        else memcpy(z->literals, at + bytes, n);
        *count = n;
        return used;
    }
    int width = format < 2 ? 10 : format == 2 ? 14 : 18;
    size_t bytes = format < 2 ? 3 : format == 2 ? 4 : 5, n = (size_t)(head >> 4 & ((1u << width) - 1));
    size_t packed = (size_t)(head >> (4 + width) & ((1u << width) - 1)), used = bytes + packed;
    if (used > size || n > BLOCK_MOST) return 0;
    at += bytes;
    if (type == 2) {
        size_t tree = huffman_read(z, at, packed);
        if (!tree) return 0;
        at += tree, packed -= tree;
    }
    if (!z->huffman.log) return 0;
    *count = n;
    if (format == 0) return huffman_stream(z, z->literals, n, at, packed) ? used : 0;
    if (packed < 6) return 0;
    size_t part = (n + 3) / 4, from = 6;
    for (int i = 0; i < 4; i++) {
        size_t bytes_of = i < 3 ? (size_t)(at[2 * i] | at[2 * i + 1] << 8) : packed - from;
        size_t symbols = i < 3 ? part : n - 3 * part;
        if (3 * part > n || from + bytes_of > packed || from > packed ||
            !huffman_stream(z, z->literals + part * (size_t)i, symbols, at + from, bytes_of))
            return 0;
        from += bytes_of;
    }
    return used;
}

static const uint32_t LITERAL_BASE[36] = {0,  1,  2,  3,  4,  5,  6,  7,  8,   9,   10,  11,   12,   13,   14,   15,    16,    18,
                                          20, 22, 24, 28, 32, 40, 48, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536};
static const uint8_t LITERAL_BITS[36] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  0,  0,  0,  0,  1,  1,
                                         1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
static const uint32_t MATCH_BASE[53] = {3,  4,  5,  6,  7,  8,  9,  10,  11,  12,  13,   14,   15,   16,   17,    18,    19,   20,
                                        21, 22, 23, 24, 25, 26, 27, 28,  29,  30,  31,   32,   33,   34,   35,    37,    39,   41,
                                        43, 47, 51, 59, 67, 83, 99, 131, 259, 515, 1027, 2051, 4099, 8195, 16387, 32771, 65539};
static const uint8_t MATCH_BITS[53] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  0,  0,  0,  0,  0,  0, 0,
                                       0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
static const int16_t LITERAL_COUNTS[36] = {4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1,  1,  2,  2,
                                           2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1};
static const int16_t OFFSET_COUNTS[29] = {1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1};
static const int16_t MATCH_COUNTS[53] = {1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,  1,  1,  1,  1,  1,  1, 1,
                                         1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1};

// 3.1.1.3.2 Sequences_Section and its execution (3.1.1.4): literals and copies of earlier bytes.
static int sequences(zstd_reader *z, const uint8_t *at, size_t size, size_t literals) {
    static const int16_t *const counts[3] = {LITERAL_COUNTS, OFFSET_COUNTS, MATCH_COUNTS};
    static const int usual_log[3] = {6, 5, 6}, symbols[3] = {36, 29, 53}, most_log[3] = {9, 8, 9}, most_symbols[3] = {36, 32, 53};
    const uint8_t *end = at + size;
    if (size < 1) return 0;
    size_t n = *at++;
    if (n > 127) {
        if (end - at < (n == 255 ? 2 : 1)) return 0;
        if (n == 255) n = (size_t)(at[0] | at[1] << 8) + 0x7F00, at += 2;
        else n = ((n - 128) << 8) + *at++;
    }
    size_t limit = z->out_end + BLOCK_MOST, literal = 0;
    if (n) {
        if (at >= end) return 0;
        int modes = *at++;
        if (modes & 3) return 0;
        for (int i = 0; i < 3; i++) {
            int mode = modes >> (6 - 2 * i) & 3;
            if (mode == 0) {
                fse_build(&z->tables[i], counts[i], symbols[i], usual_log[i]);
            } else if (mode == 1) {
                if (at >= end || *at >= most_symbols[i]) return 0;
                z->tables[i].log = 0;
                z->tables[i].cell[0] = (fse_cell){*at++, 0, 0};
            } else if (mode == 2) {
                size_t used = fse_read(&z->tables[i], at, (size_t)(end - at), most_log[i], most_symbols[i]);
                if (!used) return 0;
                at += used;
            } else if (z->tables[i].log < 0) {
                return 0;
            }
        }
        bits b;
        if (!bits_begin(&b, at, end)) return 0;
        uint32_t state[3];
        for (int i = 0; i < 3; i++) state[i] = (uint32_t)get(&b, z->tables[i].log);
        for (size_t done = 0; done < n; done++) {
            const fse_cell *cell[3];
            for (int i = 0; i < 3; i++) cell[i] = &z->tables[i].cell[state[i]];
            if (cell[1]->symbol > 31) return 0;
            uint64_t offset = (1ull << cell[1]->symbol) + get(&b, cell[1]->symbol);
            size_t length = MATCH_BASE[cell[2]->symbol] + (size_t)get(&b, MATCH_BITS[cell[2]->symbol]);
            size_t before = LITERAL_BASE[cell[0]->symbol] + (size_t)get(&b, LITERAL_BITS[cell[0]->symbol]);
            if (offset > 3) {
                offset -= 3;
                z->repeat[2] = z->repeat[1], z->repeat[1] = z->repeat[0];
            } else {  // 3.1.1.5: one of the last three offsets
                int which = (int)offset - 1 + (before == 0);
                offset = which < 3 ? z->repeat[which] : z->repeat[0] - 1;
                if (which > 1) z->repeat[2] = z->repeat[1];
                if (which > 0) z->repeat[1] = z->repeat[0];
            }
            if (offset == 0 || offset > 0xFFFFFFFFu) return 0;
            z->repeat[0] = (uint32_t)offset;
            if (done + 1 < n) {
                state[0] = cell[0]->base + (uint32_t)get(&b, cell[0]->bits);
                state[2] = cell[2]->base + (uint32_t)get(&b, cell[2]->bits);
                state[1] = cell[1]->base + (uint32_t)get(&b, cell[1]->bits);
            }
            if (b.bit < 0 || before > literals - literal || before + length > limit - z->out_end) return 0;
            memcpy(z->out + z->out_end, z->literals + literal, before);
            literal += before, z->out_end += before;
            if (offset > z->out_end || offset > z->window) return 0;
            uint8_t *to = z->out + z->out_end;
            for (size_t i = 0; i < length; i++) to[i] = to[(ptrdiff_t)i - (ptrdiff_t)offset];
            z->out_end += length;
        }
        if (b.bit != 0) return 0;
    } else if (at != end) {
        return 0;
    }
    if (literals - literal > limit - z->out_end) return 0;
    memcpy(z->out + z->out_end, z->literals + literal, literals - literal);
    z->out_end += literals - literal;
    return 1;
}

ptrdiff_t zstd_next(zstd_reader *z, const uint8_t **out) {
    uint8_t h[4];
    for (;;) {
        if (!z->in_frame && !frame_header(z)) return z->error ? -1 : 0;
        if (z->last) {
            z->in_frame = 0;
            if (z->content != (uint64_t)-1 && z->content != z->made) return wrong(z, "its content has another size than it says"), -1;
            if (!z->checksum) continue;
            if (!take(z, h, 4)) return wrong(z, "the .zst file ends early"), -1;
            if ((h[0] | h[1] << 8 | h[2] << 16 | (uint32_t)h[3] << 24) != (uint32_t)xxh64_end(&z->hash))
                return wrong(z, "its checksum does not match"), -1;
            continue;
        }
        if (z->out_end + BLOCK_MOST > z->out_size) {  // only the window is still needed
            memmove(z->out, z->out + z->out_end - z->window, z->window);
            z->out_end = z->window;
        }
        if (!take(z, h, 3)) return wrong(z, "the .zst file ends early"), -1;
        uint32_t head = h[0] | h[1] << 8 | (uint32_t)h[2] << 16;
        size_t size = head >> 3, start = z->out_end;
        int type = head >> 1 & 3;
        z->last = head & 1;
        if (type == 3 || size > BLOCK_MOST) return wrong(z, "a block of it is damaged"), -1;
        if (type == 0) {
            if (!take(z, z->out + start, size)) return wrong(z, "the .zst file ends early"), -1;
            z->out_end += size;
        } else if (type == 1) {
            if (!take(z, h, 1)) return wrong(z, "the .zst file ends early"), -1;
            memset(z->out + start, h[0], size);
            z->out_end += size;
        } else {
            size_t literals = 0, used;
            if (!take(z, z->block, size)) return wrong(z, "the .zst file ends early"), -1;
            used = literals_section(z, z->block, size, &literals);
            if (!used || !sequences(z, z->block + used, size - used, literals)) return wrong(z, "a block of it is damaged"), -1;
        }
        z->made += z->out_end - start;
        if (z->checksum) xxh64_add(&z->hash, z->out + start, z->out_end - start);
        *out = z->out + start;
        if (z->out_end > start) return (ptrdiff_t)(z->out_end - start);
    }
}

// ---- files to lines

static const char MARK[] = "<|endoftext|>";

struct text_reader {
    const char *path;
    FILE *file;
    zstd_reader *zstd;
    int error;  // errno of a failed read
    uint8_t plain[1 << 16];
    const uint8_t *at, *end;
    uint64_t offset;  // of `at` in the unpacked text
    uint8_t need, low, high, first;  // of the UTF-8 character that is being read: bytes to come, limits of the next one, its first byte
    uint64_t began;                  // where it begins
    int started, after_cr, after_mark, partial, found, done;
    int marked;  // an end mark came since the last line; so it is at the beginning
    int64_t document, number;
    uint8_t line[LONGEST_LINE + 64];
    size_t size, given;
};

static size_t read_file(void *from, uint8_t *into, size_t most) {
    text_reader *t = from;
    size_t n = fread(into, 1, most, t->file);
    if (n == 0 && ferror(t->file)) t->error = errno ? errno : EIO;
    return n;
}

static int ends_with(const char *name, const char *end) {
    size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

// What a file is that is no text, by its first bytes.
static const char *foreign(const uint8_t *start, size_t size) {
    static const struct {
        const char *what, *signature;
        uint8_t size;
    } all[] = {
        {"a gzip file", "\x1f\x8b", 2},
        {"a bzip2 file", "BZh", 3},
        {"an xz file",
         "\xfd"
         "7zXZ\0",
         6},
        {"an lzma file", "\x5d\0\0", 3},
        {"an LZ4 file", "\x04\x22\x4d\x18", 4},
        {"a zip archive", "PK\x03\x04", 4},
        {"a zip archive", "PK\x05\x06", 4},
        {"a 7-Zip archive", "7z\xbc\xaf\x27\x1c", 6},
        {"a RAR archive", "Rar!\x1a\x07", 6},
        {"a Parquet file", "PAR1", 4},
        {"an Arrow file", "ARROW1", 6},
        {"a SQLite database", "SQLite format 3", 16},
        {"a PDF", "%PDF-", 5},
        {"an old Office document", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 8},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (size >= all[i].size && memcmp(start, all[i].signature, all[i].size) == 0) return all[i].what;
    return size >= 262 && memcmp(start + 257, "ustar", 5) == 0 ? "a tar archive" : NULL;
}

text_reader *text_open(const char *path, char *message) {
    struct stat status;
    int standard = strcmp(path, "-") == 0;
    const char *name = standard ? "standard input" : path;
    text_reader *t = NULL;
    if (!standard && stat(path, &status) != 0)
        snprintf(message, MESSAGE,
                 errno == ENOENT ? "%s: there is no such file; give the path of a text"
                                 : "%s: cannot be read; check its permissions and its disk",
                 path);
    else if (!standard && S_ISDIR(status.st_mode))
        snprintf(message, MESSAGE, "%s: is a folder; give the text files in it one by one", path);
    else if (!standard && !S_ISREG(status.st_mode))
        snprintf(message, MESSAGE, "%s: is a pipe or a device; give it as standard input: scout train - -o FILE < %s", path, path);
    else if (ends_with(path, ".json") || ends_with(path, ".jsonl") || ends_with(path, ".ndjson") || ends_with(path, ".jsonl.zst") ||
             ends_with(path, ".json.zst"))
        snprintf(
            message, MESSAGE,
            "%s: is JSON, which this program does not read; use python -m fable6c.scout, or save its texts as plain text with a line %s after each",
            path, MARK);
    else if (!(t = calloc(1, sizeof *t))) snprintf(message, MESSAGE, "%s: there is not enough memory to read it", name);
    if (!t) return NULL;
    t->path = name, t->marked = 1;
    t->file = standard ? stdin : fopen(path, "rb");
    if (!t->file) {
        snprintf(message, MESSAGE, "%s: cannot be read (%s); check its permissions and its disk", name, strerror(errno));
        free(t);
        return NULL;
    }
    size_t n = fread(t->plain, 1, 512, t->file);  // what it is
    const char *what = foreign(t->plain, n);
    int packed = n >= 4 && memcmp(t->plain, "\x28\xb5\x2f\xfd", 4) == 0;
    message[0] = 0;
    if (what) snprintf(message, MESSAGE, "%s: is %s, not text; unpack it, or save its text as UTF-8", name, what);
    else if (n >= 2 && (memcmp(t->plain, "\xff\xfe", 2) == 0 || memcmp(t->plain, "\xfe\xff", 2) == 0))
        snprintf(message, MESSAGE, "%s: is UTF-16 (it starts with %02x %02x); save it as UTF-8", name, t->plain[0], t->plain[1]);
    else if (packed && !standard && !ends_with(path, ".zst"))
        snprintf(message, MESSAGE, "%s: is a zstd file; give it a name that ends in .zst", name);
    if (!message[0] && (packed || (!standard && ends_with(path, ".zst")))) {
        t->zstd = zstd_open(read_file, t);
        if (!t->zstd) snprintf(message, MESSAGE, "%s: there is not enough memory to unpack it", name);
        else memcpy(t->zstd->in, t->plain, n), t->zstd->in_end = n;
    } else {
        t->at = t->plain, t->end = t->plain + n;
    }
    if (!message[0]) return t;
    text_close(t);
    return NULL;
}

void text_place(const text_reader *t, int64_t *document, int64_t *line) { *document = t->document, *line = t->number; }

void text_close(text_reader *t) {
    if (!t) return;
    zstd_close(t->zstd);
    if (t->file != stdin) fclose(t->file);
    free(t);
}

// More bytes at t->at. 0 at the end, -1 with a message.
static int refill(text_reader *t, char *message) {
    ptrdiff_t n;
    if (t->zstd) n = zstd_next(t->zstd, &t->at);
    else n = (ptrdiff_t)read_file(t, t->plain, sizeof t->plain), t->at = t->plain;
    if (t->error) snprintf(message, MESSAGE, "%s: cannot be read (%s); check its disk", t->path, strerror(t->error));
    else if (n < 0) snprintf(message, MESSAGE, "%s: cannot be unpacked (%s); copy or download it again", t->path, zstd_error(t->zstd));
    if (t->error || n < 0) return -1;
    t->end = t->at + n;
    return n > 0;
}

static int not_text(text_reader *t, const char *why, char *message) {
    snprintf(message, MESSAGE, "%s: byte %02x at offset %llu is not UTF-8 (%s); give UTF-8 text (iconv converts, e.g. from ISO-8859-1)",
             t->path, t->first, (unsigned long long)t->began, why);
    return -1;
}

// One more byte of a character that is not ASCII: 0 for a wrong one.
static int utf8(text_reader *t, uint8_t c, char *message) {
    if (t->need) {
        if (c < t->low || c > t->high) return not_text(t, "invalid continuation byte", message), 0;
        t->low = 0x80, t->high = 0xBF, t->need--;
        return 1;
    }
    t->first = c, t->began = t->offset, t->low = 0x80, t->high = 0xBF;
    if (c < 0x80) return 1;
    if (c < 0xC2 || c > 0xF4) return not_text(t, "invalid start byte", message), 0;
    t->need = c < 0xE0 ? 1 : c < 0xF0 ? 2 : 3;
    if (c == 0xE0) t->low = 0xA0;
    if (c == 0xED) t->high = 0x9F;
    if (c == 0xF0) t->low = 0x90;
    if (c == 0xF4) t->high = 0x8F;
    return 1;
}

// The result of text_line: the line's first `given` bytes.
static int give(text_reader *t, size_t *size, size_t given, int partial) {
    for (size_t i = 0; i < given && !t->found; i++) t->found = t->line[i] != ' ' && (t->line[i] < 9 || t->line[i] > 13);
    if (t->marked) t->document++, t->number = 0, t->marked = 0;
    t->number += !t->partial;
    *size = t->given = given;
    t->partial = partial;
    return partial ? 2 : 1;
}

int text_line(text_reader *t, const uint8_t **line, size_t *size, char *message) {
    *line = t->line;
    memmove(t->line, t->line + t->given, t->size - t->given);  // what stands after a part that was given
    t->size -= t->given, t->given = 0;
    while (!t->done) {
        if (t->at == t->end) {
            int more = refill(t, message);
            if (more < 0) return -1;
            if (!more) {
                if (t->need) return not_text(t, "unexpected end of data", message);
                t->done = 1;
                break;
            }
            continue;
        }
        if (!t->started) {  // a byte order mark belongs to the file
            t->started = 1;
            if (t->end - t->at >= 3 && memcmp(t->at, "\xef\xbb\xbf", 3) == 0) t->at += 3, t->offset += 3;
            continue;
        }
        uint8_t c = *t->at;
        if ((c >= 0x80 || t->need) && !utf8(t, c, message)) return -1;
        if (c == 0) {
            snprintf(message, MESSAGE, "%s: has a byte 00 at offset %llu, so it is binary, not text; give UTF-8 text, plain or .zst",
                     t->path, (unsigned long long)t->offset);
            return -1;
        }
        t->at++, t->offset++;
        int after_cr = t->after_cr, ends = c == '\n' || c == '\r', mark = 0;
        t->after_cr = c == '\r';
        if (c == '\n' && after_cr) continue;
        if (ends) t->after_mark = 0;
        else if (t->after_mark && (c == ' ' || c == '\t')) continue;
        else t->line[t->size++] = c, t->after_mark = 0;
        if (c == '>' && t->size >= sizeof MARK - 1 && memcmp(t->line + t->size - (sizeof MARK - 1), MARK, sizeof MARK - 1) == 0) {
            t->size -= sizeof MARK - 1;
            while (t->size && (t->line[t->size - 1] == ' ' || t->line[t->size - 1] == '\t')) t->size--;
            ends = mark = t->after_mark = 1;
        }
        int given = ends && (t->size || t->partial) ? give(t, size, t->size, 0) : 0;
        t->marked |= mark;
        if (given) return given;
        if (t->size >= LONGEST_LINE && !t->need) {
            size_t cut = t->size;
            while (cut > 1 && t->line[cut - 1] != ' ') cut--;
            cut = cut > 1 ? cut - 1 : t->size - sizeof MARK;  // a space begins a piece; without one, anywhere but in a mark
            while (cut < t->size && t->line[cut] >= 0x80 && t->line[cut] < 0xC0) cut--;
            return give(t, size, cut, 1);
        }
    }
    if (t->size || t->partial) return give(t, size, t->size, 0);
    if (t->found) return 0;
    snprintf(message, MESSAGE, "%s: holds no text (%llu bytes, nothing but white space and end marks); give a file with text", t->path,
             (unsigned long long)t->offset);
    return -1;
}

// ---- lines to pieces: docs/tokenizer.md, "Encoding, step 1"

enum { SPACE, WHITE, DIGIT, LETTER, OTHER, LONGEST_PIECE = 65536 };

static inline int class_of(uint8_t c) {
    if (c == ' ') return SPACE;
    if (c >= 9 && c <= 13) return WHITE;
    if (c >= '0' && c <= '9') return DIGIT;
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c >= 0x80 ? LETTER : OTHER;
}

static size_t piece_end(const uint8_t *text, size_t size, size_t start) {
    size_t at = start, most = size - start > LONGEST_PIECE ? start + LONGEST_PIECE + 2 : size;
    int class = class_of(text[at]);
    if (class == SPACE) {
        if (at + 1 == size) return size;
        class = class_of(text[at + 1]);
        if (class == SPACE || class == WHITE) return at + 1;
        at++;
    }
    if (class == DIGIT) return at + 1;
    for (at++; at < most; at++) {
        if (class_of(text[at]) == class) continue;
        if (class != LETTER || text[at] != '\'' || at + 1 >= most || class_of(text[at + 1]) != LETTER) break;
    }
    if (at - start <= LONGEST_PIECE) return at;
    for (at = start + LONGEST_PIECE; at > start + LONGEST_PIECE - 3 && (text[at] & 0xC0) == 0x80; at--) {}
    return text[at - 1] == '\'' && class_of(text[at - 2]) == LETTER ? at - 1 : at;
}

// ---- pieces to tokens: "Encoding, step 2"

enum { NO_TOKEN = 0xFFFF, PIECES_KEPT = 1 << 13, KEPT_BYTES = 31, KEPT_TOKENS = 12 };

struct bpe_piece {
    uint8_t size, tokens, bytes[KEPT_BYTES];
    uint16_t token[KEPT_TOKENS];
};

#define STEP 0x9E3779B97F4A7C15u  // of the hash of bytes: hash · STEP + byte + 1

static uint32_t place_of_hash(uint64_t hash) { return (uint32_t)((hash ^ hash >> 31) * STEP >> 50); }

// The token of the bytes `left` and then `right`, or NO_TOKEN.
static uint32_t joined(const bpe *b, uint32_t left, uint32_t right) {
    uint32_t n = b->length[left], m = b->length[right];
    if (n + m > LONGEST_TOKEN) return NO_TOKEN;
    uint64_t hash = b->hash[left] * b->power[m] + b->hash[right];
    for (uint32_t at = place_of_hash(hash); b->byte_hash[at]; at = (at + 1) & ((1 << 14) - 1)) {
        uint32_t token = b->byte_hash[at] - 1u;
        if (b->hash[token] == hash && b->length[token] == n + m && memcmp(b->bytes[token], b->bytes[left], n) == 0 &&
            memcmp(b->bytes[token] + n, b->bytes[right], m) == 0)
            return token;
    }
    return NO_TOKEN;
}

static void enter(bpe *b, uint32_t token) {
    uint32_t at = place_of_hash(b->hash[token]);
    while (b->byte_hash[at]) at = (at + 1) & ((1 << 14) - 1);
    b->byte_hash[at] = (uint16_t)(token + 1);
}

int bpe_begin(bpe *b) {
    memset(b->byte_hash, 0, sizeof b->byte_hash);
    b->V = 256 + b->merges;
    b->power[0] = 1;
    for (int i = 1; i <= LONGEST_TOKEN; i++) b->power[i] = b->power[i - 1] * STEP;
    for (uint32_t i = 0; i < 256; i++) b->length[i] = 1, b->bytes[i][0] = (uint8_t)i, b->hash[i] = i + 1, enter(b, i);
    for (uint32_t i = 0; i < (uint32_t)b->merges; i++) {
        uint32_t left = b->merge[i][0], right = b->merge[i][1], token = 256 + i;
        if (left >= token || right >= token || b->length[left] + b->length[right] > LONGEST_TOKEN || joined(b, left, right) != NO_TOKEN)
            return (int)token;
        b->length[token] = (uint8_t)(b->length[left] + b->length[right]);
        memcpy(b->bytes[token], b->bytes[left], b->length[left]);
        memcpy(b->bytes[token] + b->length[left], b->bytes[right], b->length[right]);
        b->hash[token] = b->hash[left] * b->power[b->length[right]] + b->hash[right];
        enter(b, token);
    }
    free(b->cache);
    b->cache = calloc(PIECES_KEPT, sizeof *b->cache);
    return -1;
}

// The tokens of one piece. part and join: room for `size` numbers each, as has tokens.
static size_t encode_piece(const bpe *b, uint16_t *part, uint16_t *join, const uint8_t *piece, size_t size) {
    size_t n = size;
    for (size_t i = 0; i < n; i++) part[i] = piece[i];
    for (size_t i = 0; i + 1 < n; i++) join[i] = (uint16_t)joined(b, part[i], part[i + 1]);
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (join[i] < join[best]) best = i;
        if (join[best] == NO_TOKEN) break;
        part[best] = join[best];
        memmove(part + best + 1, part + best + 2, (n - best - 2) * sizeof *part);
        memmove(join + best, join + best + 1, (n - best - 2) * sizeof *join);
        n--;
        if (best + 1 < n) join[best] = (uint16_t)joined(b, part[best], part[best + 1]);
        if (best > 0) join[best - 1] = (uint16_t)joined(b, part[best - 1], part[best]);
    }
    return n;
}

ptrdiff_t bpe_encode(const bpe *b, uint16_t *tokens, const uint8_t *text, size_t size) {
    uint16_t *join = malloc((size < LONGEST_PIECE ? size + 1 : LONGEST_PIECE) * sizeof *join);
    ptrdiff_t N = 0;
    if (!join) return -1;
    for (size_t at = 0, end; at < size; at = end) {
        end = piece_end(text, size, at);
        size_t n = end - at;
        struct bpe_piece *kept = NULL;
        if (b->cache && n <= KEPT_BYTES) {
            uint64_t hash = n;
            for (size_t i = at; i < end; i++) hash = hash * STEP + text[i] + 1;
            kept = &b->cache[(hash ^ hash >> 31) * STEP >> 51];
            if (kept->size == n && memcmp(kept->bytes, text + at, n) == 0) {
                memcpy(tokens + N, kept->token, kept->tokens * sizeof *tokens);
                N += kept->tokens;
                continue;
            }
        }
        size_t made = encode_piece(b, tokens + N, join, text + at, n);
        if (kept && made <= KEPT_TOKENS) {
            kept->size = (uint8_t)n, kept->tokens = (uint8_t)made;
            memcpy(kept->bytes, text + at, n);
            memcpy(kept->token, tokens + N, made * sizeof *tokens);
        }
        N += (ptrdiff_t)made;
    }
    free(join);
    return N;
}

// ---- learning tokens: "Training"; the loop over merges, whose steps are in _bpe.c

enum { GAP = 0xFFFF, SCAN = 64 };

typedef struct {
    uint32_t start, size;
    int64_t count;
} piece;

// The distinct pieces of the lines, in a hash table of *places. NULL without memory.
static piece *count_pieces(const uint8_t *lines, size_t size, size_t *places, size_t *pieces) {
    piece *table = calloc(*places = 1 << 16, sizeof *table);
    *pieces = 0;
    for (size_t line = 0, stop; table && line < size; line = stop + 1) {
        for (stop = line; stop < size && lines[stop] != '\n'; stop++) {}
        for (size_t at = line, end; at < stop; at = end) {
            end = at + piece_end(lines + at, stop - at, 0);
            uint64_t hash = 0;
            for (size_t i = at; i < end; i++) hash = hash * STEP + lines[i] + 1;
            size_t place = (hash ^ hash >> 31) & (*places - 1);
            while (table[place].count && (table[place].size != end - at || memcmp(lines + table[place].start, lines + at, end - at) != 0))
                place = (place + 1) & (*places - 1);
            if (!table[place].count++) table[place].start = (uint32_t)at, table[place].size = (uint32_t)(end - at), ++*pieces;
            if (2 * *pieces < *places) continue;
            size_t more = 2 * *places;
            piece *larger = calloc(more, sizeof *larger);
            for (size_t i = 0; larger && i < *places; i++) {
                if (!table[i].count) continue;
                hash = 0;
                for (size_t j = 0; j < table[i].size; j++) hash = hash * STEP + lines[table[i].start + j] + 1;
                for (place = (hash ^ hash >> 31) & (more - 1); larger[place].count;) place = (place + 1) & (more - 1);
                larger[place] = table[i];
            }
            free(table);
            if (!(table = larger)) return NULL;
            *places = more;
        }
    }
    return table;
}

int bpe_learn(bpe *b, const uint8_t *lines, size_t size, int wanted) {
    size_t places, pieces, bytes = 1;
    piece *table = count_pieces(lines, size, &places, &pieces);
    if (!table) return 1;
    for (size_t i = 0; i < places; i++)
        if (table[i].count) bytes += table[i].size + 1;
    size_t N = (bytes + SCAN - 1) / SCAN * SCAN, most = 65536 + 2 * N, I = 1, at = 0, number = 0;
    while (I <= 2 * most) I *= 2;
    uint16_t *symbols = malloc((N + 1) * sizeof *symbols);
    uint32_t *piece_of = calloc(N, sizeof *piece_of), *pair = malloc(most * sizeof *pair), *index = calloc(I, sizeof *index);
    int64_t *piece_count = malloc((pieces + 1) * sizeof *piece_count), *pair_count = malloc(most * sizeof *pair_count);
    int status = !(symbols && piece_of && pair && index && piece_count && pair_count);
    b->merges = 0;
    if (!status) {
        symbols[at++] = GAP;
        for (size_t i = 0; i < places; i++) {
            if (!table[i].count) continue;
            for (size_t j = 0; j < table[i].size; j++) piece_of[at] = (uint32_t)number, symbols[at++] = lines[table[i].start + j];
            piece_of[at] = (uint32_t)number, symbols[at++] = GAP;
            piece_count[number++] = table[i].count;
        }
        while (at <= N) symbols[at++] = GAP;
        bpe_text text = {symbols, piece_of, piece_count, pair, pair_count, index, N, I};
        memset(b->length, 1, 256);
        size_t pairs = bpe_count_pairs(&text);
        while (b->merges < wanted) {
            size_t best = bpe_best_pair(&text, b->length, pairs, LONGEST_TOKEN, 2);
            if (best == pairs) break;
            uint16_t left = (uint16_t)(pair[best] >> 16), right = (uint16_t)pair[best], token = (uint16_t)(256 + b->merges);
            b->length[token] = (uint8_t)(b->length[left] + b->length[right]);
            b->merge[b->merges][0] = left, b->merge[b->merges++][1] = right;
            pairs = bpe_merge(&text, pairs, left, right, token);
        }
        status = b->merges < wanted ? 2 : 0;
    }
    free(table), free(symbols), free(piece_of), free(pair), free(index), free(piece_count), free(pair_count);
    return status;
}
