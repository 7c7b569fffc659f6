// The scout as a program of its own: train, evaluate, generate, chat and ask, without Python. docs/scout.md explains it; `make scout` builds it, and
// so does a bare compiler: cc -O3 -o scout fable6c/_scout*.c fable6c/_bpe.c -lm

#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "_scout.h"
#include "_scout_text.h"

enum { CHUNK = 1 << 20, SAMPLE = 4000000, VOCAB = 4096, MIN_TOKENS = 1000, HEADER = 1 << 16, FORMAT = 2, LINE_FEED = 10 };
static const char MAGIC[] = "\x89"
                            "F6S\r\n\x1a\n";

// Written in this order, after the merges.
static const uint8_t SAVED[] = {CODE,        LENGTH,         FLAGS, TOKEN_VECTORS, TABLES,      MAPS,          MIXERS,  FINAL_WEIGHTS,
                                CORRECTIONS, VECTOR_WEIGHTS, ASKED, AVERAGES,      RING_TOKENS, STREAM_VALUES, POSITION};

// _scout_ask.c
extern void (*ask_read)(const scout *, const uint16_t *, double *, int32_t *, int, size_t);
// _scout_avx2.c
void scout_read_best(const scout *s, const uint16_t *tokens, double *probability, int32_t *confidence, int learn, size_t N);
void scout_distribution_best(const scout *s, double *probability);

static volatile sig_atomic_t stopped;
static void stop(int signal) { stopped = signal; }

static const char USAGE[] =
    "Learn text by counting and mixing, in one reading; score it on other text; let it write.\n"
    "\n"
    "example: scout train stories.txt -o stories.scout\n"
    "\n"
    "  train TEXT ... -o FILE     read text once (UTF-8, plain or .zst; - is standard input) and write a scout; the same\n"
    "                             command resumes after a stop\n"
    "      --tier NAME            how much to look at: fast, normal or deep (default: normal)\n"
    "      --memory SIZE          the most that the process may take, such as 256M (default: 1G)\n"
    "      --tokenizer FILE       take the tokenizer of this .f6t (default: learn one from the beginning)\n"
    "      --save SECONDS         save what was read so far after so many seconds, to FILE.part (default: 120)\n"
    "  evaluate SCOUT --text FILE score a scout on a text in bits per character\n"
    "      --chars N              divide by N characters (default: those of the text)\n"
    "      --frozen               do not learn from the text while reading it\n"
    "      --json                 print one JSON object\n"
    "  generate SCOUT             let a scout continue a text\n"
    "      -p TEXT                begin with TEXT (default: nothing)\n"
    "      -n N                   tokens to make (default: 200)\n"
    "      -t T                   temperature; 0 always takes the likeliest (default: 0.8)\n"
    "      -s SEED                the same seed tells the same story (default: 1)\n"
    "  chat SCOUT                 write a story together, line by line; -n, -t and -s as above\n"
    "  ask SCOUT [QUESTION ...]   answer who, what and where from a text that was read, with the sentence and its place;\n"
    "                             without QUESTION they come from standard input, one in a line\n"
    "      --text FILE            the text, may be given again (default: the end of what the scout read, 4 million tokens)\n"
    "      --json                 print one JSON object for each question\n"
    "  --threads N                for all five; no bit depends on it (default: 2)\n";

static void fail(int status, const char *format, ...) {
    va_list values;
    fflush(stdout);
    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    fputc('\n', stderr);
    exit(status);
}

static double seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

// ---- output

// What a terminal is not sent: controls but line feed and tab, and what turns text around.
static int drives(uint32_t c) {
    return (c < 32 && c != '\t' && c != '\n') || (c >= 0x7F && c < 0xA0) || c == 0x61C || c == 0x200E || c == 0x200F ||
           (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

static struct {
    uint8_t bytes[4];
    int have, need, terminal;
} out;

static void flush_output(void) {
    if (fflush(stdout) != 0) fail(1, "the output cannot be written (%s)", strerror(errno));
}

static void put_character(void) {
    uint32_t c = out.bytes[0];
    if (out.need == 2) c = (c & 31) << 6 | (out.bytes[1] & 63);
    if (out.need == 3) c = (c & 15) << 12 | (uint32_t)(out.bytes[1] & 63) << 6 | (out.bytes[2] & 63);
    if (out.need == 4) c = (c & 7) << 18 | (uint32_t)(out.bytes[1] & 63) << 12 | (uint32_t)(out.bytes[2] & 63) << 6 | (out.bytes[3] & 63);
    if (out.terminal && drives(c)) fputs("\xef\xbf\xbd", stdout);
    else fwrite(out.bytes, 1, (size_t)out.need, stdout);
    out.have = out.need = 0;
}

// Bytes of a text for the output, whole characters only; what is no UTF-8 becomes U+FFFD.
static void say(const uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) {
        uint8_t c = bytes[i];
        int low = 0x80, high = 0xBF;
        if (out.have == 1) {
            uint8_t first = out.bytes[0];
            low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : low;
            high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : high;
        }
        if (out.have && (c < low || c > high)) {
            fputs("\xef\xbf\xbd", stdout);
            out.have = out.need = 0;
        }
        if (!out.have) {
            out.need = c < 0x80 ? 1 : c < 0xC2 || c > 0xF4 ? 0 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
            if (!out.need) {
                fputs("\xef\xbf\xbd", stdout);
                continue;
            }
        }
        out.bytes[out.have++] = c;
        if (out.have == out.need) put_character();
    }
}

static void say_end(void) {
    if (out.have) fputs("\xef\xbf\xbd", stdout);
    out.have = out.need = 0;
}

// ---- a scout in memory

typedef struct {
    scout s;
    scout_kind kinds[64];
    uint64_t elements[SCOUT_ARRAYS];
    int tier;
    int64_t memory;
    bpe tokens;
    // of the reading so far
    uint64_t characters, read, hash;
    double bits;
    double *probability;
    int32_t *confidence;
    size_t room;
} model;

static int64_t free_memory(void) {
    FILE *file = fopen("/proc/meminfo", "r");
    char line[128];
    long long kib = -1;
    struct rlimit limit;
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "MemAvailable: %lld", &kib) == 1) break;
    if (file) fclose(file);
    int64_t most = kib < 0 ? INT64_MAX : kib * 1024;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && (int64_t)limit.rlim_cur < most)
        most = (int64_t)limit.rlim_cur;
    return most;
}

