// The scout: a predictor of tokens that counts and mixes; no gradient ever passes through more than one layer. docs/scout.md
// explains it. The caller (fable6c/mixing/scout.py) gives all memory and checks all sizes.
//
// A token is found by walking down a binary tree whose leaves are the tokens; each inner node asks one yes-no question.
//   V        tokens, at most 4096           nodes    V - 1 inner nodes
//   D        depths of the tree, 18         K        kinds of context
//   code (V) u32     the answers from the root to the token, the first one in bit 31; length (V) u8 says how many
//   path (V,D) u16   the nodes where they are given
//   flags (V) u8     what a token looks like: the bits below
// What is learned:
//   tables           counts of answers in each context: one table for each kind, laid out by its form
//   maps (D,K,STATES) u32     what such counts, and the last answer where it is kept, mean: probability << 10 | how often asked (to map_limit)
//   mixers (…,I) f32          weights of a node's I inputs: the opinions of the K kinds as logits, a constant, the opinion of the
//                             vector, the K opinions as differences from 1/2, those of the gates, zeros up to a multiple of 8, the last
//                             of which counts. There are SETS sets, and which weights of a set speak is chosen by the node or by what
//                             stands before
//   finals (D,64,16) f32       weights of the sets' sums
//   sse (nodes,33) f32        correction of the final probability
//   vector_weights (rows,F) f32    for each node, one more opinion: a weighted sum of the F numbers of the text's vector. After these nodes
//                             follow the rows of the gates: weights for each upper node and each class of a token before
//   asked (rows) f32          how often such weights spoke
// What is remembered of the text:
//   ring u16         the last tokens               streams (STREAMS, PAST + BLOCK) u32   features of the last tokens
//   averages (4,E) f32        four averages of the tokens' vectors, each fading at its own speed
//   position i64     [0] tokens read; [1 + 2k], [2 + 2k] place and length of kind k's match
// Curves, as tables: stretch (4096) and squash (4097) f32, levels (4096) u8, steps (1024) f32: 1 / (n + 1.5).
// Scratch, for a block of tokens: states (BLOCK,D,K) u16, chance (BLOCK,D) f32, chosen (BLOCK,SETS + GATES) u32, hits (BLOCK,K) u8,
//   counts (BLOCK,K) u16, features (BLOCK,F) f32. The tree's maker gives a vector (V,E) f32 for each token; F = 8E + 8.
//
// Counting is exact; probabilities in maps are integers; mixing is f32 in a fixed order without fused operations. Each kind's
// table and each depth's maps and weights have one writer, so the number of threads changes no bit; nor does the size of blocks.

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif

#include "_scout.h"

// The streams, in the order of STREAMS in scout.py: a value for each token read.
enum {
    TOKEN,
    CLASS4,
    CLASS6,
    CLASS8,
    SENTENCE_FIRST,
    SENTENCE_PLACE,
    RARE,
    RARE_BEFORE,
    NAME,
    CONTENT,
    CONTENT_BEFORE,
    WORD,
    WORD_BEFORE,
    QUOTE
};
_Static_assert(QUOTE + 1 == STREAMS, "a stream without a number");
enum { LEVELS = 20, LINE = 16, ENTRIES = 16, MAX_KINDS = 64 };
enum { PAIRS = LEVELS * LEVELS };  // states of two counts, without the last answer
_Static_assert(STATES == 3 * PAIRS, "a state is two levels and the last answer: none, no, yes");

typedef float f8 __attribute__((vector_size(32)));

static inline int answer(uint32_t code, int depth) { return code >> (31 - depth) & 1; }

// The state of two counts: each by its level, exact when small, coarser as it grows (the curve `levels` (4096) u8).
static inline uint32_t level(const scout *s, uint32_t count) { return s->levels[count < 4096 ? count : 4095]; }

static inline uint16_t state_of(const scout *s, uint32_t zeros, uint32_t ones) {
    return (uint16_t)(level(s, zeros) * LEVELS + level(s, ones));
}

// From -most to most, whatever x is: written so that not even a NaN leads out of a curve.
static inline float limit(float x, float most) {
    x = x < most ? x : most;
    return x > -most ? x : -most;
}

static inline float squash(const scout *s, float x) {
    float place = (limit(x, 11.99f) + 12) * (2048 / 12.0f);
    int i = (int)place;
    return s->squash[i] + (s->squash[i + 1] - s->squash[i]) * (place - (float)i);
}

// ---- the features of the text

static uint32_t *stream_of(const scout *s, int stream) { return s->streams + (size_t)stream * (PAST + BLOCK) + PAST; }

// Fills the streams for a block of n tokens, each from the token and the values one place before.
static void fill_streams(const scout *s, const uint16_t *tokens, size_t n) {
    uint32_t *v[STREAMS];
    for (int x = 0; x < STREAMS; x++) v[x] = stream_of(s, x);
    for (ptrdiff_t b = 0; b < (ptrdiff_t)n; b++) {
        uint32_t token = tokens[b], code = s->code[token], flags = s->flags[token];
        int ends = (flags & (SENTENCE_END | NEWLINE)) != 0;
        int first = v[SENTENCE_PLACE][b - 1] == 0;  // the token is the first of a sentence
        int name = (flags & CAPITAL) && (flags & WORD_START) && !first;
        v[TOKEN][b] = token;
        v[CLASS4][b] = code >> 28;
        v[CLASS6][b] = code >> 26;
        v[CLASS8][b] = code >> 24;
        v[SENTENCE_FIRST][b] = ends ? 0 : first ? token : v[SENTENCE_FIRST][b - 1];
        v[SENTENCE_PLACE][b] = ends ? 0 : v[SENTENCE_PLACE][b - 1] < 30 ? v[SENTENCE_PLACE][b - 1] + 1 : 30;
        v[RARE][b] = flags & RARE_WORD ? token : v[RARE][b - 1];
        v[RARE_BEFORE][b] = flags & RARE_WORD ? v[RARE][b - 1] : v[RARE_BEFORE][b - 1];
        v[NAME][b] = name ? token : v[NAME][b - 1];
        v[CONTENT][b] = flags & CONTENT_WORD ? token : v[CONTENT][b - 1];
        v[CONTENT_BEFORE][b] = flags & CONTENT_WORD ? v[CONTENT][b - 1] : v[CONTENT_BEFORE][b - 1];
        v[WORD][b] = flags & WORD_PART ? v[WORD][b - 1] * 0x2F0B4C47u + token + 1 : token + 1;
        v[WORD_BEFORE][b] = flags & WORD_PART ? v[WORD_BEFORE][b - 1] : v[WORD][b - 1];
        v[QUOTE][b] = flags & NEWLINE ? 0 : v[QUOTE][b - 1] ^ ((flags & QUOTE_MARK) != 0);
    }
}

