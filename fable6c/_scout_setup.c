// What a scout begins with: the kinds of context that it looks at, the sizes of its arrays, its curves, and what it believes before it
// has read anything. Python (fable6c/mixing/scout.py) and the C program (scout/) call this, so that both hold the same scout.
//
// Only + - * / of f64 are used, so the curves have the same bits everywhere.

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "_scout.h"

// What the scout looks at, the best of it first; a tier reads on to its line. Each line: the form, its share of the memory for tables,
// then the parts of the context as stream.tokens-back; or the reach. The lists of the last 3, 4, … tokens and the match also choose
// the mixers' weights.
static const char KINDS[] = "dense 1\n"
                            "dense 3 token.1\n"
                            "dense 6 token.1 token.2\n"
                            "list 4 token.1 token.2 token.3\n"
                            "list 4 token.1 token.2 token.3 token.4\n"
                            "list 4 token.1 token.2 token.3 token.4 token.5\n"
                            "list 4 token.1 token.2 token.3 token.4 token.5 token.6\n"
                            "match 1 7\n"
                            "window 300\n"
                            "fast\n"
                            "dense 3 token.2\n"
                            "dense 6 class6.1 class6.2 class6.3\n"
                            "list 4 token.2 token.3\n"
                            "list 4 token.1 token.3\n"
                            "dense 6 rare.1 token.1\n"
                            "dense 3 class8.1 class6.2\n"
                            "normal\n"
                            "list 4 token.2 token.3 token.4\n"
                            "list 4 token.1 token.2 token.4\n"
                            "dense 4 token.1 class6.2\n"
                            "list 4 token.1 class6.2 class6.3 class4.4\n"
                            "list 4 token.1 token.2 class6.3 class6.4\n"
                            "list 4 class6.1 class6.2 class6.3 class6.4\n"
                            "list 4 name.1 token.1 token.2\n"
                            "list 3 sentence_first.1 token.1\n"
                            "dense 3 sentence_place.1 sentence_first.1\n"
                            "list 4 word.1 word_before.1\n"
                            "list 4 content.1 content_before.1 token.1\n"
                            "dense 4 content.1 class6.1\n"
                            "window 60\n"
                            "dense 4 rare.1 class6.1\n"
                            "list 4 rare.1 rare_before.1 token.1\n"
                            "recent 500\n"
                            "dense 3 token.3\n"
                            "dense 4 class8.1 class8.2\n"
                            "list 4 token.1 token.2 token.3 class6.4\n"
                            "list 4 token.1 token.3 token.4\n"
                            "list 4 class8.1 class8.2 class8.3\n"
                            "list 4 class8.1 class8.2 class8.3 class8.4\n"
                            "dense 4 class4.1 class4.2 class4.3 class4.4\n"
                            "list 4 sentence_first.1 token.1 token.2\n"
                            "dense 3 sentence_first.1 class6.1\n"
                            "window 30\n"
                            "window 1000\n"
                            "dense 3 name.1 class6.1\n"
                            "list 4 content.1 token.1 token.2\n"
                            "dense 3 token.4\n"
                            "match 1 4\n"
                            "dense 3 token.1 sentence_place.1\n"
                            "list 4 token.1 name.1 sentence_first.1\n"
                            "deep\n";

static const char *const TIER_NAMES[TIERS] = {"fast", "normal", "deep"};
static const int32_t VECTORS[TIERS] = {16, 32, 128};  // numbers of a token's vector
// Gates: at nodes above a depth, the vector's weights are chosen by the classes of two tokens before (the first answers of each).
static const struct {
    struct {
        const char *stream;
        int32_t lag, answers;
    } part[2];
    int32_t depth;
} GATE_LIST[GATES] = {
    {{{"token", 1, 6}, {"token", 1, 0}}, 7},
    {{{"token", 1, 3}, {"token", 2, 3}}, 7},
    {{{"sentence_first", 1, 4}, {"token", 1, 0}}, 8},
    {{{"content", 1, 4}, {"token", 1, 0}}, 8},
};
static const int32_t GATE_COUNTS[TIERS] = {0, 1, 4};
static const char *const FORM_NAMES[] = {"dense", "list", "match", "window", "recent"};
static const char *const STREAM_NAMES[STREAMS] = {"token",          "class4", "class6",      "class8", "sentence_first",
                                                  "sentence_place", "rare",   "rare_before", "name",   "content",
                                                  "content_before", "word",   "word_before", "quote"};

