// What the scout's program reads: text files, plain or as zstd, line by line (_scout_text.c), and their tokens.

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { MESSAGE = 512, LONGEST_LINE = 1 << 20, MAX_MERGES = 4096 - 256, LONGEST_TOKEN = 64 };

// ---- zstd frames, RFC 8878

typedef struct zstd_reader zstd_reader;
// Reads packed bytes by `read`, which returns how many it gave, 0 at the end. NULL without memory.
zstd_reader *zstd_open(size_t (*read)(void *from, uint8_t *into, size_t most), void *from);
// The next unpacked bytes (up to 128 KiB): *bytes points to them until the next call. Returns their number, 0 at the end, -1 for damage,
// which zstd_error names.
ptrdiff_t zstd_next(zstd_reader *z, const uint8_t **bytes);
const char *zstd_error(const zstd_reader *z);
void zstd_close(zstd_reader *z);
uint64_t xxh64(const uint8_t *data, size_t size);
// The same of data in parts.
typedef struct {
    uint64_t lane[4], total;
    uint8_t held[32];
} xxh64_state;
void xxh64_begin(xxh64_state *x);
void xxh64_add(xxh64_state *x, const uint8_t *data, size_t size);
uint64_t xxh64_end(const xxh64_state *x);
uint32_t crc32_of(uint32_t crc, const void *data, size_t size);

// ---- lines

typedef struct text_reader text_reader;
// Opens a text: a path, or "-" for standard input. NULL with a message of one line.
text_reader *text_open(const char *path, char *message);
// The next line that is not empty, without its end: *line points to it until the next call, *size is its bytes. Returns 1; 2 for a part of a
// line that is too long to come at once, the rest of which follows; 0 at the end; -1 with a message. End marks <|endoftext|> end a line,
// and the blanks beside them are left out. CRLF and CR are line ends too.
int text_line(text_reader *t, const uint8_t **line, size_t *size, char *message);
// Where the line that was given last stands: the number of its document in the file, and its own number in it, empty ones not counted.
void text_place(const text_reader *t, int64_t *document, int64_t *line);
void text_close(text_reader *t);

// ---- tokens: docs/tokenizer.md

typedef struct {
    int merges, V;  // V without the end mark: 256 + merges
    uint16_t merge[MAX_MERGES][2];
    uint8_t length[MAX_MERGES + 256];
    uint8_t bytes[MAX_MERGES + 256][LONGEST_TOKEN];
    uint16_t byte_hash[1 << 14];  // places of tokens by their bytes, + 1
    uint64_t hash[MAX_MERGES + 256], power[LONGEST_TOKEN + 1];
    struct bpe_piece *cache;  // the pieces met last, with their tokens; may be NULL
} bpe;

// Fills b from b->merge and b->merges. Returns -1, or the first token that breaks a rule.
int bpe_begin(bpe *b);
// Learns `wanted` merges from lines (size bytes, each line ends in a line feed). Returns 0; 1 without memory; 2 where the text is too small, with
// b->merges those that it gives.
int bpe_learn(bpe *b, const uint8_t *lines, size_t size, int wanted);
// The tokens of a text: room for `size` of them. Returns how many, or -1 without memory.
ptrdiff_t bpe_encode(const bpe *b, uint16_t *tokens, const uint8_t *text, size_t size);