static inline uint64_t stir(uint64_t hash, uint64_t value) {
    hash = (hash ^ value) * 0x9E3779B97F4A7C15u;
    return hash ^ hash >> 29;
}

// The hash of a kind's context before the token b of the block.
static uint64_t context_of(const scout *s, const scout_kind *kind, size_t b) {
    uint64_t hash = 0x1234567;
    for (int part = 0; part < kind->parts; part++) {
        uint32_t value = stream_of(s, kind->stream[part])[(ptrdiff_t)b - kind->lag[part]];
        hash = stir(hash, value + 1 + ((uint64_t)part << 32));
    }
    hash *= 0xD6E8FEB86659FD93u;
    return hash ^ hash >> 32;
}

// ---- lines: a table is made of lines of LINE slots, a line a cache line

// Bit i says whether line[i] & mask is `wanted`.
static inline uint32_t line_find(const uint32_t *line, uint32_t mask, uint32_t wanted) {
#ifdef __AVX2__
    __m256i m = _mm256_set1_epi32((int)mask), w = _mm256_set1_epi32((int)wanted);
    __m256i low = _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_loadu_si256((const __m256i *)line), m), w);
    __m256i high = _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_loadu_si256((const __m256i *)line + 1), m), w);
    return (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(low)) | (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(high)) << 8;
#else
    uint32_t found = 0;
    for (int i = 0; i < LINE; i++) found |= (uint32_t)((line[i] & mask) == wanted) << i;
    return found;
#endif
}

// Makes the slot `at` the youngest of its line: those behind it move down.
static inline int newest(uint32_t *line, uint32_t at) {
    memmove(line + at, line + at + 1, (LINE - 1 - at) * sizeof *line);
    return LINE - 1;
}

// ---- dense: a table of (node, context), for contexts that many tokens follow
// A slot is ones << 22 | zeros << 12 | check. The nodes of GROUP depths of a context share a line, in which the slot with the smallest
// sum gives way, of those the oldest; the youngest slots are spared.

enum { GROUP = 3, MOST = 1023, OLD = 14 };

static uint32_t *dense_line(const scout *s, const scout_kind *kind, uint64_t context, uint32_t root, uint32_t *check) {
    uint64_t hash = (context + root) * 0x9E3779B97F4A7C15u;
    *check = hash >> 16 & 4095;
    return s->tables + kind->table + (hash >> 32) * (kind->slots / LINE) / 4294967296u * LINE;
}

// The slot of a node in its line, or -1. An empty slot, which is 0, may pass for one.
static inline int dense_find(const uint32_t *line, uint32_t check) {
    uint32_t found = line_find(line, 4095, check);
    return found ? __builtin_ctz(found) : -1;
}

static inline uint16_t dense_state(const scout *s, const uint32_t *line, int at) {
    return at < 0 ? 0 : state_of(s, line[at] >> 12 & MOST, line[at] >> 22);
}

static void dense_count(uint32_t *line, int at, uint32_t check, int y) {
    uint32_t zeros = 0, ones = 0;
    if (at >= 0) {
        zeros = line[at] >> 12 & MOST, ones = line[at] >> 22;
    } else {
        uint32_t least = -1u;
        for (int i = 0; i < OLD; i++) {
            uint32_t sum = ((line[i] >> 12 & MOST) + (line[i] >> 22)) << 4 | (uint32_t)i;
            least = sum < least ? sum : least;
        }
        at = newest(line, least & 15);
    }
    if (y) ones++;
    else zeros++;
    if (zeros > MOST || ones > MOST) zeros >>= 1, ones >>= 1;
    line[at] = ones << 22 | zeros << 12 | check;
}

static void dense_read(const scout *s, int k, const uint16_t *tokens, size_t n, int learn) {
    const scout_kind *kind = &s->kinds[k];
    enum { AHEAD = 7, KEPT = 8, GROUPS = DEPTHS / GROUP };  // the lines of the next tokens are on their way from memory
    uint32_t check[KEPT][GROUPS], *line[KEPT][GROUPS];
    for (size_t ahead = 0; ahead < n + AHEAD; ahead++) {
        if (ahead < n) {
            uint64_t context = context_of(s, kind, ahead);
            for (int d = 0; d < s->length[tokens[ahead]]; d += GROUP) {
                uint32_t **there = &line[ahead % KEPT][d / GROUP];
                *there = dense_line(s, kind, context, s->path[tokens[ahead] * DEPTHS + d], &check[ahead % KEPT][d / GROUP]);
                __builtin_prefetch(*there, 1);
            }
        }
        if (ahead < AHEAD) continue;
        size_t b = ahead - AHEAD;
        uint32_t token = tokens[b], code = s->code[token];
        for (int d = 0; d < s->length[token]; d++) {
            uint32_t *here = line[b % KEPT][d / GROUP], sign = (check[b % KEPT][d / GROUP] + s->path[token * DEPTHS + d]) & 4095;
            int at = dense_find(here, sign);
            s->states[(b * DEPTHS + d) * s->K + k] = dense_state(s, here, at);
            if (learn) dense_count(here, at, sign, answer(code, d));
        }
    }
}