const char *scout_tier(int tier) { return tier >= 0 && tier < TIERS ? TIER_NAMES[tier] : NULL; }
int scout_vector(int tier) { return VECTORS[tier]; }

static int next_word(const char **at, char *word) {
    while (**at == ' ') (*at)++;
    int n = 0;
    while (**at && **at != ' ' && **at != '\n' && **at != '.') word[n++] = *(*at)++;
    word[n] = 0;
    return n;
}

static int32_t place_of(const char *const *names, int n, const char *word) {
    int i = 0;
    while (i < n && strcmp(names[i], word) != 0) i++;
    return i;
}

static uint32_t number(const char *word) {
    uint32_t value = 0;
    while (*word) value = value * 10 + (uint32_t)(*word++ - '0');
    return value;
}

// Reads KINDS on to the tier's line. share (K): of the memory for tables. Returns K.
static int read_kinds(scout_kind *kinds, uint32_t *share, int tier) {
    int K = 0;
    char word[32];
    for (const char *at = KINDS; *at; at++) {  // steps over the line's end
        next_word(&at, word);
        int32_t form = place_of(FORM_NAMES, 5, word);
        if (form == 5) {  // a tier's name
            if (strcmp(word, TIER_NAMES[tier]) == 0) break;
            continue;
        }
        scout_kind *kind = &kinds[K];
        memset(kind, 0, sizeof *kind);
        kind->form = form;
        share[K] = 0;
        if (form != WINDOW && form != RECENT) next_word(&at, word), share[K] = number(word);
        if (form != DENSE && form != LIST) {
            next_word(&at, word);
            kind->reach = (int32_t)number(word);
        }
        while (next_word(&at, word)) {
            kind->stream[kind->parts] = place_of(STREAM_NAMES, STREAMS, word);
            at++;  // the point
            next_word(&at, word);
            kind->lag[kind->parts++] = (int32_t)number(word);
        }
        K++;
    }
    return K;
}

static int is_ladder(const scout_kind *kind) {
    int ladder = kind->form == LIST && kind->parts >= 3;
    for (int i = 0; i < kind->parts; i++) ladder &= kind->stream[i] == 0 && kind->lag[i] == i + 1;
    return ladder;
}

static size_t rounded(size_t n, size_t to) { return (n + to - 1) / to * to; }

// The arrays: bytes of a number, place in the struct.
static const struct {
    uint8_t width;
    size_t place;
} ARRAYS[SCOUT_ARRAYS] = {
#define ARRAY(name, field) [name] = {sizeof *((scout *)0)->field, offsetof(scout, field)}
    ARRAY(CODE, code),
    ARRAY(LENGTH, length),
    ARRAY(PATH, path),
    ARRAY(FLAGS, flags),
    ARRAY(STRETCH, stretch),
    ARRAY(SQUASH, squash),
    ARRAY(LEVEL_CURVE, levels),
    ARRAY(STEPS, steps),
    ARRAY(TOKEN_VECTORS, vectors),
    ARRAY(TABLES, tables),
    ARRAY(MAPS, maps),
    ARRAY(MIXERS, mixers),
    ARRAY(FINAL_WEIGHTS, finals),
    ARRAY(CORRECTIONS, sse),
    ARRAY(VECTOR_WEIGHTS, vector_weights),
    ARRAY(ASKED, asked),
    ARRAY(AVERAGES, averages),
    ARRAY(RING_TOKENS, ring),
    ARRAY(STREAM_VALUES, streams),
    ARRAY(POSITION, position),
    ARRAY(NODE_STATES, states),
    ARRAY(CHANCE, chance),
    ARRAY(CHOSEN, chosen),
    ARRAY(FEATURES, features),
    ARRAY(HITS, hits),
    ARRAY(COUNTS, counts),
#undef ARRAY
};

// The array `a` of the struct, the bytes of its numbers; and puts one there.
void *scout_array(const scout *s, int a) {
    void *array;
    memcpy(&array, (const char *)s + ARRAYS[a].place, sizeof array);
    return array;
}
int scout_width(int a) { return ARRAYS[a].width; }
void scout_put(scout *s, int a, void *array) { memcpy((char *)s + ARRAYS[a].place, &array, sizeof array); }

