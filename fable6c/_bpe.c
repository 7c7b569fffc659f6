// The merge loop of the tokenizer trainer (docs/tokenizer.md, "Training"); train_merges() in fable6c/tokenizer.py drives it.
//
// The text is its distinct pieces, one after the other, with a GAP before the first and after each:
//   symbols (N) u16        the id at each place. Where a merge shortens a piece, the rest moves up and GAPs fill its end.
//                          N is a multiple of BLOCK (more GAPs at the end), so that the scan for a pair goes block by block.
//   piece_of (N) u32       the piece to which the place belongs
//   piece_count (.) i64    how often that piece is in the text
// The pairs of neighbours seen so far, in the order of first sight; they stay when their count falls to 0:
//   pair (.) u32           left << 16 | right
//   pair_count (.) i64     how often it is in the text
//   index (index_size) u32 hash table with open addressing: place of the pair in the two arrays + 1, or 0; a power of two
// The caller gives the storage. There are at most 2^16 pairs of bytes, each single replacement makes at most two new pairs and
// shortens the text by one, so room for 2^16 + 2N pairs is enough for ever.

#include <stddef.h>
#include <stdint.h>

#include "_kernels.h"

#define GAP 0xFFFF  // never an id: the largest vocabulary has 65,536 tokens, and its last one, the end mark, is not in a text
#define BLOCK 64

// Adds `amount` to the count of (left, right), which it enters if it is new. Returns the number of pairs afterwards.
static size_t add_to_pair(uint32_t *pair, int64_t *pair_count, uint32_t *index, size_t pairs, size_t index_size,
                          uint32_t left, uint32_t right, int64_t amount) {
    uint32_t key = left << 16 | right;
    size_t slot = (size_t)(key * 0x9E3779B97F4A7C15u >> 32) & (index_size - 1);  // Fibonacci hashing: the high half is mixed
    while (index[slot] != 0 && pair[index[slot] - 1] != key) slot = (slot + 1) & (index_size - 1);
    if (index[slot] == 0) {
        pair[pairs] = key;
        pair_count[pairs] = 0;
        index[slot] = (uint32_t)++pairs;
    }
    pair_count[index[slot] - 1] += amount;
    return pairs;
}

// Counts all pairs of neighbours of a fresh text (index all 0). Returns the number of pairs.
size_t bpe_count_pairs(uint32_t *pair, int64_t *pair_count, uint32_t *index, const uint16_t *symbols,
                       const uint32_t *piece_of, const int64_t *piece_count, size_t N, size_t index_size) {
    size_t pairs = 0;
    for (size_t i = 0; i + 1 < N; i++) {
        if (symbols[i] == GAP || symbols[i + 1] == GAP) continue;
        pairs = add_to_pair(pair, pair_count, index, pairs, index_size, symbols[i], symbols[i + 1], piece_count[piece_of[i]]);
    }
    return pairs;
}

// Finds the pair with the highest count; on a tie the one with the smaller left id, then the smaller right id. Pairs that would
// make a token of more than `longest` bytes are passed over; token_length (ids) u8 in bytes. Returns the place of the pair, or
// `pairs` if no pair is left with a count of at least `least`.
size_t bpe_best_pair(const uint32_t *pair, const int64_t *pair_count, const uint8_t *token_length, size_t pairs,
                     size_t longest, int64_t least) {
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
size_t bpe_merge(uint16_t *symbols, uint32_t *pair, int64_t *pair_count, uint32_t *index, const uint32_t *piece_of,
                 const int64_t *piece_count, size_t N, size_t pairs, size_t index_size,
                 uint16_t left, uint16_t right, uint16_t merged) {
#define ADD(l, r, amount) pairs = add_to_pair(pair, pair_count, index, pairs, index_size, l, r, amount)
    for (size_t block = 0; block < N; block += BLOCK) {
        int found = 0;  // without a branch, so that the compiler compares many symbols at once: nearly all blocks end here
        for (size_t i = block; i < block + BLOCK; i++) found |= symbols[i] == left;
        if (!found) continue;
        for (size_t i = block; i < block + BLOCK; i++) {
            if (symbols[i] != left || symbols[i + 1] != right) continue;
            // The first hit of a piece: one pass to the end of the piece makes all its replacements and closes the holes.
            int64_t count = piece_count[piece_of[i]];
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