static void *zeros(uint64_t size) {
    void *at = mmap(NULL, size ? size : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        fail(1, "%llu MiB of memory cannot be had (%s); close other programs, or train with a smaller --memory",
             (unsigned long long)(size >> 20), strerror(errno));
#ifdef MADV_HUGEPAGE
    if (size >= 1 << 22) madvise(at, size, MADV_HUGEPAGE);  // a third less time: tables are read at random places
#endif
    return at;
}

// Makes the arrays for the tier, memory and tokenizer that m names. The tree is not there yet.
static void make_arrays(model *m, int threads) {
    int64_t needed = scout_plan(&m->s, m->kinds, m->elements, m->tier, m->tokens.V, m->memory), there = free_memory();
    if (needed)
        fail(1, "%lld MiB of memory are too little for the tier %s; it needs %lld", (long long)(m->memory >> 20), scout_tier(m->tier),
             (long long)((needed >> 20) + 1));
    if (m->memory > there)
        fail(1, "the scout takes %lld MiB of memory, %lld MiB are free; close other programs, or train with a smaller --memory",
             (long long)(m->memory >> 20), (long long)(there >> 20));
    m->s.kinds = m->kinds;
    m->s.threads = threads;
    for (int a = 0; a < SCOUT_ARRAYS; a++) scout_put(&m->s, a, zeros(m->elements[a] * (uint64_t)scout_width(a)));
}

// Reads tokens; returns their bits.
static double read_tokens(model *m, const uint16_t *tokens, size_t n, int learn) {
    enum { AT_ONCE = 1 << 16 };
    double bits = 0;
    if (!m->probability) {
        m->probability = malloc(AT_ONCE * sizeof *m->probability);
        m->confidence = malloc(4 * AT_ONCE * sizeof *m->confidence);
        if (!m->probability || !m->confidence) fail(1, "there is not enough memory");
    }
    for (size_t at = 0; at < n;) {
        size_t now = n - at < AT_ONCE ? n - at : AT_ONCE;
        scout_read_best(&m->s, tokens + at, m->probability, m->confidence, learn, now);
        for (size_t i = 0; i < now; i++) bits -= scout_log(m->probability[i]);
        at += now;
    }
    return bits / 0.69314718055994530942;
}

// ---- files: docs/scout.md, "The file". The content is one zstd frame of blocks that stand as they are or repeat one byte.

typedef struct {
    FILE *file;
    const char *path;
    char temporary[4096];
    xxh64_state hash;
    uint8_t block[1 << 17];
    size_t size;
    int error;
} writer;

static void put(writer *w, const void *data, size_t size) {
    if (!w->error && size && fwrite(data, 1, size, w->file) != size) w->error = errno ? errno : EIO;
}

static void put_block(writer *w, const uint8_t *data, size_t size, int repeats, int last) {
    uint32_t head = (uint32_t)size << 3 | (uint32_t)repeats << 1 | (uint32_t)last;
    uint8_t bytes[3] = {(uint8_t)head, (uint8_t)(head >> 8), (uint8_t)(head >> 16)};
    put(w, bytes, 3);
    put(w, data, repeats ? 1 : size);
}

// Whether all bytes are 0.
static int empty(const uint8_t *data, size_t size) { return size == 0 || (data[0] == 0 && memcmp(data, data + 1, size - 1) == 0); }

static void pack(writer *w, const uint8_t *data, size_t size) {
    enum { PAGE = 256, MOST = 1 << 17 };
    xxh64_add(&w->hash, data, size);
    while (size) {
        size_t n = 0, page = size < PAGE ? size : PAGE;
        int zero = empty(data, page);
        do n += page, page = size - n < PAGE ? size - n : PAGE;
        while (page && n + page <= MOST && empty(data + n, page) == zero);
        put_block(w, data, n, zero, 0);
        data += n, size -= n;
    }
}

static void save(model *m, const char *path, int finished) {
    static writer w;
    char text[512];
    memset(&w, 0, sizeof w);
    if (snprintf(w.temporary, sizeof w.temporary, "%s.tmp%ld", path, (long)getpid()) >= (int)sizeof w.temporary)
        fail(1, "%s: its name is too long", path);
    w.file = fopen(w.temporary, "wb");
    if (!w.file) fail(1, "%s: cannot be written (%s); choose another place", path, strerror(errno));
    int n = snprintf(text, sizeof text, "{\"tier\": \"%s\", \"memory\": %lld, \"merges\": %d, \"format\": %d", scout_tier(m->tier),
                     (long long)m->memory, m->tokens.merges, FORMAT);
    if (!finished)
        n += snprintf(text + n, sizeof text - (size_t)n, ", \"characters\": %llu, \"tokens\": %llu, \"bits\": %.6f, \"hash\": %llu",
                      (unsigned long long)m->characters, (unsigned long long)m->read, m->bits, (unsigned long long)(m->hash >> 1));
    text[n++] = '}';
    uint32_t length = (uint32_t)n, crc = crc32_of(crc32_of(crc32_of(0, MAGIC, 8), &length, 4), text, length);
    put(&w, MAGIC, 8), put(&w, &length, 4), put(&w, text, length), put(&w, &crc, 4);
    put(&w, "\x28\xb5\x2f\xfd\x04\x38", 6);  // a frame with a checksum and a window of 128 KiB
    xxh64_begin(&w.hash);
    pack(&w, (const uint8_t *)m->tokens.merge, 4 * (size_t)m->tokens.merges);
    for (size_t i = 0; i < sizeof SAVED; i++) pack(&w, scout_array(&m->s, SAVED[i]), m->elements[SAVED[i]] * (size_t)scout_width(SAVED[i]));
    put_block(&w, NULL, 0, 0, 1);
    uint32_t hash = (uint32_t)xxh64_end(&w.hash);
    put(&w, &hash, 4);
    if (!w.error && (fflush(w.file) != 0 || fsync(fileno(w.file)) != 0)) w.error = errno;
    fclose(w.file);
    if (!w.error && rename(w.temporary, path) != 0) w.error = errno;
    if (!w.error) return;
    remove(w.temporary);
    fail(1, "%s: cannot be written (%s); make room, or choose another place", path, strerror(w.error));
}

static size_t read_some(void *from, uint8_t *into, size_t most) { return fread(into, 1, most, from); }

typedef struct {
    zstd_reader *zstd;
    const uint8_t *at;
    size_t left;
} unpacker;

// Fills `size` bytes; 0 for damage.
static int unpack(unpacker *u, void *into, size_t size) {
    uint8_t *to = into;
    while (size) {
        if (!u->left) {
            ptrdiff_t n = zstd_next(u->zstd, &u->at);
            if (n <= 0) return 0;
            u->left = (size_t)n;
        }
        size_t n = u->left < size ? u->left : size;
        memcpy(to, u->at, n);
        u->at += n, u->left -= n, to += n, size -= n;
    }
    return 1;
}

// The number after "key": in a header, or -1.
static long long header_number(const char *text, const char *key) {
    char wanted[40];
    snprintf(wanted, sizeof wanted, "\"%s\":", key);
    const char *at = strstr(text, wanted);
    if (!at) return -1;
    at += strlen(wanted);
    while (*at == ' ') at++;
    char *end;
    errno = 0;
    long long value = *at >= '0' && *at <= '9' ? strtoll(at, &end, 10) : -1;
    return value >= 0 && errno == 0 && (*end == ',' || *end == '}' || *end == ' ' || *end == '.') ? value : -1;
}

// Reads what `save` or Python wrote, and, from an unfinished one, how far it had come.
static void load(model *m, const char *path, int threads) {
    FILE *file = fopen(path, "rb");
    uint8_t start[12];
    static char text[HEADER + 1];
    uint32_t length = 0, crc = 0;
    if (!file) fail(1, "%s: cannot be read (%s); make it with `scout train`", path, strerror(errno));
    size_t n = fread(start, 1, 12, file);
    if (n < 8 || memcmp(start, MAGIC, 8) != 0)
        fail(1, n ? "%s: is not a scout; give a file made by `scout train`" : "%s: is empty or a folder; give a file made by `scout train`",
             path);
    if (n == 12) memcpy(&length, start + 8, 4);
    if (n < 12 || length > HEADER || fread(text, 1, length, file) != length || fread(&crc, 1, 4, file) != 4 ||
        crc != crc32_of(crc32_of(0, start, 12), text, length))
        fail(1, "%s: is damaged (its checksum does not match); copy it again or train again", path);
    text[length] = 0;
    long long format = header_number(text, "format"), merges = header_number(text, "merges");
    m->memory = header_number(text, "memory");
    m->tier = -1;
    for (int tier = 0; tier < TIERS; tier++) {
        char wanted[40];
        snprintf(wanted, sizeof wanted, "\"tier\": \"%s\"", scout_tier(tier));
        if (strstr(text, wanted)) m->tier = tier;
    }
    if (format != FORMAT) fail(1, "%s: is of format %lld, this build reads %d; train again", path, format < 0 ? 1 : format, FORMAT);
    if (m->tier < 0 || merges < 0 || merges > MAX_MERGES || m->memory < 0)
        fail(1, "%s: is damaged (its content contradicts itself); copy it again or train again", path);
    unpacker u = {zstd_open(read_some, file), NULL, 0};
    if (!u.zstd) fail(1, "there is not enough memory");
    m->tokens.merges = (int)merges;
    int good = unpack(&u, m->tokens.merge, 4 * (size_t)merges);
    if (good) {
        int token = bpe_begin(&m->tokens);
        if (token >= 0) fail(1, "%s: the tokenizer is damaged at token %d; the file is damaged or not made by fable6c", path, token);
        make_arrays(m, threads);
        for (size_t i = 0; good && i < sizeof SAVED; i++) {
            good = unpack(&u, scout_array(&m->s, SAVED[i]), m->elements[SAVED[i]] * (size_t)scout_width(SAVED[i]));
            // The tree says where its arrays end, so it is looked at before anything is made of it.
            if (good && SAVED[i] == LENGTH) good = scout_is_tree(m->s.code, m->s.length, m->s.states, (size_t)m->s.V);
            if (good && SAVED[i] == TOKEN_VECTORS) scout_begin(&m->s);
        }
    }
    if (good && (u.left || zstd_next(u.zstd, &u.at) != 0)) good = 0;
    if (zstd_error(u.zstd)) fail(1, "%s: cannot be unpacked (%s); copy or download it again", path, zstd_error(u.zstd));
    if (!good || !scout_is_sound(&m->s, m->elements))
        fail(1, "%s: is damaged (its content contradicts itself); copy it again or train again", path);
    zstd_close(u.zstd);
    fclose(file);
    long long characters = header_number(text, "characters");
    if (characters >= 0) {
        const char *bits = strstr(text, "\"bits\":");
        m->characters = (uint64_t)characters, m->read = (uint64_t)header_number(text, "tokens"),
        m->hash = (uint64_t)header_number(text, "hash") << 1;
        m->bits = bits ? strtod(bits + 7, NULL) : 0;
    }
}

static void load_tokenizer(bpe *b, const char *path) {
    FILE *file = fopen(path, "rb");
    static const char magic[] = "\x89"
                                "F6T\r\n\x1a\n";
    uint8_t head[12];
    uint32_t merges, crc = 0;
    if (!file) fail(1, "%s: cannot be read (%s); make it with `python -m fable6c.tokenizer train`", path, strerror(errno));
    size_t n = fread(head, 1, 12, file);
    if (n < 8 || memcmp(head, magic, 8) != 0)
        fail(1, "%s: is not a tokenizer; give a file made by `python -m fable6c.tokenizer train`", path);
    memcpy(&merges, head + 8, 4);
    if (n < 12 || merges > MAX_MERGES)
        fail(1, "%s: the tokenizer has %lu tokens; a scout takes at most 4097", path, n < 12 ? 0ul : 257ul + merges);
    if (fread(b->merge, 4, merges, file) != merges || fread(&crc, 4, 1, file) != 1 ||
        crc != crc32_of(crc32_of(0, head, 12), b->merge, 4 * (size_t)merges))
        fail(1, "%s: is damaged (its checksum does not match); copy it again or train the tokenizer again", path);
    fclose(file);
    b->merges = (int)merges;
    int token = bpe_begin(b);
    if (token >= 0) fail(1, "%s: the tokenizer is damaged at token %d; the file is damaged or not made by fable6c", path, token);
}

// ---- progress

static struct {
    double started, next;
    int terminal, shown;
} progress;

static void progress_begin(void) {
    progress.started = seconds(CLOCK_MONOTONIC);
    progress.terminal = isatty(2);
    progress.next = progress.started + (progress.terminal ? 0.5 : 5);
}

static void progress_show(const char *label, uint64_t done, const char *unit, double bits_per_character) {
    double now = seconds(CLOCK_MONOTONIC);
    if (now < progress.next) return;
    progress.next = now + (progress.terminal ? 0.5 : 5);
    progress.shown = 1;
    fprintf(stderr, "%s%s: %llu %s, %.0f s", progress.terminal ? "\r" : "", label, (unsigned long long)done, unit, now - progress.started);
    if (bits_per_character > 0) fprintf(stderr, ", %.4f bits per character", bits_per_character);
    if (!progress.terminal) fputc('\n', stderr);
    fflush(stderr);
}

static void progress_end(void) {
    if (progress.terminal && progress.shown) fputs("\r\033[K", stderr);
}

// ---- train

// Several texts as one stream of lines.
typedef struct {
    char *const *paths;
    int count, next;
    text_reader *text;
    const uint8_t *line;  // what was read and not yet used
    size_t size;
    int kind;
} lines;

// The next line or part of one: as text_line, without errors.
static int next_line(lines *l) {
    char message[MESSAGE];
    for (;;) {
        if (!l->text) {
            if (l->next == l->count) return 0;
            l->text = text_open(l->paths[l->next++], message);
            if (!l->text) fail(1, "%s", message);
        }
        l->kind = text_line(l->text, &l->line, &l->size, message);
        if (l->kind < 0) fail(1, "%s", message);
        if (l->kind) return l->kind;
        text_close(l->text);
        l->text = NULL;
    }
}

static uint64_t characters_of(const uint8_t *text, size_t size) {
    uint64_t n = 0;
    for (size_t i = 0; i < size; i++) n += (text[i] & 0xC0) != 0x80;
    return n;
}

typedef struct {
    uint8_t *bytes;
    size_t size, room;
    uint64_t characters;
} buffer;

// Takes lines, with their line feeds, until there are so many characters or no more text. A part of a line has no line feed.
static void gather(lines *l, buffer *b, uint64_t characters) {
    b->size = 0, b->characters = 0;
    while (b->characters < characters && next_line(l)) {
        if (b->size + l->size + 1 > b->room) {
            b->room = 2 * (b->size + l->size + 1);
            b->bytes = realloc(b->bytes, b->room);
            if (!b->bytes) fail(1, "there is not enough memory for the text");
        }
        memcpy(b->bytes + b->size, l->line, l->size);
        b->size += l->size;
        b->characters += characters_of(l->line, l->size);
        if (l->kind == 1) b->bytes[b->size++] = '\n', b->characters++;
    }
}

// The tokens of lines, each line by itself, its line feed a token of its own.
static size_t encode_lines(const bpe *b, uint16_t **tokens, size_t *room, const uint8_t *bytes, size_t size) {
    size_t n = 0;
    if (size > *room) {
        *room = size;
        free(*tokens);
        *tokens = malloc(size * sizeof **tokens);
    }
    for (size_t at = 0; *tokens && at < size;) {
        const uint8_t *end = memchr(bytes + at, '\n', size - at);
        size_t line = end ? (size_t)(end - bytes) - at : size - at;
        ptrdiff_t made = bpe_encode(b, *tokens + n, bytes + at, line);
        if (made < 0) fail(1, "there is not enough memory");
        n += (size_t)made;
        if (end) (*tokens)[n++] = LINE_FEED;
        at += line + 1;
    }
    if (size && !*tokens) fail(1, "there is not enough memory for the text");
    return n;
}

// Whether both names lead to one file.
static int same_file(const char *one, const char *other) {
    struct stat a, b;
    return stat(one, &a) == 0 && stat(other, &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

static int train(char *const *paths, int count, const char *output, int tier, int64_t memory, const char *tokenizer, int threads,
                 double save_after) {
    static model m;
    static char part[4096];
    double began = seconds(CLOCK_MONOTONIC);
    lines text = {paths, count, 0, NULL, NULL, 0, 0};
    buffer b = {0};
    uint16_t *tokens = NULL;
    size_t room = 0;
    xxh64_state hash;
    uint64_t skip = 0, skip_hash = 0;
    if (snprintf(part, sizeof part, "%s.part", output) >= (int)sizeof part) fail(1, "%s: its name is too long", output);
    for (int i = 0; i <= count; i++) {
        const char *read = i < count ? paths[i] : tokenizer;
        if (read && same_file(output, read)) fail(1, "%s: is %s, which is read for it; choose another name for the result", output, read);
    }
    FILE *probe = fopen(part, "rb");
    int resumes = probe != NULL;
    if (probe) {
        fclose(probe);
        load(&m, part, threads);
        if (m.tier != tier || m.memory != memory)
            fail(1, "%s: was begun with --tier %s --memory %lldM; give the same, or remove it to begin anew", part, scout_tier(m.tier),
                 (long long)(m.memory >> 20));
        skip = m.characters, skip_hash = m.hash;
        fprintf(stderr, "%s: resuming after %llu characters\n", part, (unsigned long long)skip);
    }
    // The output must be writable before hours are spent.
    if (!resumes) {
        probe = fopen(part, "wb");
        if (!probe) fail(1, "%s: cannot be written (%s); choose another place", output, strerror(errno));
        fclose(probe);
        remove(part);
    }
    progress_begin();
    xxh64_begin(&hash);
    m.characters = resumes ? m.characters : 0;
    gather(&text, &b, SAMPLE);
    if (!resumes) {
        if (tokenizer) load_tokenizer(&m.tokens, tokenizer);
        else {
            int status = bpe_learn(&m.tokens, b.bytes, b.size, VOCAB - 257);
            if (status == 1) fail(1, "there is not enough memory for the tokenizer");
            if (status == 2)
                fail(1,
                     "the text is too small for a vocabulary of %d tokens, which a scout has: it gives %d; give more text, or --tokenizer",
                     VOCAB, 257 + m.tokens.merges);
            bpe_begin(&m.tokens);
        }
        m.tier = tier, m.memory = memory;
        size_t n = encode_lines(&m.tokens, &tokens, &room, b.bytes, b.size), V = (size_t)m.tokens.V, E = (size_t)scout_vector(tier);
        if (n < MIN_TOKENS) fail(1, "the text is too short: %zu tokens; a scout needs at least %d", n, MIN_TOKENS);
        make_arrays(&m, threads);
        double *work = malloc(scout_plant_work(V, E) * sizeof *work);
        if (!work) fail(1, "there is not enough memory for the tree");
        scout_plant((uint32_t *)m.s.code, (uint8_t *)m.s.length, (uint8_t *)m.s.flags, (float *)m.s.vectors, work, tokens,
                    m.tokens.bytes[0], m.tokens.length, V, E, n);
        free(work);
        scout_begin(&m.s);
    }
    signal(SIGINT, stop), signal(SIGTERM, stop);
    double saved = seconds(CLOCK_MONOTONIC);
    for (uint64_t passed = 0; b.size;) {
        // The sample is read as everything else: in chunks that end with a line.
        size_t at = 0;
        while (at < b.size) {
            size_t size = b.size - at < CHUNK ? b.size - at : CHUNK;
            const uint8_t *end = memchr(b.bytes + at + size - 1, '\n', b.size - at - size + 1);
            size = end ? (size_t)(end - b.bytes) + 1 - at : b.size - at;
            uint64_t characters = characters_of(b.bytes + at, size);
            xxh64_add(&hash, b.bytes + at, size);
            passed += characters;
            if (passed > skip && passed - characters < skip)
                fail(1, "%s: was made from another text; give the same files, or remove it to begin anew", part);
            if (passed > skip) {
                size_t n = encode_lines(&m.tokens, &tokens, &room, b.bytes + at, size);
                m.bits += read_tokens(&m, tokens, n, 1);
                m.read += n, m.characters = passed, m.hash = xxh64_end(&hash);
                progress_show("reading", passed, "characters", m.bits / (double)passed);
                if (stopped || seconds(CLOCK_MONOTONIC) - saved > save_after) {
                    save(&m, part, 0);
                    saved = seconds(CLOCK_MONOTONIC);
                }
            } else if (passed == skip && xxh64_end(&hash) >> 1 != skip_hash >> 1) {
                fail(1, "%s: was made from another text; give the same files, or remove it to begin anew", part);
            }
            if (stopped) {
                progress_end();
                fprintf(stderr, "stopped; the same command resumes\n");
                exit(128 + stopped);
            }
            at += size;
        }
        gather(&text, &b, CHUNK);
        if (!b.size && passed < skip) fail(1, "%s: was made from a longer text; give the same files, or remove it to begin anew", part);
    }
    double learned = seconds(CLOCK_PROCESS_CPUTIME_ID);
    progress_end();
    save(&m, output, 1);
    remove(part);
    FILE *file = fopen(output, "rb");
    long long bytes = 0;
    if (file) {
        fseeko(file, 0, SEEK_END);
        bytes = (long long)ftello(file);
        fclose(file);
    }
    printf(
        "%s: %lld bytes after one reading of %llu characters (%llu tokens) at %.4f bits per character; %.1f CPU seconds of learning, %.1f s in all\n",
        output, bytes, (unsigned long long)m.characters, (unsigned long long)m.read, m.bits / (double)m.characters, learned,
        seconds(CLOCK_MONOTONIC) - began);
    flush_output();
    return 0;
}

// ---- evaluate

static int evaluate(const char *path, const char *text_path, double chars, int frozen, int json, int threads) {
    static model m;
    load(&m, path, threads);
    double started = seconds(CLOCK_PROCESS_CPUTIME_ID), bits = 0;
    char *paths[] = {(char *)text_path};
    lines text = {paths, 1, 0, NULL, NULL, 0, 0};
    buffer b = {0};
    uint16_t *tokens = NULL;
    size_t room = 0;
    uint64_t read = 0, characters = 0;
    progress_begin();
    static const uint16_t line_feed = LINE_FEED;
    int waiting = 0;  // a line feed stands between lines, and none after the last one
    for (gather(&text, &b, CHUNK); b.size; gather(&text, &b, CHUNK)) {
        if (waiting) bits += read_tokens(&m, &line_feed, 1, !frozen), read++, characters++;
        waiting = b.bytes[b.size - 1] == '\n';
        size_t n = encode_lines(&m.tokens, &tokens, &room, b.bytes, b.size - (size_t)waiting);
        bits += read_tokens(&m, tokens, n, !frozen);
        read += n, characters += b.characters - (uint64_t)waiting;
        progress_show("scoring", read, "tokens", 0);
    }
    progress_end();
    double divisor = chars > 0 ? chars : (double)characters, cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - started;
    if (json) {
        printf("{\"bits_per_char\": %.17g, \"chars\": %.0f, \"tokens\": %llu, \"cpu_seconds\": %.2f}\n", bits / divisor, divisor,
               (unsigned long long)read, cpu);
    } else {
        printf("bits per character  %.4f%s\n", bits / divisor, frozen ? " (frozen)" : "");
        printf("characters          %.0f (runs of newlines counted as one)\n", divisor);
        printf("tokens              %llu\nCPU seconds         %.2f\n", (unsigned long long)read, cpu);
    }
    flush_output();
    return 0;
}

// ---- generate and chat: docs/numerics.md, "Sampling"

static uint32_t words[4];

static uint32_t turned(uint32_t x, int by) { return x << by | x >> (32 - by); }

static void seed_random(uint32_t seed) {
    for (int i = 0; i < 4; i++) {
        seed += 0x9E3779B9u;
        uint32_t z = (seed ^ seed >> 16) * 0x85EBCA6Bu;
        z = (z ^ z >> 13) * 0xC2B2AE35u;
        words[i] = z ^ z >> 16;
    }
}

static float uniform(void) {
    uint32_t result = turned(words[0] + words[3], 7) + words[0], t = words[1] << 9;
    words[2] ^= words[0], words[3] ^= words[1], words[1] ^= words[2], words[0] ^= words[3], words[2] ^= t, words[3] = turned(words[3], 11);
    return (float)(result >> 8) * (1 / 16777216.0f);
}

static float power(float x) {
    static const float coefficient[] = {0.00967151299f, 0.0555073358f, 0.240222424f, 0.693147004f};
    x = (x < 80 ? x : 80) > -80 ? (x < 80 ? x : 80) : -80;
    float t = x * 1.4426950408889634f, n = (float)(int32_t)(t + (t < 0 ? -0.5f : 0.5f));
    if (t - (float)(int32_t)t == 0.5f || t - (float)(int32_t)t == -0.5f) n = 2 * (float)(int32_t)(n / 2);  // halves to the even number
    t -= n;
    float p = t * 0.00132647273f;
    for (int i = 0; i < 4; i++) p = (p + coefficient[i]) * t;
    p += 1;
    uint32_t bits = (uint32_t)((int32_t)n + 127) << 23;
    float two;
    memcpy(&two, &bits, 4);
    return p * two;
}

static float logits[MAX_TOKENS];

static int by_logit(const void *a, const void *b) {
    int x = *(const int *)a, y = *(const int *)b;
    return logits[x] > logits[y] ? -1 : logits[x] < logits[y] ? 1 : x < y ? -1 : 1;
}

static int choose_token(model *m, float temperature) {
    static double probability[MAX_TOKENS];
    static int order[MAX_TOKENS];
    static float sums[MAX_TOKENS];
    int V = m->s.V, best = 0;
    scout_distribution_best(&m->s, probability);
    scout_logits(logits, probability, (size_t)V);
    for (int v = 0; v < V; v++) {
        order[v] = v;
        if (logits[v] > logits[best]) best = v;
    }
    if (temperature == 0) return best;
    qsort(order, (size_t)V, sizeof *order, by_logit);
    float sum = 0;
    for (int i = 0; i < V; i++) sums[i] = sum = sum + power((logits[order[i]] - logits[order[0]]) * (1 / temperature));
    float target = uniform() * sum;
    int i = 0;
    while (i < V - 1 && sums[i] <= target) i++;
    return order[i];
}

static void feed(model *m, const uint8_t *text, size_t size) {
    uint16_t *tokens = malloc((size + 1) * sizeof *tokens);
    ptrdiff_t n = tokens ? bpe_encode(&m->tokens, tokens, text, size) : -1;
    if (n < 0) fail(1, "there is not enough memory");
    read_tokens(m, tokens, (size_t)n, 0);
    free(tokens);
}

static int write_tokens(model *m, long n, float temperature, int to_line_end) {
    for (long i = 0; i < n; i++) {
        uint16_t token = (uint16_t)choose_token(m, temperature);
        read_tokens(m, &token, 1, 0);
        if (to_line_end && token == LINE_FEED && i > 0) return 1;
        if (to_line_end && token == LINE_FEED) continue;
        say(m->tokens.bytes[token], m->tokens.length[token]);
        flush_output();
    }
    return 0;
}

static int generate(const char *path, const char *prompt, long n, float temperature, uint32_t seed, int threads) {
    static model m;
    static const uint16_t line_feed = LINE_FEED;
    load(&m, path, threads);
    seed_random(seed);
    out.terminal = isatty(1);
    fputs(prompt, stdout);
    read_tokens(&m, &line_feed, 1, 0);
    feed(&m, (const uint8_t *)prompt, strlen(prompt));
    write_tokens(&m, n, temperature, 0);
    say_end();
    putchar('\n');
    flush_output();
    return 0;
}

static int chat(const char *path, long n, float temperature, uint32_t seed, int threads) {
    static model m;
    static char line[1 << 16];
    static const uint16_t line_feed = LINE_FEED;
    int terminal = isatty(0) && isatty(1);
    load(&m, path, threads);
    seed_random(seed);
    out.terminal = isatty(1);
    if (terminal) puts("Write a line, and the scout goes on; an empty line lets it write, Ctrl-D ends.");
    read_tokens(&m, &line_feed, 1, 0);
    for (;;) {
        if (terminal) fputs("> ", stdout);
        flush_output();
        if (!fgets(line, sizeof line, stdin)) break;
        size_t size = strcspn(line, "\r\n");
        feed(&m, (const uint8_t *)line, size);
        if (!write_tokens(&m, n, temperature, 1)) read_tokens(&m, &line_feed, 1, 0);
        say_end();
        putchar('\n');
    }
    if (terminal) putchar('\n');
    flush_output();
    return 0;
}

// ---- ask: _scout_ask.c

static void put_json(const char *text) {
    putchar('"');
    for (; *text; text++) {
        uint8_t c = (uint8_t)*text;
        if (c == '"' || c == '\\') printf("\\%c", c);
        else if (c < 32) printf("\\u%04x", c);
        else putchar(c);
    }
    putchar('"');
}

static void print_answer(const char *question, int found, const scout_answer *a, char *const *paths, int texts, int json) {
    const char *file = texts ? paths[a->file] : "";
    if (json) {
        printf("{\"question\": ");
        put_json(question);
        printf(", \"answer\": "), put_json(a->answer), printf(", \"quote\": "), put_json(a->quote), printf(", \"file\": "), put_json(file);
        printf(", \"document\": %lld, \"line\": %lld, \"gain\": %.2f, \"bits\": %.2f}\n", (long long)a->document, (long long)a->line,
               a->gain, a->bits);
    } else if (!found) {
        puts("No sentence of the text has a word of this question.");
    } else {
        say((const uint8_t *)a->answer, strlen(a->answer));
        say((const uint8_t *)"\n  ", 3), say((const uint8_t *)a->quote, strlen(a->quote)), say_end();
        printf("\n  ");
        if (texts) {
            say((const uint8_t *)file, strlen(file)), say_end();
            printf(", document %lld, line %lld\n", (long long)a->document, (long long)a->line);
        } else {
            printf("token %lld of what the scout read\n", (long long)a->line);
        }
    }
    flush_output();
}

// Answers questions that each end in a line feed.
static void answer_all(model *m, char *questions, char *const *paths, int texts, int json) {
    asking *a = ask_begin(m->tokens.merge[0], m->tokens.merges, questions);
    if (!a) fail(1, "there is not enough memory for the questions");
    progress_begin();
    for (int pass = 0; pass < 2; pass++) {
        lines text = {paths, texts, 0, NULL, NULL, 0, 0};
        uint64_t bytes = 0;
        int64_t document, line;
        while (next_line(&text)) {
            text_place(text.text, &document, &line);
            ask_line(a, pass, (const char *)text.line, text.size, text.next - 1, document, line);
            bytes += text.size;
            progress_show(pass ? "looking" : "counting words", bytes, "bytes", 0);
        }
        if (!texts) ask_memory(a, pass, &m->s);
    }
    progress_end();
    scout_answer answer;
    for (int i = 0; *questions; i++) {
        char *end = strchr(questions, '\n');
        *end = 0;
        int found = ask_answer(a, &m->s, i, &answer);
        if (found < 0) fail(1, "there is not enough memory to read the text again");
        print_answer(questions, found, &answer, paths, texts, json);
        questions = end + 1;
    }
    ask_end(a);
}

// Adds a question to those that wait, as it is asked: with its mark, and a line feed.
static void add_question(char *questions, size_t *size, int *waiting, const char *text) {
    size_t n = strlen(text), words = 0;
    while (n && strchr("\n\r ?", text[n - 1])) n--;
    while (n && *text == ' ') text++, n--;
    for (size_t i = 0; i < n; i++) words += text[i] == ' ';
    if (!n) return;
    if (n >= ASK_QUESTION) fail(1, "a question of %zu bytes is too long; %d are the most", n, ASK_QUESTION - 1);
    if (!words || memchr(text, '\n', n)) fail(1, "a question is one line of several words, such as: Who found the key?");
    memcpy(questions + *size, text, n);
    memcpy(questions + *size + n, "?\n", 3);
    *size += n + 2;
    ++*waiting;
}

static int ask(const char *path, char **asked, int count, char *const *paths, int texts, int json, int threads) {
    static model m;
    static char questions[ASK_MOST * (ASK_QUESTION + 4)], line[1 << 12];
    int terminal = isatty(0) && isatty(1) && !count, waiting = 0;
    size_t size = 0;
    for (int i = 0; i < texts; i++)
        if (strcmp(paths[i], "-") == 0) fail(2, "--text -: the text is read twice; give a file");
    load(&m, path, threads);
    ask_read = scout_read_best;
    out.terminal = isatty(1);
    if (terminal) puts("Ask who, what or where; Ctrl-D ends.");
    for (int i = 0; count == 0 || i < count; i++) {
        if (terminal) fputs("> ", stdout);
        flush_output();
        if (count == 0 && !fgets(line, sizeof line, stdin)) break;
        add_question(questions, &size, &waiting, count ? asked[i] : line);
        if (waiting < (terminal ? 1 : ASK_MOST)) continue;
        answer_all(&m, questions, paths, texts, json);
        waiting = 0, size = 0;
    }
    if (waiting) answer_all(&m, questions, paths, texts, json);
    if (terminal) putchar('\n');
    flush_output();
    return 0;
}

// ---- the command line

static double number_of(const char *option, const char *text, double low, double high, int whole) {
    size_t digits = strspn(text, "0123456789"), point = 0, all = strlen(text);
    if (!whole && text[digits] == '.') point = 1 + strspn(text + digits + 1, "0123456789");
    double value = all && digits + point == all && all > point / 2 && all < 20 && strcmp(text, ".") != 0 ? strtod(text, NULL) : -1;
    if (value < low || value > high) fail(2, "%s: '%s': give a %snumber from %g to %g", option, text, whole ? "whole " : "", low, high);
    return value;
}

static int64_t size_of(const char *text) {
    size_t digits = strspn(text, "0123456789");
    char unit = digits && digits < 7 ? text[digits] : 0;
    if ((unit != 'M' && unit != 'G') || text[digits + 1]) fail(2, "--memory: '%s': give a size like 256M or 1G", text);
    return (int64_t)strtol(text, NULL, 10) << (unit == 'M' ? 20 : 30);
}

int main(int argc, char **argv) {
    const char *command = argc > 1 ? argv[1] : "", *output = NULL, *tokenizer = NULL, *prompt = "", *tier_name = "normal";
    static const char *const commands[] = {"train", "evaluate", "generate", "chat", "ask"};
    char **paths = calloc((size_t)argc + 1, sizeof *paths);
    if (!paths) fail(1, "there is not enough memory");
    int which = 0, tier = 0, count = 0, texts = 0, frozen = 0, json = 0, threads = 2;
    int64_t memory = 1 << 30;
    double chars = 0, save_after = 120, temperature = 0.8, n = 200, seed = 1;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return fputs(USAGE, stdout) < 0 || fflush(stdout) != 0;
#ifdef _OPENMP
    // OpenMP's threads wait for each other by spinning, which on a shared machine burns the core that the awaited one needs. It reads
    // this when the program is loaded.
    if (!getenv("GOMP_SPINCOUNT")) {
        setenv("GOMP_SPINCOUNT", "1000", 1);
        execv("/proc/self/exe", argv);  // goes on here where it fails
    }
#endif
    while (which < 5 && strcmp(command, commands[which]) != 0) which++;
    if (which == 5) fail(2, "scout: give one of train, evaluate, generate, chat, ask; see --help");
    // Which commands take an option: a bit for each.
    static const struct {
        const char *name;
        int takes, of;
    } options[] = {{"-o", 1, 1},     {"--output", 1, 1}, {"--tier", 1, 1},  {"--memory", 1, 1}, {"--tokenizer", 1, 1},
                   {"--save", 1, 1}, {"--text", 1, 18},  {"--chars", 1, 2}, {"--frozen", 0, 2}, {"--json", 0, 18},
                   {"-p", 1, 4},     {"-n", 1, 12},      {"-t", 1, 12},     {"-s", 1, 12},      {"--threads", 1, 31}};
    for (int i = 2; i < argc; i++) {
        const char *word = argv[i];
        if (word[0] != '-' || word[1] == 0) {
            argv[2 + count++] = argv[i];  // never after i
            continue;
        }
        size_t o = 0;
        while (o < sizeof options / sizeof *options && (strcmp(options[o].name, word) != 0 || !(options[o].of >> which & 1))) o++;
        if (o == sizeof options / sizeof *options) fail(2, "scout %s: %s is not an option of it; see --help", command, word);
        if (options[o].takes && i + 1 == argc) fail(2, "scout %s: %s: a value is missing; see --help", command, word);
        const char *value = options[o].takes ? argv[++i] : NULL;
        if (strcmp(word, "-o") == 0 || strcmp(word, "--output") == 0) output = value;
        else if (strcmp(word, "--tier") == 0) tier_name = value;
        else if (strcmp(word, "--memory") == 0) memory = size_of(value);
        else if (strcmp(word, "--tokenizer") == 0) tokenizer = value;
        else if (strcmp(word, "--save") == 0) save_after = number_of(word, value, 0, 1e6, 0);
        else if (strcmp(word, "--text") == 0) paths[texts++] = argv[i];
        else if (strcmp(word, "--chars") == 0) chars = number_of(word, value, 1, 1e15, 1);
        else if (strcmp(word, "--frozen") == 0) frozen = 1;
        else if (strcmp(word, "--json") == 0) json = 1;
        else if (strcmp(word, "-p") == 0) prompt = value;
        else if (strcmp(word, "-n") == 0) n = number_of(word, value, 1, 1000000, 1);
        else if (strcmp(word, "-t") == 0) temperature = number_of(word, value, 0, 100, 0);
        else if (strcmp(word, "-s") == 0) seed = number_of(word, value, 0, 4294967295.0, 1);
        else threads = (int)number_of(word, value, 1, 64, 1);
    }
    while (tier < TIERS && strcmp(tier_name, scout_tier(tier)) != 0) tier++;
    if (tier == TIERS) fail(2, "--tier: '%s': choose fast, normal or deep", tier_name);
    if (temperature > 0 && temperature < 0.01) fail(2, "-t: give 0, or a number from 0.01 to 100");
    if (which == 0 && !count) fail(2, "scout train: give a text; see --help");
    if (which == 0 && !output) fail(2, "scout train: give -o FILE; see --help");
    if (which > 0 && (which == 4 ? count < 1 : count != 1)) fail(2, "scout %s: give one SCOUT, a file made by train; see --help", command);
    if (which == 1 && texts != 1) fail(2, "scout evaluate: give --text FILE; see --help");
    signal(SIGPIPE, SIG_DFL);
    if (which == 0) return train(argv + 2, count, output, tier, memory, tokenizer, threads, save_after);
    if (which == 1) return evaluate(argv[2], paths[0], chars, frozen, json, threads);
    if (which == 2) return generate(argv[2], prompt, (long)n, (float)temperature, (uint32_t)seed, threads);
    if (which == 4) return ask(argv[2], argv + 3, count - 1, paths, texts, json, threads);
    return chat(argv[2], (long)n, (float)temperature, (uint32_t)seed, threads);
}