// Fills the numbers of s and its kinds (64), and elements (SCOUT_ARRAYS): how many numbers each array of the struct has, in its order.
// Returns 0, or how many bytes of memory the tier needs where these are too few for anything useful.
int64_t scout_plan(scout *s, scout_kind *kinds, uint64_t *elements, int tier, int32_t V, int64_t memory) {
    uint32_t share[64];
    memset(s, 0, sizeof *s);
    int K = read_kinds(kinds, share, tier), E = VECTORS[tier];
    s->kinds = kinds;
    s->V = V, s->K = K, s->E = E, s->nodes = V - 1, s->F = 8 * E + 8, s->I = (int32_t)rounded((size_t)(2 * K + 3 + GATE_COUNTS[tier]), 8);
    s->match_kind = -1;
    for (int k = K - 1; k >= 0; k--)
        if (kinds[k].form == MATCH) s->match_kind = k;
    for (int k = 0; k < K; k++)
        if (is_ladder(&kinds[k]) && s->ladder_steps < 8) s->ladder[s->ladder_steps++] = k;
    const int32_t sets[SETS] = {V - 1, 64, 64, 256, 64, 320, 256, 64, 64, 256};
    size_t weights = (size_t)sets[0];
    memcpy(s->set_size, sets, sizeof sets);
    for (int m = 1; m < SETS; m++) weights += (size_t)DEPTHS * (size_t)sets[m];
    s->rate = 0.02f, s->rate_end = 0.001f, s->rate_times = 1000;  // of the mixers: at first more, in the long run, answers to half of it
    s->final_rate = 0.0003f, s->sse_rate = 0.01f;
    s->vector_rate = 0.05f, s->vector_rate_end = 0.002f, s->vector_times = 1000;
    s->map_limit = 1000;
    s->ring_slots = RING;

    size_t rows = (size_t)s->nodes;
    s->gates = GATE_COUNTS[tier];
    for (int g = 0; g < s->gates; g++) {
        size_t upper = ((size_t)1 << GATE_LIST[g].depth) - 1;
        int32_t bits = 0;
        for (int part = 0; part < 2; part++) {
            s->gate_stream[2 * g + part] = place_of(STREAM_NAMES, STREAMS, GATE_LIST[g].part[part].stream);
            s->gate_lag[2 * g + part] = GATE_LIST[g].part[part].lag;
            bits += s->gate_bits[2 * g + part] = GATE_LIST[g].part[part].answers;
        }
        s->gate_depth[g] = GATE_LIST[g].depth;
        s->gate_row[g] = rows;
        rows += (upper < (size_t)s->nodes ? upper : (size_t)s->nodes) << bits;
    }
    size_t nodes = (size_t)s->nodes, F = (size_t)s->F, k = (size_t)K, e = (size_t)E;
    const uint64_t of[SCOUT_ARRAYS] = {
        [CODE] = MAX_TOKENS,
        [LENGTH] = MAX_TOKENS,
        [PATH] = MAX_TOKENS * DEPTHS,
        [FLAGS] = MAX_TOKENS,
        [STRETCH] = 4096,
        [SQUASH] = 4097,
        [LEVEL_CURVE] = 4096,
        [STEPS] = 1024,
        [TOKEN_VECTORS] = MAX_TOKENS * e,
        [TABLES] = 0,
        [MAPS] = DEPTHS * k * STATES,
        [MIXERS] = weights * (size_t)s->I,
        [FINAL_WEIGHTS] = DEPTHS * 64 * FINALS,
        [CORRECTIONS] = nodes * SSE,
        [VECTOR_WEIGHTS] = rows * F,
        [ASKED] = rows,
        [AVERAGES] = 4 * e,
        [RING_TOKENS] = RING,
        [STREAM_VALUES] = STREAMS * (PAST + BLOCK),
        [POSITION] = 1 + 2 * k,
        [NODE_STATES] = BLOCK * DEPTHS * k,
        [CHANCE] = BLOCK * DEPTHS,
        [CHOSEN] = BLOCK * (SETS + GATES),
        [FEATURES] = BLOCK * F,
        [HITS] = BLOCK * k,
        [COUNTS] = BLOCK * k,
    };
    int64_t fixed = RESERVED, unit = TABLE_UNIT, shares = 0, room, most = 0;
    for (int a = 0; a < SCOUT_ARRAYS; a++) fixed += (int64_t)(of[a] * ARRAYS[a].width);
    for (int i = 0; i < K; i++) {
        if (kinds[i].form == WINDOW) kinds[i].slots = (uint32_t)rounded(2 * nodes, 16);
        if (kinds[i].form == RECENT) kinds[i].slots = (uint32_t)rounded(LINKS + MAX_TOKENS, 16);
        fixed += 4 * (int64_t)kinds[i].slots;
        shares += share[i];
        if ((int64_t)share[i] > most) most = share[i];
    }
    room = (memory - fixed) / 4 / (shares * unit);
    if (room < 1) return fixed + 4 * shares * unit;
    if (room > 4294967295 / most / unit) room = 4294967295 / most / unit;  // a table's slots are counted in 32 bits
    memcpy(elements, of, sizeof of);
    for (int i = 0; i < K; i++) {
        if (share[i]) kinds[i].slots = (uint32_t)(share[i] * room * unit);
        kinds[i].table = elements[TABLES];
        elements[TABLES] += kinds[i].slots;
    }
    return 0;
}

