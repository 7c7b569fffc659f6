// Figures about a text, for the cleanser: fable6c/corpus/measure.py calls these and explains each figure.
//
// Legend: text (N) UTF-8, W words of it. A word is a run without ASCII white space. Its hash is of its letters and digits
// only, in lower case (bytes from 0x80 on count as letters), so that "Dog," and "dog" are the same word; a word without any
// is hashed as it stands. word_hash (W), word_size (W) in bytes.
// The hash tables are open addressing with a power of two of places; 0 is an empty place, so a hash is never 0.

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "_text.h"

#define PRIME 0x100000001B3u
#define MIX 0x9E3779B97F4A7C15u

// What a byte is: bits.
enum { SPACE = 1, ALNUM = 2, LETTER = 4, UPPER = 8 };
static const uint8_t KIND[256] = {
    ['\t'] = SPACE,
    ['\n'] = SPACE,
    ['\v'] = SPACE,
    ['\f'] = SPACE,
    ['\r'] = SPACE,
    [' '] = SPACE,
    ['0' ... '9'] = ALNUM,
    ['a' ... 'z'] = ALNUM | LETTER,
    ['A' ... 'Z'] = ALNUM | LETTER | UPPER,
    [0x80 ... 0xFF] = ALNUM | LETTER,
};

static inline uint64_t never_zero(uint64_t hash) { return hash ? hash : 1; }
static inline size_t place_of(uint64_t hash, size_t places) { return (size_t)(hash * MIX >> 32) & (places - 1); }

// Finds the words. Returns W; the caller gives room for n / 2 + 1 of them.
size_t text_words(uint64_t *word_hash, uint32_t *word_size, const uint8_t *text, size_t N) {
    size_t W = 0, i = 0;
    while (i < N) {
        while (i < N && KIND[text[i]] & SPACE) i++;
        if (i == N) break;
        size_t start = i;
        uint64_t hash = 0xCBF29CE484222325u;  // FNV-1a
        uint8_t seen = 0;
        for (; i < N && !(KIND[text[i]] & SPACE); i++) {
            uint8_t kind = KIND[text[i]];
            seen |= kind;
            if (kind & ALNUM) hash = (hash ^ (kind & UPPER ? text[i] + 32 : text[i])) * PRIME;
        }
        if (!(seen & ALNUM))
            for (size_t j = start; j < i; j++) hash = (hash ^ text[j]) * PRIME;
        word_hash[W] = never_zero(hash ^ hash >> 29);
        word_size[W++] = (uint32_t)(i - start);
    }
    return W;
}

// Adds hashes to a set (places). The caller keeps it at most half full.
void text_set_add(uint64_t *set, const uint64_t *hash, size_t P, size_t G) {
    for (size_t i = 0; i < G; i++) {
        size_t at = place_of(hash[i], P);
        while (set[at] && set[at] != hash[i]) at = (at + 1) & (P - 1);
        set[at] = hash[i];
    }
}

// How many of the hashes are in the set.
size_t text_set_count(const uint64_t *set, const uint64_t *hash, size_t P, size_t G) {
    size_t found = 0;
    for (size_t i = 0; i < G; i++) {
        size_t at = place_of(hash[i], P);
        while (set[at] && set[at] != hash[i]) at = (at + 1) & (P - 1);
        found += set[at] != 0;
    }
    return found;
}

// A run of words is hashed word after word, so that the hash of a longer run goes on from the shorter one's.
static inline uint64_t longer_gram(uint64_t gram, uint64_t word) {
    gram = (gram ^ word) * MIX;
    return never_zero(gram ^ gram >> 32);
}

// The runs of `width` words: gram (W) u64, of which the first W - width + 1 are made. Returns how many that are.
size_t text_grams(uint64_t *gram, const uint64_t *word_hash, size_t W, size_t width) {
    if (W < width) return 0;
    for (size_t i = 0; i + width <= W; i++) {
        gram[i] = 0;
        for (size_t j = 0; j < width; j++) gram[i] = longer_gram(gram[i], word_hash[i + j]);
    }
    return W - width + 1;
}

