// The scout, a predictor of tokens (_scout.c); the only declaration, read by C, cffi and native.py. What the arrays mean stands at the
// top of _scout.c.

// Sizes that Python needs too.
enum { DEPTHS = 18, STATES = 1200, SETS = 10, FINALS = 16, SSE = 33, BLOCK = 256, PAST = 8, STREAMS = 14, LINKS = 1024, GATES = 4 };
enum { TIERS = 3, MAX_TOKENS = 4096, RING = 4194304, RESERVED = 134217728, TABLE_UNIT = 11520 };
// The arrays of the struct below, in its order.
enum {
    CODE,
    LENGTH,
    PATH,
    FLAGS,
    STRETCH,
    SQUASH,
    LEVEL_CURVE,
    STEPS,
    TOKEN_VECTORS,
    TABLES,
    MAPS,
    MIXERS,
    FINAL_WEIGHTS,
    CORRECTIONS,
    VECTOR_WEIGHTS,
    ASKED,
    AVERAGES,
    RING_TOKENS,
    STREAM_VALUES,
    POSITION,
    NODE_STATES,
    CHANCE,
    CHOSEN,
    FEATURES,
    HITS,
    COUNTS,
    SCOUT_ARRAYS
};

// Forms of tables; what a token looks like.
enum { DENSE, LIST, MATCH, WINDOW, RECENT };
enum { WORD_START = 1, SENTENCE_END = 2, NEWLINE = 4, CAPITAL = 8, QUOTE_MARK = 16, RARE_WORD = 32, CONTENT_WORD = 64, WORD_PART = 128 };

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
    int32_t gates, gate_stream[8], gate_lag[8], gate_bits[8], gate_depth[4];
    uint64_t gate_row[4];
    float rate, rate_end, rate_times, final_rate, sse_rate, vector_rate, vector_rate_end, vector_times;
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

// elements (*)
int64_t scout_plan(scout *s, scout_kind *kinds, uint64_t *elements, int tier, int32_t V, int64_t memory);
void scout_begin(const scout *s);
const char *scout_tier(int tier);
int scout_vector(int tier);
void *scout_array(const scout *s, int a);
int scout_width(int a);
void scout_put(scout *s, int a, void *array);
double scout_log(double x);
size_t scout_plant_work(size_t V, size_t E);
// code (V), length (V), flags (V), vectors (V,E), work (*), tokens (N), bytes (V,64), size (V)
void scout_plant(uint32_t *code, uint8_t *length, uint8_t *flags, float *vectors, double *work, const uint16_t *tokens,
                 const uint8_t *bytes, const uint8_t *size, size_t V, size_t E, size_t N);
// code (V), length (V), order (V)
int scout_is_tree(const uint32_t *code, const uint8_t *length, uint16_t *order, size_t V);
// elements (*)
int scout_is_sound(const scout *s, const uint64_t *elements);
// logits (V), probability (V)
void scout_logits(float *logits, const double *probability, size_t V);
// tokens (N), probability (N), confidence (N,4)
void scout_read(const scout *s, const uint16_t *tokens, double *probability, int32_t *confidence, int learn, size_t N);
// probability (*)
void scout_distribution(const scout *s, double *probability);

// ---- a text that is read only to see what it costs, and is then forgotten

size_t scout_keep_size(const scout *s, size_t N);
// tokens (N), kept (*)
void scout_keep(const scout *s, const uint16_t *tokens, size_t N, uint8_t *kept);
// kept (*)
void scout_forget(const scout *s, size_t N, const uint8_t *kept);

// ---- questions about a text that was read (_scout_ask.c)

enum { ASK_MOST = 256, ASK_QUESTION = 512 };  // questions at a time, bytes of one

typedef struct {
    int64_t file, document, line;
    double gain, bits;  // what the question costs less after the quote; what the answer costs
    char quote[512];
    char answer[200];
} scout_answer;

// The questions each end in a line feed. All lines of the text are handed over in pass 0 and then in pass 1, or ask_memory is called in each.
typedef struct asking asking;
// merges (*,2)
asking *ask_begin(const uint16_t *merges, int32_t count, const char *questions);
void ask_line(asking *a, int32_t pass, const char *line, size_t size, int64_t file, int64_t document, int64_t number);
void ask_memory(asking *a, int32_t pass, const scout *s);
// 1; 0 where no sentence has a word of the question; -1 without memory.
int ask_answer(asking *a, const scout *s, int32_t which, scout_answer *answer);
void ask_end(asking *a);