// ---- curves

// e^x by halving x to a small one, a series, and squaring again.
static double exponential(double x) {
    double sum = 1, term = 1;
    x /= 1024;
    for (int i = 1; i < 12; i++) sum += term *= x / i;
    for (int i = 0; i < 10; i++) sum *= sum;
    return sum;
}

// The natural logarithm of x > 0: 2 artanh((x - 1) / (x + 1)), after x was brought to between 3/4 and 3/2 by powers of two.
double scout_log(double x) {
    double twos = 0;
    while (x > 1.5) x /= 2, twos++;
    while (x < 0.75) x *= 2, twos--;
    double z = (x - 1) / (x + 1), power = z, sum = 0;
    for (int i = 1; i < 40; i += 2, power *= z * z) sum += power / i;
    return 2 * sum + twos * 0.69314718055994530942;
}

static const uint16_t LEVEL_STARTS[20] = {0, 1, 2, 3, 4, 5, 7, 9, 12, 16, 22, 30, 45, 70, 110, 180, 320, 640, 1300, 2600};

static void order_by_code(uint16_t *order, const uint32_t *code, size_t V) {
    for (size_t v = 0; v < V; v++) {
        size_t at = v;
        for (; at > 0 && code[order[at - 1]] > code[v]; at--) order[at] = order[at - 1];
        order[at] = (uint16_t)v;
    }
}

// The inner nodes from the root to each token, numbered level by level, each level in the order of the codes.
static void fill_paths(const scout *s, uint16_t *path, uint16_t *order) {
    uint32_t next = 0, n = (uint32_t)s->V;
    order_by_code(order, s->code, n);
    for (int d = 0; d < DEPTHS; d++) {
        int64_t last = -1;
        for (uint32_t i = 0; i < n; i++) {
            uint32_t t = order[i];
            if (s->length[t] <= d) continue;
            int64_t prefix = d ? s->code[t] >> (32 - d) : 0;
            if (prefix != last) last = prefix, next++;
            path[t * DEPTHS + d] = (uint16_t)(next - 1);
        }
    }
}

