// The merge loop of the tokenizer trainer (docs/tokenizer.md, "Training"); train_merges() in fable6c/tokenizer.py drives it.
//
// The text is its distinct pieces, one after the other, with a GAP before the first and after each:
//   symbols        a merge that shortens a piece moves its rest up, and GAPs fill its end. N is a multiple of BLOCK (more GAPs at
//                  the end), so that the scan for a pair goes block by block
// The pairs of neighbours seen so far, in the order of first sight; they stay when their count falls to 0:
//   pair           left << 16 | right
//   index          hash table with open addressing: the place of the pair in pair and pair_count + 1, or 0
// The other arrays are explained in _bpe.h.
// The caller gives the storage. There are at most 2^16 pairs of bytes, each single replacement makes at most two new pairs and
// shortens the text by one, so room for 2^16 + 2N pairs is enough for ever.

#include <stddef.h>
#include <stdint.h>

#include "_bpe.h"

#define GAP 0xFFFF  // never an id: the largest vocabulary has 65,536 tokens, and its last one, the end mark, is not in a text
#define BLOCK 64

// Adds `amount` to the count of (left, right), which it enters if it is new. Returns the number of pairs afterwards.
static size_t add_to_pair(bpe_text *t, size_t pairs, uint32_t left, uint32_t right, int64_t amount) {
    uint32_t key = left << 16 | right;
    size_t slot = (size_t)(key * 0x9E3779B97F4A7C15u >> 32) & (t->I - 1);  // Fibonacci hashing: the high half is mixed
    while (t->index[slot] != 0 && t->pair[t->index[slot] - 1] != key) slot = (slot + 1) & (t->I - 1);
    if (t->index[slot] == 0) {
        t->pair[pairs] = key;
        t->pair_count[pairs] = 0;
        t->index[slot] = (uint32_t)++pairs;
    }
    t->pair_count[t->index[slot] - 1] += amount;
    return pairs;
}

// Counts all pairs of neighbours of a fresh text (index all 0). Returns the number of pairs.
size_t bpe_count_pairs(bpe_text *t) {
    size_t pairs = 0;
    for (size_t i = 0; i + 1 < t->N; i++) {
        uint16_t left = t->symbols[i], right = t->symbols[i + 1];
        if (left == GAP || right == GAP) continue;
        pairs = add_to_pair(t, pairs, left, right, t->piece_count[t->piece_of[i]]);
    }
    return pairs;
}

// Finds the pair with the highest count; on a tie the one with the smaller left id, then the smaller right id. Pairs that would
// make a token of more than `longest` bytes are passed over; token_length (ids) in bytes. Returns the place of the pair, or
// `pairs` if no pair is left with a count of at least `least`.
size_t bpe_best_pair(const bpe_text *t, const uint8_t *token_length, size_t pairs, size_t longest, int64_t least) {
    const uint32_t *pair = t->pair;
    const int64_t *pair_count = t->pair_count;
    size_t best = pairs;
    int64_t best_count = least;
    for (size_t i = 0; i < pairs; i++) {
        if (pair_count[i] < best_count) continue;
        if (best != pairs && pair_count[i] == best_count && pair[i] > pair[best]) continue;
        if ((size_t)token_length[pair[i] >> 16] + token_length[pair[i] & 0xFFFF] > longest) continue;
        best = i;
        best_count = pair_count[i];
    }
    return best;
}

// Replaces each (left, right), from the left, by `merged` and brings the counts up to date. Returns the number of pairs.
size_t bpe_merge(bpe_text *t, size_t pairs, uint16_t left, uint16_t right, uint16_t merged) {
    uint16_t *symbols = t->symbols;
#define ADD(l, r, amount) pairs = add_to_pair(t, pairs, l, r, amount)
    for (size_t block = 0; block < t->N; block += BLOCK) {
        int found = 0;  // without a branch, so that the compiler compares many symbols at once: nearly all blocks end here
        for (size_t i = block; i < block + BLOCK; i++) found |= symbols[i] == left;
        if (!found) continue;
        for (size_t i = block; i < block + BLOCK; i++) {
            if (symbols[i] != left || symbols[i + 1] != right) continue;
            // The first hit of a piece: one pass to the end of the piece makes all its replacements and closes the holes.
            int64_t count = t->piece_count[t->piece_of[i]];
            size_t read = i, write = i;
            while (symbols[read] != GAP) {
                if (symbols[read] != left || symbols[read + 1] != right) {
                    symbols[write++] = symbols[read++];
                    continue;
                }
                uint16_t before = symbols[write - 1], after = symbols[read + 2];
                ADD(left, right, -count);
                if (before != GAP) {
                    ADD(before, left, -count);
                    ADD(before, merged, count);
                }
                if (after != GAP) {
                    ADD(right, after, -count);
                    ADD(merged, after, count);
                }
                symbols[write++] = merged;
                read += 2;
            }
            while (write < read) symbols[write++] = GAP;
        }
    }
    return pairs;
#undef ADD
}
