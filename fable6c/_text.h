// Figures about a text (_text.c); the only declaration, read by C, cffi and native.py.

// word_hash (R), word_size (R), text (N)
size_t text_words(uint64_t *word_hash, uint32_t *word_size, const uint8_t *text, size_t N);
// gram (W), word_hash (W)
size_t text_grams(uint64_t *gram, const uint64_t *word_hash, size_t W, size_t width);
// set (P), hash (G)
void text_set_add(uint64_t *set, const uint64_t *hash, size_t P, size_t G);
// set (P), hash (G)
size_t text_set_count(const uint64_t *set, const uint64_t *hash, size_t P, size_t G);

// What text_figures compares with and its scratch.
typedef struct {
    const uint64_t *common;  // (C) a set of the language's common words
    const uint64_t *stop;    // (8) the hashes of Gopher's stop words
    uint64_t *gram;          // (P)
    uint64_t *set;           // (P)
    uint32_t *times;         // (P)
    size_t C;
} text_measure;
// figure (26), text (N), word_hash (W), word_size (W)
void text_figures(double *figure, const uint8_t *text, const uint64_t *word_hash, const uint32_t *word_size, const text_measure *measure,
                  size_t places, size_t N, size_t W);