// Fills what a scout begins with: curves, path, and what is believed before anything was learned: counts mean what they say, and all
// opinions weigh the same. The tree must be there, all else 0.
void scout_begin(const scout *s) {
    float *stretch = (float *)s->stretch, *squash = (float *)s->squash, *steps = (float *)s->steps;
    uint8_t *levels = (uint8_t *)s->levels;
    for (int i = 0; i < 4096; i++) stretch[i] = (float)scout_log((i + 0.5) / (4095.5 - i));
    for (int i = 0; i <= 4096; i++) squash[i] = (float)(1 / (1 + exponential(12 - i * (24 / 4096.0))));
    for (int i = 0, level = 0; i < 4096; i++) {
        while (level < 19 && LEVEL_STARTS[level + 1] <= i) level++;
        levels[i] = (uint8_t)level;
    }
    for (int i = 0; i < 1024; i++) steps[i] = (float)(1 / (i + 1.5));
    fill_paths(s, (uint16_t *)s->path, s->states);
    for (int d = 0; d < DEPTHS; d++)
        for (int k = 0; k < s->K; k++)
            for (int state = 0; state < STATES; state++) {
                double zeros = LEVEL_STARTS[state % 400 / 20], ones = LEVEL_STARTS[state % 20], p = (ones + 0.4) / (zeros + ones + 0.8);
                if (s->kinds[k].form == MATCH) p = state == 0 ? 0.5 : state % 2 == 0 ? 0.8 : 0.2;  // state 1 + 2 class + guess
                s->maps[((size_t)d * (size_t)s->K + (size_t)k) * STATES + (size_t)state] = (uint32_t)(p * ((1 << 22) - 1)) << 10 | 4;
            }
    size_t rows = (size_t)s->nodes;
    for (int m = 1; m < SETS; m++) rows += (size_t)DEPTHS * (size_t)s->set_size[m];
    double root = 1;
    for (int i = 0; i < 40; i++) root = (root + s->K / root) / 2;
    for (size_t row = 0; row < rows; row++) {
        for (int k = 0; k < s->K; k++) s->mixers[row * (size_t)s->I + (size_t)k] = (float)(0.9 / root);
        s->mixers[row * (size_t)s->I + (size_t)s->K + 1] = 0.2f;
    }
    for (size_t i = 0; i < DEPTHS * 64; i++)
        for (int m = 0; m < SETS; m++) s->finals[i * FINALS + (size_t)m] = 1.0f / SETS;
    for (size_t i = 0; i < (size_t)s->nodes * SSE; i++) s->sse[i] = (float)(1 / (1 + exponential(-0.75 * ((double)(i % SSE) - 16))));
}

// ---- the tree: tokens that stand in the same places share a branch

// Makes the columns of z (N,E) orthonormal, one after the other (Gram-Schmidt, each twice). A zero column stays.
static void orthonormalize(double *z, double *coefficient, size_t N, size_t E) {
    for (size_t e = 0; e < E; e++) {
        for (int twice = 0; twice < 2; twice++) {
            memset(coefficient, 0, e * sizeof *coefficient);
            for (size_t n = 0; n < N; n++)
                for (size_t j = 0; j < e; j++) coefficient[j] += z[n * E + j] * z[n * E + e];
            for (size_t n = 0; n < N; n++)
                for (size_t j = 0; j < e; j++) z[n * E + e] -= coefficient[j] * z[n * E + j];
        }
        double sum = 0;
        for (size_t n = 0; n < N; n++) sum += z[n * E + e] * z[n * E + e];
        double scale = sum > 1e-20 ? 1 / sqrt(sum) : 0;
        for (size_t n = 0; n < N; n++) z[n * E + e] *= scale;
    }
}

// z (N,E) = x (N,M) y (M,E). Most of x is 0.
static void multiply(double *z, const float *x, const double *y, size_t N, size_t M, size_t E) {
    memset(z, 0, N * E * sizeof *z);
    for (size_t n = 0; n < N; n++)
        for (size_t m = 0; m < M; m++) {
            double value = (double)x[n * M + m];
            if (value == 0) continue;
            for (size_t e = 0; e < E; e++) z[n * E + e] += value * y[m * E + e];
        }
}

// z (M,E) = transposed x (N,M), times y (N,E)
static void multiply_transposed(double *z, const float *x, const double *y, size_t N, size_t M, size_t E) {
    memset(z, 0, M * E * sizeof *z);
    for (size_t n = 0; n < N; n++)
        for (size_t m = 0; m < M; m++) {
            double value = (double)x[n * M + m];
            if (value == 0) continue;
            for (size_t e = 0; e < E; e++) z[m * E + e] += value * y[n * E + e];
        }
}

// vectors (N,E): x (N,M) seen along its E strongest directions, found by subspace iteration. directions (M,E) holds any start,
// scratch E numbers.
static void find_directions(double *vectors, double *directions, double *scratch, const float *x, int rounds, size_t N, size_t M,
                            size_t E) {
    for (int round = 0; round < rounds; round++) {
        multiply(vectors, x, directions, N, M, E);
        orthonormalize(vectors, scratch, N, E);
        multiply_transposed(directions, x, vectors, N, M, E);
        orthonormalize(directions, scratch, M, E);
    }
    multiply(vectors, x, directions, N, M, E);
}