// ---- list: a table of (context, next token), for contexts that few tokens follow
// A slot is check << 20 | token << 8 | count. All of a context's slots share one line, which it may share with other contexts; the
// check tells them apart.

typedef struct {
    uint32_t token[ENTRIES], count[ENTRIES];
    int n;
} entries;

static uint32_t *list_line(const scout *s, const scout_kind *kind, uint64_t context, uint32_t *check) {
    *check = context & 4095 ? context & 4095 : 1;
    return s->tables + kind->table + (context >> 32) * (kind->slots / LINE) / 4294967296u * LINE;
}

static inline void list_entries(entries *found, const uint32_t *line, uint32_t check) {
    found->n = 0;
    for (uint32_t in = line_find(line, 4095u << 20, check << 20); in; in &= in - 1) {
        uint32_t slot = line[__builtin_ctz(in)];
        found->token[found->n] = slot >> 8 & 4095;
        found->count[found->n++] = slot & 255;
    }
}

// Brings the slot `at` before all others of its context: the first one is the token that followed last.
static void list_front(uint32_t *line, uint32_t check, int at) {
    int first = __builtin_ctz(line_find(line, 4095u << 20, check << 20));
    uint32_t slot = line[first];
    line[first] = line[at];
    line[at] = slot;
}

static void list_count(uint32_t *line, uint32_t check, uint32_t token) {
    uint32_t in = line_find(line, ~255u, (check << 12 | token) << 8);
    if (in) {
        int i = __builtin_ctz(in);
        if ((line[i] & 255) == 255)
            for (int j = 0; j < LINE; j++)
                if (line[j] >> 20 == check) line[j] = (line[j] & ~255u) | ((line[j] & 255) + 1) / 2;
        line[i]++;
        list_front(line, check, i);
        return;
    }
    uint32_t first = -1u;
    for (int i = 0; i < LINE; i++) {
        uint32_t it = (line[i] & 255) << 4 | (uint32_t)i;
        first = it < first ? it : first;
    }
    int least = first & 15;
    // A newcomer displaces what was seen once; what was seen more often only loses one, so that it goes if it never returns.
    if ((line[least] & 255) > 1) {
        line[least]--;
    } else {
        least = newest(line, (uint32_t)least);
        line[least] = check << 20 | token << 8 | 1;
        list_front(line, check, least);
    }
}

// The states along the path of `token` in a context after which the entries were seen, the last one first.
static void entries_to_path(const scout *s, int k, size_t b, const entries *found, uint32_t token) {
    uint32_t code = s->code[token], with = 0, against[33] = {0};
    for (int i = 0; i < found->n; i++) {
        uint32_t differ = s->code[found->token[i]] ^ code;  // none for a token that a crafted table invents
        if (found->token[i] == token) with += found->count[i];
        else against[differ ? __builtin_clz(differ) : 32] += found->count[i];
    }
    uint32_t last = found->n ? s->code[found->token[0]] : 0, differ = last ^ code;
    int common = !found->n ? -1 : differ ? __builtin_clz(differ) : DEPTHS;
    uint16_t *states = s->states + b * DEPTHS * s->K + k;
    for (int d = s->length[token] - 1; d >= 0; d--) {
        uint32_t state = answer(code, d) ? state_of(s, against[d], with) : state_of(s, with, against[d]);
        states[(size_t)d * s->K] = (uint16_t)(state + (d <= common ? PAIRS * (1u + answer(last, d)) : 0));
        with += against[d];
    }
}

static void note_hits(const scout *s, int k, size_t b, const entries *found) {
    uint32_t total = 0;
    for (int i = 0; i < found->n; i++) total += found->count[i];
    s->hits[b * s->K + k] = (uint8_t)found->n;
    s->counts[b * s->K + k] = (uint16_t)total;
}

static void list_read(const scout *s, int k, const uint16_t *tokens, size_t n, int learn) {
    const scout_kind *kind = &s->kinds[k];
    enum { AHEAD = 12 };
    uint32_t *line[BLOCK], check[BLOCK];
    entries found;
    for (size_t b = 0; b < n; b++) line[b] = list_line(s, kind, context_of(s, kind, b), &check[b]);
    for (size_t b = 0; b < n; b++) {
        if (b + AHEAD < n) __builtin_prefetch(line[b + AHEAD], 1);
        list_entries(&found, line[b], check[b]);
        note_hits(s, k, b, &found);
        entries_to_path(s, k, b, &found, tokens[b]);
        if (learn) list_count(line[b], check[b], tokens[b]);
    }
}

// ---- recent: the tokens that followed the last token within the last `reach` tokens of the text
// The table is LINKS links to the same token's place before, by place modulo LINKS, then V last places; a place is stored + 1.

static void recent_entries(const scout *s, const scout_kind *kind, uint64_t position, entries *found) {
    found->n = 0;
    if (position == 0) return;
    const uint32_t *links = s->tables + kind->table;
    uint64_t reach = (uint64_t)kind->reach;
    for (uint32_t after = links[(position - 1) % LINKS]; after && position - after < reach; after = links[(after - 1) % LINKS]) {
        found->token[found->n] = s->ring[after & (s->ring_slots - 1)];
        found->count[found->n] = found->n ? 1 : 2;  // the newest one counts double
        if (++found->n == ENTRIES) return;
    }
}