// Bytes of the most frequent run of `width` words, all its occurrences together; 0 if none comes twice.
static double top_gram(const uint64_t *gram, const uint32_t *word_size, size_t G, size_t width, uint64_t *set, uint32_t *times,
                       size_t places) {
    memset(set, 0, places * sizeof *set);
    size_t best = 0, best_at = 0;
    for (size_t i = 0; i < G; i++) {
        size_t at = place_of(gram[i], places);
        while (set[at] && set[at] != gram[i]) at = (at + 1) & (places - 1);
        if (!set[at]) set[at] = gram[i], times[at] = 0;
        if (++times[at] > best) best = times[at], best_at = i;
    }
    if (best < 2) return 0;
    size_t size = 0;
    for (size_t j = 0; j < width; j++) size += word_size[best_at + j];
    return (double)best * (double)size;
}

// Bytes of the words in runs of `width` words that came before; a run that was counted is stepped over.
static double repeated_grams(const uint64_t *gram, const uint32_t *word_size, size_t G, size_t width, uint64_t *set, size_t places) {
    memset(set, 0, places * sizeof *set);
    size_t bytes = 0;
    for (size_t i = 0; i < G;) {
        size_t at = place_of(gram[i], places);
        while (set[at] && set[at] != gram[i]) at = (at + 1) & (places - 1);
        if (set[at]) {
            for (size_t j = 0; j < width; j++) bytes += word_size[i + j];
            i += width;
        } else {
            set[at] = gram[i++];
        }
    }
    return (double)bytes;
}

// A piece of the text (a line, a paragraph) that was there before: one more repeated piece.
static void note_piece(double *repeated, double *repeated_bytes, uint64_t *set, size_t places, const uint8_t *piece, size_t size) {
    uint64_t hash = 0xCBF29CE484222325u;
    for (size_t i = 0; i < size; i++) hash = (hash ^ piece[i]) * PRIME;
    hash = never_zero(hash ^ hash >> 29);
    size_t at = place_of(hash, places);
    while (set[at] && set[at] != hash) at = (at + 1) & (places - 1);
    if (set[at]) {
        *repeated += 1;
        *repeated_bytes += (double)size;
    }
    set[at] = hash;
}