// Sorts ids (n) by key, then by id: merging, so that equal keys cost nothing and the order is one only.
static void sort_by_key(uint32_t *ids, uint32_t *scratch, const double *key, size_t n) {
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t from = 0; from < n; from += 2 * width) {
            size_t middle = from + width < n ? from + width : n, to = middle + width < n ? middle + width : n;
            for (size_t a = from, b = middle, out = from; out < to; out++) {
                int less = b >= to || key[ids[a]] < key[ids[b]] || (key[ids[a]] == key[ids[b]] && ids[a] < ids[b]);
                int left = a < middle && less;
                scratch[out] = left ? ids[a++] : ids[b++];
            }
        }
        memcpy(ids, scratch, n * sizeof *ids);
    }
}

// Where the tokens ids (n) lie on the line along which they differ most: key, centred between the two halves.
static void project(double *key, const uint32_t *ids, size_t n, const double *vectors, const double *weight, double *work, size_t E) {
    double *mean = work, *axis = work + E, *sum = work + 2 * E, total = 0;
    memset(mean, 0, E * sizeof *mean);
    for (size_t i = 0; i < n; i++) {
        double w = sqrt(weight[ids[i]]);
        total += w;
        for (size_t e = 0; e < E; e++) mean[e] += w * vectors[ids[i] * E + e];
    }
    for (size_t e = 0; e < E; e++) mean[e] /= total, axis[e] = 1;
    double centre = 0;
    for (int round = 0; round < 26; round++) {  // the main axis by power iteration, then the two halves' own means
        int halves = round >= 20;
        double *other = work + 3 * E, mass = 0, rest = 0, norm = 0;
        memset(sum, 0, E * sizeof *sum);
        memset(other, 0, E * sizeof *other);
        for (size_t i = 0; i < n; i++) {
            const double *v = vectors + ids[i] * E;
            double along = -centre, w = sqrt(weight[ids[i]]);
            for (size_t e = 0; e < E; e++) along += (v[e] - mean[e]) * axis[e];
            if (!halves) {
                for (size_t e = 0; e < E; e++) sum[e] += w * along * (v[e] - mean[e]);
            } else if (along > 0) {
                mass += w;
                for (size_t e = 0; e < E; e++) sum[e] += w * (v[e] - mean[e]);
            } else {
                rest += w;
                for (size_t e = 0; e < E; e++) other[e] += w * (v[e] - mean[e]);
            }
        }
        if (!halves) {
            for (size_t e = 0; e < E; e++) norm += sum[e] * sum[e];
            if (norm < 1e-30) break;
            for (size_t e = 0; e < E; e++) axis[e] = sum[e] / sqrt(norm);
        } else {
            if (mass == 0 || rest == 0) break;
            centre = 0;
            for (size_t e = 0; e < E; e++) {
                axis[e] = sum[e] / mass - other[e] / rest;
                centre += axis[e] * (sum[e] / mass + other[e] / rest) / 2;
            }
        }
    }
    for (size_t i = 0; i < n; i++) {
        key[ids[i]] = -centre;
        for (size_t e = 0; e < E; e++) key[ids[i]] += (vectors[ids[i] * E + e] - mean[e]) * axis[e];
    }
}

// Where to cut sorted tokens: between the halves, but so that neither has less than 38 % of the weight.
static size_t cut(const uint32_t *ids, size_t n, const double *key, const double *weight) {
    double total = 0, sum = 0, best = 1e300;
    for (size_t i = 0; i < n; i++) total += weight[ids[i]];
    size_t at = n / 2;
    for (size_t i = 0; i + 1 < n; i++) {
        sum += weight[ids[i]];
        double share = sum / total, balance = share < 0.5 ? 0.5 - share : share - 0.5;
        double between = (key[ids[i]] + key[ids[i + 1]]) / 2;
        double cost = balance <= 0.12 ? (between < 0 ? -between : between) : 1e100 * (1 + balance);
        if (cost < best) best = cost, at = i + 1;
    }
    return at;
}

typedef struct {
    size_t from, to;
    uint32_t code;
    int depth;
} branch;

