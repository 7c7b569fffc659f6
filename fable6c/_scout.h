// The scout, a predictor of tokens (_scout.c); the only declaration, read by C, cffi and native.py. What the arrays mean stands at the
// top of _scout.c.

// Sizes that Python needs too.
enum { DEPTHS = 18, STATES = 400, SETS = 10, FINALS = 16, SSE = 33, BLOCK = 256, PAST = 8, STREAMS = 14, LINKS = 1024 };

typedef struct {
    int32_t form;       // 0 dense, 1 list, 2 match, 3 window, 4 recent
    int32_t parts;      // how many pairs (stream, lag) make the context; 0 for the last three forms
    int32_t stream[8];
    int32_t lag[8];
    int32_t reach;      // match: tokens that must agree; window, recent: tokens back
    uint32_t slots;     // u32 of its table
    uint64_t table;     // where its table begins in `tables`
} scout_kind;

typedef struct {
    int32_t V, K, I, E, F, nodes, ladder_steps, match_kind, threads;
    int32_t ladder[8];
    int32_t set_size[10];
    float rate, rate_end, rate_tokens, final_rate, sse_rate, vector_rate, vector_rate_end, vector_times;
    int32_t map_limit;
    const scout_kind *kinds;
    const uint32_t *code;  // (*)
    const uint8_t *length;  // (*)
    const uint16_t *path;  // (*,18)
    const uint8_t *flags;  // (*)
    const float *stretch;  // (4096)
    const float *squash;  // (4097)
    const uint8_t *levels;  // (4096)
    const float *steps;  // (1024)
    const float *vectors;  // (*,*)
    uint32_t *tables;  // (*)
    uint32_t *maps;  // (*)
    float *mixers;  // (*)
    float *finals;  // (*)
    float *sse;  // (*)
    float *vector_weights;  // (*)
    float *asked;  // (*)
    float *averages;  // (*)
    uint16_t *ring;  // (*)
    uint32_t ring_slots;
    uint32_t *streams;  // (*)
    int64_t *position;  // (*)
    uint16_t *states;  // (*)
    float *chance;  // (*)
    uint32_t *chosen;  // (*)
    float *features;  // (*)
    uint8_t *hits;  // (*)
    uint16_t *counts;  // (*)
} scout;

// tokens (N), probability (N), confidence (N,4)
void scout_read(const scout *s, const uint16_t *tokens, double *probability, int32_t *confidence, int learn, size_t N);
// probability (*)
void scout_distribution(const scout *s, double *probability);
// vectors (N,E), directions (M,E), scratch (*), x (N,M)
void scout_directions(double *vectors, double *directions, double *scratch, const float *x, int rounds, size_t N, size_t M, size_t E);
// code (V), length (V), vectors (V,E), weight (V), key (V), ids (*), work (*)
void scout_grow_tree(uint32_t *code, uint8_t *length, const double *vectors, const double *weight, double *key, uint32_t *ids, double *work,
                     size_t V, size_t E);