static void recent_read(const scout *s, int k, const uint16_t *tokens, size_t n) {
    const scout_kind *kind = &s->kinds[k];
    uint32_t *links = s->tables + kind->table, *last = links + LINKS;
    uint64_t position = (uint64_t)s->position[0];
    entries found;
    for (size_t b = 0; b < n; b++, position++) {
        recent_entries(s, kind, position, &found);
        note_hits(s, k, b, &found);
        entries_to_path(s, k, b, &found, tokens[b]);
        links[position % LINKS] = last[tokens[b]];
        last[tokens[b]] = (uint32_t)(position + 1);
    }
}

// ---- window: the counts of the last `reach` tokens, at every node; the table is (nodes, 2)

static inline void window_add(const scout *s, uint32_t *table, uint32_t token, uint32_t amount) {
    for (int d = 0; d < s->length[token]; d++) table[2 * s->path[token * DEPTHS + d] + answer(s->code[token], d)] += amount;
}

static void window_read(const scout *s, int k, const uint16_t *tokens, size_t n) {
    const scout_kind *kind = &s->kinds[k];
    uint32_t *table = s->tables + kind->table;
    uint64_t position = (uint64_t)s->position[0];
    for (size_t b = 0; b < n; b++, position++) {
        for (int d = 0; d < s->length[tokens[b]]; d++) {
            const uint32_t *pair = table + 2 * s->path[tokens[b] * DEPTHS + d];
            s->states[(b * DEPTHS + d) * s->K + k] = state_of(s, pair[0], pair[1]);
        }
        window_add(s, table, tokens[b], 1);
        if (position >= (uint64_t)kind->reach) window_add(s, table, s->ring[(position - kind->reach) & (s->ring_slots - 1)], -1u);
    }
}

// ---- match: what followed the longest repetition, which is at least `reach` tokens long
// The table holds the place after the last occurrence of `reach` tokens, by their hash.

enum { LONGEST = 60 };

// A match's length in 20 classes; 0 is none.
static int match_class(int64_t length) {
    return length < 16 ? (int)length : length < 24 ? 16 : length < 32 ? 17 : length < LONGEST ? 18 : 19;
}

static inline uint16_t match_state(int class, int guess) { return class ? (uint16_t)(1 + class * 2 + guess) : 0; }

// Where the table keeps the place after the `reach` tokens before `position`.
static inline uint32_t *match_place(const scout *s, const scout_kind *kind, uint64_t position) {
    uint64_t hash = 0;
    for (int back = 1; back <= kind->reach; back++) hash = stir(hash, s->ring[(position - (uint64_t)back) & (s->ring_slots - 1)] + 1u);
    return s->tables + kind->table + (hash >> 32) * kind->slots / 4294967296u;
}

// Follows or finds the match after the token before `position` was read.
static void match_move(const scout *s, const scout_kind *kind, int64_t *match, uint64_t position) {
    const uint16_t *ring = s->ring;
    uint32_t wrap = s->ring_slots - 1;
    if (match[1] > 0 && ring[match[0] & wrap] == ring[(position - 1) & wrap]) {
        match[0]++;
        if (match[1] < LONGEST) match[1]++;
    } else {
        match[1] = 0;
    }
    if (position < (uint64_t)kind->reach) return;
    uint32_t *place = match_place(s, kind, position);
    uint64_t found = *place;
    if (!match[1] && found && position - found + LONGEST + BLOCK < s->ring_slots) {
        int64_t length = 0;
        while (length < LONGEST && (uint64_t)length < found && ring[(found - 1 - length) & wrap] == ring[(position - 1 - length) & wrap])
            length++;
        match[0] = (int64_t)found;
        match[1] = length >= kind->reach ? length : 0;
    }
    *place = (uint32_t)position;
}

static void match_read(const scout *s, int k, const uint16_t *tokens, size_t n) {
    const scout_kind *kind = &s->kinds[k];
    int64_t *match = s->position + 1 + 2 * k;
    uint64_t position = (uint64_t)s->position[0];
    for (size_t b = 0; b < n; b++) {
        int class = match_class(match[1]);
        uint32_t guess = class ? s->code[s->ring[match[0] & (s->ring_slots - 1)]] : 0, differ = guess ^ s->code[tokens[b]];
        int common = !class ? -1 : differ ? __builtin_clz(differ) : DEPTHS;
        s->hits[b * s->K + k] = (uint8_t)class;
        s->counts[b * s->K + k] = (uint16_t)match[1];
        for (int d = 0; d < s->length[tokens[b]]; d++)
            s->states[(b * DEPTHS + d) * s->K + k] = d <= common ? match_state(class, answer(guess, d)) : 0;
        match_move(s, kind, match, ++position);
    }
}

// ---- the text's vector: those of the last four tokens, four fading averages of all tokens, and a constant

static void move_averages(const scout *s, uint32_t token) {
    static const float keep[4] = {0.6f, 0.85f, 0.95f, 0.985f};
    for (int a = 0; a < 4; a++)
        for (int e = 0; e < s->E; e++) {
            float *average = s->averages + a * s->E + e;
            *average = keep[a] * *average + (1 - keep[a]) * s->vectors[token * s->E + e];
        }
}

// The vector before the token b of the block.
static void text_vector(const scout *s, size_t b, float *out) {
    static const float scale[4] = {1.4f, 2, 3, 4};  // an average is the smaller the more it averages
    int E = s->E;
    for (int lag = 1; lag <= 4; lag++) {
        int there = s->position[0] + (int64_t)b >= lag;
        uint32_t token = stream_of(s, TOKEN)[(ptrdiff_t)b - lag];
        for (int e = 0; e < E; e++) *out++ = there ? s->vectors[token * E + e] : 0;
    }
    for (int a = 0; a < 4; a++)
        for (int e = 0; e < E; e++) *out++ = s->averages[a * E + e] * scale[a];
    for (int i = 0; i < 8; i++) *out++ = i == 0;
}