// The tree over V tokens by their vectors (V,E) and weights: code (V), length (V). key (V), ids (2V) and work (4E) are scratch.
// A branch is cut until one token is left; where the depth would not suffice, in the middle.
static void grow_tree(uint32_t *code, uint8_t *length, const double *vectors, const double *weight, double *key, uint32_t *ids,
                      double *work, size_t V, size_t E) {
    branch stack[DEPTHS + 2];
    size_t waiting = 0;
    for (size_t i = 0; i < V; i++) ids[i] = (uint32_t)i;
    stack[waiting++] = (branch){0, V, 0, 0};
    while (waiting) {
        branch now = stack[--waiting];
        size_t n = now.to - now.from;
        uint32_t *group = ids + now.from;
        if (n == 1) {
            code[*group] = now.code;
            length[*group] = (uint8_t)now.depth;
            continue;
        }
        project(key, group, n, vectors, weight, work, E);
        sort_by_key(group, ids + V, key, n);
        size_t left = cut(group, n, key, weight), most = (size_t)1 << (DEPTHS - now.depth - 1);
        if (left > most || n - left > most) left = n / 2;
        stack[waiting++] = (branch){now.from, now.from + left, now.code, now.depth + 1};
        stack[waiting++] = (branch){now.from + left, now.to, now.code | 1u << (31 - now.depth), now.depth + 1};
    }
}

// ---- the tree, from a sample of the text

enum { NEIGHBOURS = 1000, ROUNDS = 5 };

// What a token looks like: the flags of _scout.c.
static uint8_t look_of(const uint8_t *token, size_t size, double count, double all) {
    size_t first = 0;
    while (first < size && token[first] == ' ') first++;
    uint8_t c = first < size ? token[first] : 0;
    int capital = c >= 'A' && c <= 'Z', letter = capital || (c >= 'a' && c <= 'z') || c >= 0x80, flags = 0;
    if (token[0] == ' ') flags |= WORD_START;
    for (size_t i = 0; i < size; i++) {
        if (token[i] == '.' || token[i] == '!' || token[i] == '?') flags |= SENTENCE_END;
        if (token[i] == '\n') flags |= NEWLINE;
        if (token[i] == '"') flags |= QUOTE_MARK;
    }
    if (capital) flags |= CAPITAL;
    if (letter && count < all / 5000) flags |= RARE_WORD;
    if (letter && count < all / 500) flags |= CONTENT_WORD;
    if (letter && token[0] != ' ') flags |= WORD_PART;
    return (uint8_t)flags;
}

size_t scout_plant_work(size_t V, size_t E) {
    size_t M = V < NEIGHBOURS ? V : NEIGHBOURS;
    return V * M + V * E + 2 * M * E + 4 * E + 6 * V + M;
}

// The tree and the tokens' vectors from a sample of text: tokens (N), of which bytes (V,64) and size (V) are the bytes. Fills code (V),
// length (V), flags (V), vectors (V,E); work has scout_plant_work numbers.
//
// Tokens are alike that have the same neighbours: positive pointwise mutual information with the NEIGHBOURS most frequent tokens to the
// right and to the left, reduced to its E strongest directions. The tree is cut from the top along the line of the greatest difference,
// into halves of about the same frequency, so that common tokens get short codes.
void scout_plant(uint32_t *code, uint8_t *length, uint8_t *flags, float *vectors, double *work, const uint16_t *tokens,
                 const uint8_t *bytes, const uint8_t *size, size_t V, size_t E, size_t N) {
    size_t M = V < NEIGHBOURS ? V : NEIGHBOURS;
    double *found = work + V * M, *start = found + V * E, *scratch = start + 2 * M * E, *count = scratch + 4 * E, *weight = count + V;
    double *share = weight + V, *key = share + V;
    uint32_t *ids = (uint32_t *)(key + V), *rank = ids + 2 * V, *top = rank + V, *seen = (uint32_t *)work;
    float *x = (float *)work;
    memset(work, 0, V * M * sizeof *work);
    memset(count, 0, V * sizeof *count);
    for (size_t i = 0; i < N; i++) count[tokens[i]]++;
    for (size_t v = 0; v < V; v++) key[v] = -count[v], ids[v] = (uint32_t)v, rank[v] = (uint32_t)M;
    sort_by_key(ids, ids + V, key, V);
    for (size_t m = 0; m < M; m++) top[m] = ids[m], rank[ids[m]] = (uint32_t)m;
    for (size_t i = 0; i + 1 < N; i++) {
        uint32_t left = tokens[i], right = tokens[i + 1];
        if (rank[right] < M) seen[left * 2 * M + rank[right]]++;
        if (rank[left] < M) seen[right * 2 * M + M + rank[left]]++;
    }
    for (size_t v = 0; v < V; v++) {
        weight[v] = sqrt(sqrt((count[v] < 10000 ? count[v] : 10000) + 1));
        for (size_t m = 0; m < 2 * M; m++) {
            double times = seen[v * 2 * M + m], information = 0;
            if (times > 0) information = scout_log(times * (double)N / ((count[v] + 1) * count[top[m % M]]));
            x[v * 2 * M + m] = (float)(information > 0 ? information * times / (times + 2) * weight[v] : 0);
        }
    }
    for (size_t i = 0; i < 2 * M * E; i++) start[i] = (double)((uint32_t)i * 0x9E3779B9u >> 16) / 32768 - 1;
    find_directions(found, start, scratch, x, ROUNDS, V, 2 * M, E);
    double least = (double)N / 32768, total = 0;
    for (size_t v = 0; v < V; v++) {
        share[v] = count[v] + (least > 1 ? least : 1);
        total += share[v];
        for (size_t e = 0; e < E; e++) found[v * E + e] /= weight[v];
    }
    grow_tree(code, length, found, share, key, ids, scratch, V, E);
    for (size_t e = 0; e < E; e++) {
        double mean = 0, spread = 0;
        for (size_t v = 0; v < V; v++) mean += found[v * E + e] * share[v];
        mean /= total;
        for (size_t v = 0; v < V; v++) spread += (found[v * E + e] - mean) * (found[v * E + e] - mean) * share[v];
        spread = sqrt(spread / total) + 1e-9;
        for (size_t v = 0; v < V; v++) {
            double value = (found[v * E + e] - mean) / spread / 2;
            vectors[v * E + e] = (float)(value > 2 ? 2 : value < -2 ? -2 : value);
        }
    }
    for (size_t v = 0; v < V; v++) flags[v] = look_of(bytes + 64 * v, size[v], count[v], (double)N);
}

