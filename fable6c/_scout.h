// The only declaration of the scout's C functions (fable6c/_scout.c), read by C and by cffi (build_kernels.py). What the
// arrays mean stands at the top of _scout.c. It includes nothing, because cffi reads declarations only.

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
    const uint32_t *code;
    const uint8_t *length;
    const uint16_t *path;
    const uint8_t *flags;
    const float *stretch;
    const float *squash;
    const uint8_t *levels;
    const float *steps;
    const float *vectors;
    uint32_t *tables;
    uint32_t *maps;
    float *mixers;
    float *finals;
    float *sse;
    float *vector_weights;
    float *asked;
    float *averages;
    uint16_t *ring;
    uint32_t ring_slots;
    uint32_t *streams;
    int64_t *position;
    uint16_t *states;
    float *chance;
    uint32_t *chosen;
    float *features;
    uint8_t *hits;
    uint16_t *counts;
} scout;

int scout_constant(int which);
void scout_read(const scout *s, const uint16_t *tokens, size_t n, double *probability, int32_t *confidence, int learn);
void scout_distribution(const scout *s, double *probability);
void scout_directions(double *vectors, double *directions, double *scratch, const float *x, size_t N, size_t M, size_t E,
                      int rounds);
void scout_grow_tree(uint32_t *code, uint8_t *length, const double *vectors, const double *weight, double *key, uint32_t *ids,
                     double *work, size_t V, size_t E);