static void vectors_read(const scout *s, const uint16_t *tokens, size_t n) {
    for (size_t b = 0; b < n; b++) {
        text_vector(s, b, s->features + b * s->F);
        move_averages(s, tokens[b]);
    }
}

// ---- a node: opinions in, one probability out

// Which weights speak before the token b of the block.
static void choose(const scout *s, size_t b, uint32_t *chosen) {
    const uint8_t *hits = s->hits + b * s->K;
    int match = s->match_kind < 0 ? 0 : hits[s->match_kind], step = 0;
    for (int i = 0; i < s->ladder_steps; i++)
        if (hits[s->ladder[i]]) step = i + 1;
    uint32_t followers = s->ladder_steps ? hits[s->ladder[s->ladder_steps / 2]] : 0;
    ptrdiff_t before = (ptrdiff_t)b - 1;
    chosen[0] = 0;  // the node's own, found there
    chosen[1] = (uint32_t)(step * 4 + (match == 0 ? 0 : match < 8 ? 1 : match < 16 ? 2 : 3));
    chosen[2] = stream_of(s, CLASS6)[before];
    chosen[3] = stream_of(s, CLASS4)[before] * 16 + stream_of(s, CLASS4)[before - 1];
    chosen[4] = stream_of(s, SENTENCE_PLACE)[before] * 2 + stream_of(s, QUOTE)[before];
    chosen[5] = (uint32_t)match * 16 + (followers > 15 ? 15 : followers);
    chosen[6] = stream_of(s, CLASS8)[before];
    chosen[7] = stream_of(s, CLASS6)[before - 1];
    chosen[8] = s->code[stream_of(s, SENTENCE_FIRST)[before]] >> 26;
    chosen[9] = s->code[stream_of(s, CONTENT)[before]] >> 24;
    for (int g = 0; g < s->gates; g++) {
        chosen[SETS + g] = 0;
        for (int part = 2 * g; part < 2 * g + 2; part++) {
            uint32_t token = stream_of(s, s->gate_stream[part])[before + 1 - s->gate_lag[part]];
            chosen[SETS + g] = chosen[SETS + g] << s->gate_bits[part] | (uint32_t)((uint64_t)s->code[token] << s->gate_bits[part] >> 32);
        }
    }
}

// For each set its sum, its chance and its rate, in whole vectors of eight.
enum { SET_LANES = (SETS + 7) / 8 * 8 };

typedef struct {
    _Alignas(32) float inputs[2 * MAX_KINDS + 16], sum[SET_LANES], chance[SET_LANES], rate[SET_LANES];
    uint32_t *map[MAX_KINDS];
    f8 *weights[SETS];
    f8 *vector_weights[1 + GATES];  // NULL: that gate does not speak here
    const f8 *features;
    float *asked[1 + GATES], vector_chance[1 + GATES], *final_weights, mixed, *correction, fraction;
} node_work;

// The sum of a[i] * b[i] over n f8, in one order.
static inline float dot(const f8 *a, const f8 *b, int n) {
    f8 even = a[0] * b[0], odd = {0};
    for (int i = 2; i < n; i += 2) even += a[i] * b[i];
    for (int i = 1; i < n; i += 2) odd += a[i] * b[i];
    f8 all = even + odd;
#ifdef __AVX2__
    __m128 half = _mm_add_ps(_mm256_castps256_ps128((__m256)all), _mm256_extractf128_ps((__m256)all, 1));
    half = _mm_hadd_ps(half, half);
    return _mm_cvtss_f32(_mm_hadd_ps(half, half));
#else
    return ((all[0] + all[4]) + (all[1] + all[5])) + ((all[2] + all[6]) + (all[3] + all[7]));
#endif
}

// Limits the sets' sums to 11, and makes each a chance: `limit` and `squash` of eight at a time.
static inline void squash_sums(const scout *s, float *sum, float *chance) {
#ifdef __AVX2__
    for (int m = 0; m < SETS; m += 8) {
        __m256 x = _mm256_max_ps(_mm256_min_ps(_mm256_load_ps(sum + m), _mm256_set1_ps(11)), _mm256_set1_ps(-11));
        __m256 place = _mm256_mul_ps(_mm256_add_ps(x, _mm256_set1_ps(12)), _mm256_set1_ps(2048 / 12.0f));
        __m256i i = _mm256_cvttps_epi32(place);
        __m256 low = _mm256_i32gather_ps(s->squash, i, 4), high = _mm256_i32gather_ps(s->squash + 1, i, 4);
        __m256 fraction = _mm256_sub_ps(place, _mm256_cvtepi32_ps(i));
        _mm256_store_ps(sum + m, x);
        _mm256_store_ps(chance + m, _mm256_add_ps(low, _mm256_mul_ps(_mm256_sub_ps(high, low), fraction)));
    }
#else
    for (int m = 0; m < SETS; m++) {
        sum[m] = limit(sum[m], 11);
        chance[m] = squash(s, sum[m]);
    }
#endif
}

// I8, F8 and K are s->I / 8, s->F / 8 and s->K: numbers where read_depth knows them, so that the compiler unrolls the loops.
#define INLINE static inline __attribute__((always_inline))
// All sets side by side, so that one waits for its weights while another is added up. Without AVX2 it would only make the program larger.
#ifdef __AVX2__
#define SIDE_BY_SIDE _Pragma("GCC unroll 10")
#else
#define SIDE_BY_SIDE
#endif

