// The merge loop of the tokenizer's training (_bpe.c); the only declaration, read by C, cffi and native.py.

typedef struct {
    uint16_t *symbols;           // (N) the id at each place
    const uint32_t *piece_of;    // (N) the piece to which the place belongs
    const int64_t *piece_count;  // (*) how often that piece is in the text
    uint32_t *pair;              // (P) the pairs of neighbours seen so far
    int64_t *pair_count;         // (P) how often each is in the text
    uint32_t *index;             // (I) hash table: the place of a pair + 1, or 0; a power of two
    size_t N, I;
} bpe_text;

size_t bpe_count_pairs(bpe_text *text);
// token_length (*)
size_t bpe_best_pair(const bpe_text *text, const uint8_t *token_length, size_t pairs, size_t longest, int64_t least);
size_t bpe_merge(bpe_text *text, size_t pairs, uint16_t left, uint16_t right, uint16_t merged);