// ---- a scout out of a file

// Whether the codes are the leaves of one full binary tree: in their order, each begins where the one before ends, at a multiple of its
// width. order (V) is scratch.
int scout_is_tree(const uint32_t *code, const uint8_t *length, uint16_t *order, size_t V) {
    uint64_t next = 0;
    for (size_t v = 0; v < V; v++)
        if (length[v] < 1 || length[v] > DEPTHS) return 0;
    order_by_code(order, code, V);
    for (size_t i = 0; i < V; i++) {
        uint64_t width = 1ull << (32 - length[order[i]]);
        if (code[order[i]] != next || next % width) return 0;
        next += width;
    }
    return next == 1ull << 32;
}

static int all_finite(const float *x, size_t n) {
    int all = 1;
    for (size_t i = 0; i < n; i++) all &= x[i] - x[i] == 0;
    return all;
}

// Whether nothing in the arrays leads out of them (a checksum protects from accidents only). elements: as scout_plan gave them.
int scout_is_sound(const scout *s, const uint64_t *elements) {
    static const uint8_t floats[] = {TOKEN_VECTORS, MIXERS, FINAL_WEIGHTS, CORRECTIONS, VECTOR_WEIGHTS, ASKED, AVERAGES};
    for (size_t i = 0; i < sizeof floats; i++)
        if (!all_finite(scout_array(s, floats[i]), elements[floats[i]])) return 0;
    const uint32_t limits[STREAMS] = {(uint32_t)s->V - 1, 15, 63, 255, MAX_TOKENS - 1, 30, -1u, -1u, -1u, MAX_TOKENS - 1, -1u, -1u, -1u, 1};
    for (size_t x = 0; x < STREAMS; x++)
        for (size_t i = 0; i < PAST + BLOCK; i++)
            if (s->streams[x * (PAST + BLOCK) + i] > limits[x]) return 0;
    for (size_t i = 0; i < s->ring_slots; i++)
        if (s->ring[i] >= s->V) return 0;
    for (size_t i = 0; i < elements[POSITION]; i++)
        if (s->position[i] < 0 || s->position[i] >> 40 || (i && i % 2 == 0 && s->position[i] > 60)) return 0;
    return 1;
}

// logits (V): the natural logarithms of probability (V).
void scout_logits(float *logits, const double *probability, size_t V) {
    for (size_t v = 0; v < V; v++) logits[v] = (float)scout_log(probability[v]);
}