INLINE float node_predict(const scout *s, int depth, int node, const uint16_t *states, const uint32_t *chosen, const float *features,
                          node_work *w, int K, int I8, int F8) {
    uint32_t *maps = s->maps + (size_t)depth * s->K * STATES;
    for (int k = 0; k < K; k++) {
        w->map[k] = maps + k * STATES + states[k];
        uint32_t p = *w->map[k] >> 20;
        w->inputs[k] = s->stretch[p];
        w->inputs[K + 2 + k] = (float)((int32_t)p - 2048) * (1 / 1024.0f);
    }
    w->inputs[K] = 0.3f;
    w->features = (const f8 *)features;
    for (int i = 2 * K + 2; i < 8 * I8; i++) w->inputs[i] = 0;
    for (int g = 0; g <= s->gates; g++) {
        // The first opinion of the vector is the node's own; a gate has weights for the node and what is chosen there.
        size_t row =
            g == 0 ? (size_t)node
                   : s->gate_row[g - 1] + ((size_t)node << (s->gate_bits[2 * g - 2] + s->gate_bits[2 * g - 1])) + chosen[SETS + g - 1];
        w->vector_weights[g] = NULL;
        if (g > 0 && depth >= s->gate_depth[g - 1]) continue;
        w->vector_weights[g] = (f8 *)(s->vector_weights + row * (size_t)s->F);
        w->asked[g] = s->asked + row;
        float sum = limit(dot(w->vector_weights[g], w->features, F8), 11);
        w->inputs[g == 0 ? K + 1 : 2 * K + 1 + g] = sum;
        w->vector_chance[g] = squash(s, sum);
    }
    const f8 *x = (const f8 *)w->inputs;
    float *set = s->mixers, total = 0;
    w->final_weights = s->finals + ((size_t)depth * 64 + chosen[1]) * FINALS;
    for (int m = 0; m < SETS; m++) {
        size_t which = m == 0 ? (size_t)node : (size_t)depth * s->set_size[m] + chosen[m];
        w->weights[m] = (f8 *)(set + which * (size_t)(8 * I8));
        set += (size_t)(m == 0 ? s->nodes : DEPTHS * s->set_size[m]) * s->I;
    }
    SIDE_BY_SIDE
    for (int m = 0; m < SETS; m++) w->sum[m] = dot(w->weights[m], x, I8);
    squash_sums(s, w->sum, w->chance);
    for (int m = 0; m < SETS; m++) total += w->final_weights[m] * w->sum[m];
    w->mixed = squash(s, total);
    float place = (limit(total, 11.9f) + 12) * (4 / 3.0f);
    int bin = (int)place;
    w->fraction = place - (float)bin;
    w->correction = s->sse + (size_t)node * SSE + bin;
    float corrected = w->correction[0] + (w->correction[1] - w->correction[0]) * w->fraction, p = (w->mixed + corrected) * 0.5f;
    return p < 1 / 65536.0f ? 1 / 65536.0f : p > 1 - 1 / 65536.0f ? 1 - 1 / 65536.0f : p;
}

// Every part learns by itself from its own error.
INLINE void node_learn(const scout *s, node_work *w, int y, int K, int I8, int F8) {
    float target = (float)y, error = (target - w->mixed) * s->final_rate;
    for (int m = 0; m < SETS; m++) w->final_weights[m] += error * w->sum[m];
    const f8 *x = (const f8 *)w->inputs;
    for (int m = 0; m < SETS; m++) {
        float *times = (float *)w->weights[m] + 8 * I8 - 1;  // how often they spoke: behind the weights, of no input
        w->rate[m] = s->rate_end + s->rate / (1 + *times / s->rate_times);
        *times += 1;
    }
    SIDE_BY_SIDE
    for (int m = 0; m < SETS; m++) {
        float e = (target - w->chance[m]) * w->rate[m];
        f8 step = {e, e, e, e, e, e, e, e};
        for (int i = 0; i < I8; i++) w->weights[m][i] += step * x[i];
    }
    for (int k = 0; k < K; k++) {
        int32_t asked = (int32_t)(*w->map[k] & 1023), p = (int32_t)(*w->map[k] >> 10);
        p += (int32_t)((float)((y ? (1 << 22) - 1 : 0) - p) * s->steps[asked]);
        *w->map[k] = (uint32_t)p << 10 | (uint32_t)(asked + (asked < s->map_limit));
    }
    for (int g = 0; g <= s->gates; g++) {
        f8 *weights = w->vector_weights[g];
        if (!weights) continue;
        float e = (target - w->vector_chance[g]) * (s->vector_rate_end + s->vector_rate / (1 + *w->asked[g] / s->vector_times));
        f8 step = {e, e, e, e, e, e, e, e};
        for (int i = 0; i < F8; i++) weights[i] += step * w->features[i];
        *w->asked[g] += 1;
    }
    w->correction[0] += (target - w->correction[0]) * s->sse_rate * (1 - w->fraction);
    w->correction[1] += (target - w->correction[1]) * s->sse_rate * w->fraction;
}

// Asks for the weights of a node that is soon to come.
static void node_prefetch(const scout *s, int depth, size_t node, const uint32_t *chosen) {
    const float *set = s->mixers, *vector = s->vector_weights + node * (size_t)s->F;
    for (int m = 0; m < SETS; m++) {
        const float *row = set + (m == 0 ? node : (size_t)depth * s->set_size[m] + chosen[m]) * s->I;
        set += (size_t)(m == 0 ? s->nodes : DEPTHS * s->set_size[m]) * s->I;
        __builtin_prefetch(row);
        __builtin_prefetch(row + 16);
    }
    for (int i = 0; i < 4; i++) __builtin_prefetch(vector + 16 * i);
}