// All figures of a text: figure (26), in the order of FIGURES in measure.py. Of the scratch the first `places` are used, a power of
// two of at least twice the words and twice the lines.
void text_figures(double *figure, const uint8_t *text, const uint64_t *word_hash, const uint32_t *word_size, const text_measure *measure,
                  size_t places, size_t N, size_t W) {
    const uint64_t *stop = measure->stop;
    uint64_t *gram = measure->gram, *set = measure->set;
    uint32_t *times = measure->times;
    enum {
        WORDS,
        WORD_BYTES,
        LETTER_WORDS,
        COMMON_WORDS,
        STOP_WORDS,
        SYMBOLS,
        BRACES,
        SENTENCES,
        LINES,
        BULLETS,
        ELLIPSES,
        REPEATED_LINES,
        REPEATED_LINE_BYTES,
        PARAGRAPHS,
        REPEATED_PARAGRAPHS,
        REPEATED_PARAGRAPH_BYTES,
        LETTERS,
        TOP_GRAM_2 = 17,
        /* 3, 4 */ REPEATED_GRAM_5 = 20 /* to 10 */
    };
    memset(figure, 0, 26 * sizeof *figure);
    figure[WORDS] = (double)W;
    for (size_t i = 0; i < W; i++) {
        figure[WORD_BYTES] += word_size[i];
        for (size_t j = 0; j < 8; j++) figure[STOP_WORDS] += word_hash[i] == stop[j];
    }
    figure[COMMON_WORDS] = (double)text_set_count(measure->common, word_hash, measure->C, W);

    memset(set, 0, places * sizeof *set);
    size_t letters = 0, symbols = 0, braces = 0, sentences = 0, letter_words = 0;
    for (size_t start = 0; start < N;) {
        const uint8_t *line_end = memchr(text + start, '\n', N - start);
        size_t end = line_end ? (size_t)(line_end - text) : N, first = start, last = end;
        while (first < end && KIND[text[first]] & SPACE) first++;
        while (last > first && KIND[text[last - 1]] & SPACE) last--;
        if (last > first) {
            int has_letter = 0;
            for (size_t i = first; i < last; i++) {
                uint8_t kind = KIND[text[i]];
                if (kind & LETTER) {
                    letters++;
                    has_letter = 1;
                } else if (kind & SPACE) {
                    letter_words += has_letter;
                    has_letter = 0;
                } else if (!(kind & ALNUM)) {
                    uint8_t next = i + 1 < last ? text[i + 1] : '\n';
                    symbols += text[i] == '#';
                    braces += text[i] == '{' || text[i] == '}';
                    sentences += (text[i] == '.' || text[i] == '!' || text[i] == '?') && next != text[i] && !(KIND[next] & ALNUM);
                    if (text[i] == '.' && i + 2 < last && text[i + 1] == '.' && text[i + 2] == '.' && (i == first || text[i - 1] != '.'))
                        symbols++;
                }
                if (text[i] == 0xE2 && i + 2 < last && text[i + 1] == 0x80 && text[i + 2] == 0xA6) symbols++;  // U+2026, one ellipsis
            }
            letter_words += has_letter;
            figure[LINES]++;
            figure[BULLETS] += text[first] == '*' || (text[first] == '-' && text[first + (first + 1 < last)] != '-') ||
                               (last - first > 2 && text[first] == 0xE2 && text[first + 1] == 0x80 && text[first + 2] == 0xA2);
            figure[ELLIPSES] += (last - first > 2 && memcmp(text + last - 3, "...", 3) == 0) ||
                                (last - first > 2 && memcmp(text + last - 3, "\xE2\x80\xA6", 3) == 0);
            note_piece(&figure[REPEATED_LINES], &figure[REPEATED_LINE_BYTES], set, places, text + first, last - first);
        }
        start = end + 1;
    }
    figure[LETTERS] = (double)letters;
    figure[LETTER_WORDS] = (double)letter_words;
    figure[SYMBOLS] = (double)symbols;
    figure[BRACES] = (double)braces;
    figure[SENTENCES] = (double)sentences;

    memset(set, 0, places * sizeof *set);
    for (size_t start = 0; start < N;) {
        size_t end = start;
        while (end < N && !(text[end] == '\n' && end + 1 < N && text[end + 1] == '\n')) {
            const uint8_t *next = memchr(text + end + 1, '\n', N - end - 1);
            end = next ? (size_t)(next - text) : N;
        }
        size_t last = end;
        while (last > start && text[last - 1] == '\n') last--;
        if (last > start) {
            figure[PARAGRAPHS]++;
            note_piece(&figure[REPEATED_PARAGRAPHS], &figure[REPEATED_PARAGRAPH_BYTES], set, places, text + start, last - start);
        }
        while (end < N && text[end] == '\n') end++;
        start = end;
    }
    for (size_t i = 0; i < W; i++) gram[i] = longer_gram(0, word_hash[i]);
    for (size_t width = 2; width <= 10 && width <= W; width++) {
        size_t G = W - width + 1;
        for (size_t i = 0; i < G; i++) gram[i] = longer_gram(gram[i], word_hash[i + width - 1]);
        if (width < 5) figure[TOP_GRAM_2 + width - 2] = top_gram(gram, word_size, G, width, set, times, places);
        else figure[REPEATED_GRAM_5 + width - 5] = repeated_grams(gram, word_size, G, width, set, places);
    }
}