INLINE void read_nodes(const scout *s, int depth, const uint16_t *tokens, size_t n, int learn, int K, int I8, int F8) {
    enum { AHEAD = 2 };
    node_work work = {0};
    for (size_t b = 0; b < n; b++) {
        size_t ahead = b + AHEAD < n ? b + AHEAD : n - 1;
        uint32_t token = tokens[b], soon = tokens[ahead];
        if (s->length[soon] > depth) node_prefetch(s, depth, s->path[soon * DEPTHS + depth], s->chosen + ahead * (SETS + GATES));
        if (s->length[token] <= depth) continue;
        int y = answer(s->code[token], depth);
        size_t at = b * DEPTHS + depth;
        float p = node_predict(s, depth, s->path[token * DEPTHS + depth], s->states + at * s->K, s->chosen + b * (SETS + GATES),
                               s->features + b * s->F, &work, K, I8, F8);
        s->chance[at] = y ? p : 1 - p;
        if (learn) node_learn(s, &work, y, K, I8, F8);
    }
}

static void read_depth(const scout *s, int depth, const uint16_t *tokens, size_t n, int learn) {
    int K = s->K, I8 = s->I / 8, F8 = s->F / 8;
    if (K == 9 && I8 == 3 && F8 == 17) read_nodes(s, depth, tokens, n, learn, 9, 3, 17);  // fast
    else if (K == 15 && I8 == 5 && F8 == 33) read_nodes(s, depth, tokens, n, learn, 15, 5, 33);  // normal
    else if (K == 48 && I8 == 13 && F8 == 129) read_nodes(s, depth, tokens, n, learn, 48, 13, 129);  // deep
    else read_nodes(s, depth, tokens, n, learn, K, I8, F8);
}

// ---- reading, and the whole distribution

static void read_kind(const scout *s, int k, const uint16_t *tokens, size_t n, int learn) {
    switch (s->kinds[k].form) {
        case DENSE: dense_read(s, k, tokens, n, learn); break;
        case LIST: list_read(s, k, tokens, n, learn); break;
        case MATCH: match_read(s, k, tokens, n); break;
        case WINDOW: window_read(s, k, tokens, n); break;
        default: recent_read(s, k, tokens, n);
    }
}

// tokens (n); out: probability (n), that of each token given all before; confidence (n,4), see Scout.probabilities_of.
// With learn = 0 nothing that was learned changes; the memory of the text itself (ring, matches, windows) moves on.
void scout_read(const scout *s, const uint16_t *tokens, double *probability, int32_t *confidence, int learn, size_t N) {
    while (N > 0) {
        size_t block = N < BLOCK ? N : BLOCK;
        fill_streams(s, tokens, block);
        for (size_t b = 0; b < block; b++) s->ring[(size_t)(s->position[0] + (int64_t)b) & (s->ring_slots - 1)] = tokens[b];
#pragma omp parallel num_threads(s->threads) if (block == BLOCK)
        {
#pragma omp for schedule(dynamic, 1)
            for (int k = -1; k < s->K; k++) {
                if (k < 0) vectors_read(s, tokens, block);
                else read_kind(s, k, tokens, block, learn);
            }
#pragma omp for
            for (size_t b = 0; b < block; b++) choose(s, b, s->chosen + b * (SETS + GATES));
#pragma omp for schedule(dynamic, 1)
            for (int depth = 0; depth < DEPTHS; depth++) read_depth(s, depth, tokens, block, learn);
        }
        for (size_t b = 0; b < block; b++) {
            double product = 1;
            for (int d = 0; d < s->length[tokens[b]]; d++) product *= (double)s->chance[b * DEPTHS + d];
            probability[b] = product;
            int32_t *c = confidence + 4 * b;
            c[0] = c[1] = c[2] = 0;
            for (int i = 0; i < s->ladder_steps; i++) {
                size_t at = b * s->K + s->ladder[i];
                if (s->hits[at]) c[0] = i + 1, c[1] = s->counts[at], c[2] = s->hits[at];
            }
            c[3] = s->match_kind < 0 ? 0 : s->counts[b * s->K + s->match_kind];
        }
        for (int x = 0; x < STREAMS; x++) {
            uint32_t *values = s->streams + (size_t)x * (PAST + BLOCK);
            memmove(values, values + block, PAST * sizeof *values);
        }
        s->position[0] += (int64_t)block;
        tokens += block, probability += block, confidence += 4 * block, N -= block;
    }
}

// ---- reading what is then forgotten

// Copies what frozen reading of N tokens changes to `kept`, or back. The ring must hold these tokens, behind what it keeps.
static uint8_t *move_memory(const scout *s, size_t N, uint8_t *kept, int back) {
    struct {
        void *part;
        size_t size;
    } parts[] = {{s->position, (1 + 2 * (size_t)s->K) * sizeof *s->position},
                 {s->streams, (size_t)STREAMS * (PAST + BLOCK) * sizeof *s->streams},
                 {s->averages, 4 * (size_t)s->E * sizeof *s->averages}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++, kept += parts[i - 1].size)
        memcpy(back ? parts[i].part : kept, back ? kept : parts[i].part, parts[i].size);
    for (int k = 0; k < s->K; k++) {
        const scout_kind *kind = &s->kinds[k];
        uint32_t *table = s->tables + kind->table;
        size_t size = kind->form == WINDOW || kind->form == RECENT ? kind->slots * sizeof *table : 0;
        memcpy(back ? (uint8_t *)table : kept, back ? kept : (uint8_t *)table, size);
        kept += size;
        for (size_t i = 1; kind->form == MATCH && i <= N; i++, kept += sizeof *table) {
            uint64_t position = (uint64_t)s->position[0] + i;
            if (position < (uint64_t)kind->reach) continue;
            uint32_t *place = match_place(s, kind, position);
            memcpy(back ? (uint8_t *)place : kept, back ? kept : (uint8_t *)place, sizeof *place);
        }
    }
    return kept;
}

// Bytes that scout_keep needs for at most N tokens.
size_t scout_keep_size(const scout *s, size_t N) {
    size_t size = (1 + 2 * (size_t)s->K) * sizeof *s->position + (size_t)STREAMS * (PAST + BLOCK) * sizeof *s->streams +
                  4 * (size_t)s->E * sizeof *s->averages + N * sizeof *s->ring;
    for (int k = 0; k < s->K; k++)
        size += (s->kinds[k].form == MATCH ? N : s->kinds[k].form >= WINDOW ? s->kinds[k].slots : 0) * sizeof *s->tables;
    return size;
}

// Before N tokens are read with learn = 0, in one call or several: `kept` is what scout_forget needs to forget them without a trace.
void scout_keep(const scout *s, const uint16_t *tokens, size_t N, uint8_t *kept) {
    for (size_t i = 0; i < N; i++) {
        uint16_t *place = s->ring + ((size_t)(s->position[0] + (int64_t)i) & (s->ring_slots - 1));
        memcpy(kept + i * sizeof *place, place, sizeof *place);
        *place = tokens[i];
    }
    move_memory(s, N, kept + N * sizeof *s->ring, 0);
}

void scout_forget(const scout *s, size_t N, const uint8_t *kept) {
    move_memory(s, N, (uint8_t *)kept + N * sizeof *s->ring, 1);
    for (size_t i = 0; i < N; i++)
        memcpy(s->ring + ((size_t)(s->position[0] + (int64_t)i) & (s->ring_slots - 1)), kept + i * sizeof *s->ring, sizeof *s->ring);
}

// The states of all nodes: states (nodes,K) here. Only entries' paths are walked: elsewhere nothing was seen, state 0.
static void entries_to_nodes(const scout *s, int k, const entries *found) {
    for (int node = 0; node < s->nodes; node++) s->states[(size_t)node * s->K + k] = 0;
    for (int i = 0; i < found->n; i++) {
        uint32_t code = s->code[found->token[i]];
        for (int d = 0; d < s->length[found->token[i]]; d++) {
            uint32_t pair[2] = {0, 0};
            for (int j = 0; j < found->n; j++) {
                uint32_t differ = s->code[found->token[j]] ^ code;
                if (!differ || __builtin_clz(differ) >= d) pair[answer(s->code[found->token[j]], d)] += found->count[j];
            }
            uint32_t last = s->code[found->token[0]], away = last ^ code, state = state_of(s, pair[0], pair[1]);
            if (!away || __builtin_clz(away) >= d) state += PAIRS * (1u + answer(last, d));
            s->states[(size_t)s->path[found->token[i] * DEPTHS + d] * s->K + k] = (uint16_t)state;
        }
    }
    note_hits(s, k, 0, found);
}

static void kind_to_nodes(const scout *s, int k) {
    const scout_kind *kind = &s->kinds[k];
    uint64_t context = context_of(s, kind, 0);
    const int64_t *match = s->position + 1 + 2 * k;
    uint32_t check = 0, *line = NULL;
    entries found;
    switch (kind->form) {
        case DENSE:
            for (uint32_t token = 0; token < (uint32_t)s->V; token++) {
                const uint16_t *path = s->path + token * DEPTHS;
                for (int d = 0; d < s->length[token]; d++) {
                    if (d % GROUP == 0) line = dense_line(s, kind, context, path[d], &check);
                    s->states[(size_t)path[d] * s->K + k] = dense_state(s, line, dense_find(line, (check + path[d]) & 4095));
                }
            }
            break;
        case LIST:
            line = list_line(s, kind, context, &check);
            list_entries(&found, line, check);
            entries_to_nodes(s, k, &found);
            break;
        case MATCH: {
            int class = match_class(match[1]);
            uint32_t token = s->ring[match[0] & (s->ring_slots - 1)];
            for (int node = 0; node < s->nodes; node++) s->states[(size_t)node * s->K + k] = 0;
            for (int d = 0; class && d < s->length[token]; d++)
                s->states[(size_t)s->path[token * DEPTHS + d] * s->K + k] = match_state(class, answer(s->code[token], d));
            s->hits[k] = (uint8_t)class;
            break;
        }
        case WINDOW:
            for (int node = 0; node < s->nodes; node++) {
                const uint32_t *pair = s->tables + kind->table + 2 * node;
                s->states[(size_t)node * s->K + k] = state_of(s, pair[0], pair[1]);
            }
            break;
        default: recent_entries(s, kind, (uint64_t)s->position[0], &found); entries_to_nodes(s, k, &found);
    }
}

// out: probability (V), that of each token to be the next one; nothing changes but scratch.
void scout_distribution(const scout *s, double *probability) {
#pragma omp parallel for num_threads(s->threads) schedule(dynamic, 1)
    for (int k = 0; k < s->K; k++) kind_to_nodes(s, k);
    choose(s, 0, s->chosen);
    text_vector(s, 0, s->features);
    node_work work = {0};
    for (int node = 0; node < s->nodes; node++) s->chance[node] = -1;
    for (uint32_t token = 0; token < (uint32_t)s->V; token++) {
        double product = 1;
        for (int d = 0; d < s->length[token]; d++) {
            int node = s->path[token * DEPTHS + d];
            if (s->chance[node] < 0)
                s->chance[node] =
                    node_predict(s, d, node, s->states + (size_t)node * s->K, s->chosen, s->features, &work, s->K, s->I / 8, s->F / 8);
            product *= (double)(answer(s->code[token], d) ? s->chance[node] : 1 - s->chance[node]);
        }
        probability[token] = product;
    }
}
