// Questions about a text that was read: the sentence that answers, where it stands, and the words of it that are the answer. No model is
// asked but the scout. docs/scout.md, "Questions", explains it.
//
// The caller hands over all lines of the text twice. First it is counted how many sentences have each word of the questions, then the
// sentences with the rarest of them are kept, CANDIDATES for each question. The scout reads each of these, and the question behind it. Of
// the READ_CLOSELY that fit best, it looks for the likeliest words that answer. All is counted in bits: a quote is as good as the rarity
// of what it shares with the question, less what the question and the answer cost behind it.

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "_scout.h"
#include "_scout_text.h"

enum { CANDIDATES = 32, READ_CLOSELY = 4, BEFORE = 512, SENTENCE = 510, PASSAGE = BEFORE + SENTENCE + 2, LETTERS = 4, ANSWER_WORDS = 6 };
enum { PAIR, WHOLE, BEGINNING, FORMS };
enum { WORDS = 64, QUESTION = ASK_QUESTION, SPAN = 200, TOKENS = PASSAGE + 2 * QUESTION + SPAN };

void (*ask_read)(const scout *, const uint16_t *, double *, int32_t *, int, size_t) = scout_read;

typedef struct {
    double score;
    int64_t file, document, line;
    uint64_t hash;                // of the sentence
    uint16_t begins, size;        // of the sentence within the text
    char text[PASSAGE];           // what stands before it in its line, and it
} candidate;

typedef struct {
    char text[QUESTION + 1];
    int words, found;
    uint64_t whole[WORDS];
    double score;                 // of the sentence number `stamp`
    uint64_t stamp, stamps[2 * WORDS];
    candidate *best;              // sorted, the highest score first
} question;

// A word, or the beginning of one, that questions have.
typedef struct {
    uint64_t hash, stamp, sentences;
    double rarity;
    int first, count;  // in `refs`
} key;

typedef struct {
    uint64_t hash;
    int16_t question, word, form;  // of a pair, its first word
} ref;

_Static_assert(sizeof((scout_answer *)0)->answer == SPAN && sizeof((scout_answer *)0)->quote > SENTENCE, "an answer has room for both");

struct asking {
    bpe tokens;
    int questions, refs_count, keys_count, hit_count;
    question *question;
    ref *refs;
    key *keys;
    int *places, room;  // of keys by hash, + 1
    int *hits;          // keys that the sentence has
    uint64_t sentences, stamp;
    int pass;
    char line[1 << 16];
    uint8_t *kept, *kept_span, *kept_word;
};

static double bits_of(double chance) { return -scout_log(chance) / 0.69314718055994530942; }

// ---- words

static int in_word(uint8_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80; }

// The next word from *at on, in small letters: its hash, and that of its first letters, 0 where it has no more than these. 0 at the end.
static int next_word(const char *text, size_t size, size_t *at, uint64_t *whole, uint64_t *beginning) {
    while (*at < size && !in_word((uint8_t)text[*at])) ++*at;
    if (*at == size) return 0;
    size_t n = 0;
    for (*whole = 1, *beginning = 0; *at < size && in_word((uint8_t)text[*at]); ++*at) {
        uint8_t c = (uint8_t)text[*at];
        *whole = (*whole ^ (c >= 'A' && c <= 'Z' ? c + 32u : c)) * 0x9E3779B97F4A7C15u;
        *whole ^= *whole >> 29;
        if (++n == LETTERS) *beginning = ~*whole;
    }
    return 1;
}

// Two words that follow each other.
static uint64_t pair_of(uint64_t first, uint64_t second) { return (first ^ second << 1) * 0x9E3779B97F4A7C15u; }

static int is_space(char c) { return c == ' ' || (c >= 9 && c <= 13); }

// Whether the point at `at` belongs to the word before: Mr. and its like.
static int is_short_form(const char *text, size_t at) {
    static const char *const all[] = {"Mr", "Mrs", "Ms", "Dr", "St"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        size_t n = strlen(all[i]);
        if (at >= n && memcmp(text + at - n, all[i], n) == 0 && (at == n || !in_word((uint8_t)text[at - n - 1]))) return 1;
    }
    return 0;
}

// Where the sentence that begins at `at` ends.
static size_t sentence_end(const char *text, size_t size, size_t at) {
    for (; at < size; at++) {
        if (text[at] != '.' && text[at] != '!' && text[at] != '?') continue;
        if (text[at] == '.' && is_short_form(text, at)) continue;
        size_t end = at + 1;
        while (end < size && (text[end] == '"' || text[end] == '\'' || text[end] == ')')) end++;
        if (end + 3 <= size && (memcmp(text + end, "\xe2\x80\x9d", 3) == 0 || memcmp(text + end, "\xe2\x80\x99", 3) == 0)) end += 3;
        if (end == size || is_space(text[end])) return end;
    }
    return size;
}

// ---- questions

static const char *const HELPERS[] = {" did", " does", " do"};  // behind the first word, for grammar only

static int by_hash(const void *a, const void *b) {
    uint64_t x = ((const ref *)a)->hash, y = ((const ref *)b)->hash;
    return x < y ? -1 : x > y;
}

static key *find_key(const asking *a, uint64_t hash) {
    for (size_t at = hash >> 20;; at++) {
        int place = a->places[at & (size_t)(a->room - 1)];
        if (!place) return NULL;
        if (a->keys[place - 1].hash == hash) return &a->keys[place - 1];
    }
}

asking *ask_begin(const uint16_t *merges, int32_t count, const char *questions) {
    asking *a = calloc(1, sizeof *a);
    if (!a) return NULL;
    a->tokens.merges = count;
    memcpy(a->tokens.merge, merges, 4 * (size_t)count);
    bpe_begin(&a->tokens);
    for (const char *at = questions; *at; at++) a->questions += *at == '\n';
    a->question = calloc((size_t)a->questions, sizeof *a->question);
    a->refs = calloc((size_t)a->questions * FORMS * WORDS, sizeof *a->refs);
    if (!a->question || !a->refs) return ask_end(a), NULL;
    for (int i = 0; i < a->questions; i++) {
        question *q = &a->question[i];
        size_t size = strcspn(questions, "\n"), n = size < QUESTION ? size : QUESTION, at = 0;
        memcpy(q->text, questions, n);
        questions += size + 1;
        uint64_t whole, beginning, before = 0;
        next_word(q->text, n, &at, &whole, &beginning);  // the first word says what is asked, not what about
        for (size_t i = 0; i < sizeof HELPERS / sizeof *HELPERS; i++) {
            size_t length = strlen(HELPERS[i]);
            if (strncmp(q->text + at, HELPERS[i], length) == 0 && !in_word((uint8_t)q->text[at + length])) {
                at += length;
                break;
            }
        }
        while (q->words < WORDS && next_word(q->text, n, &at, &whole, &beginning)) {
            int known = 0;
            for (int w = 0; w < q->words; w++) known |= q->whole[w] == whole;
            if (known) continue;
            a->refs[a->refs_count++] = (ref){whole, (int16_t)i, (int16_t)q->words, WHOLE};
            if (beginning) a->refs[a->refs_count++] = (ref){beginning, (int16_t)i, (int16_t)q->words, BEGINNING};
            if (before) a->refs[a->refs_count++] = (ref){pair_of(before, whole), (int16_t)i, (int16_t)(WORDS + q->words), PAIR};
            before = whole;
            q->whole[q->words++] = whole;
        }
        q->best = malloc(CANDIDATES * sizeof *q->best);
        if (!q->best) return ask_end(a), NULL;
    }
    qsort(a->refs, (size_t)a->refs_count, sizeof *a->refs, by_hash);
    for (a->room = 64; a->room < 4 * a->refs_count; a->room *= 2) {}
    a->keys = calloc((size_t)a->refs_count + 1, sizeof *a->keys);
    a->hits = calloc((size_t)a->refs_count + 1, sizeof *a->hits);
    a->places = calloc((size_t)a->room, sizeof *a->places);
    if (!a->keys || !a->hits || !a->places) return ask_end(a), NULL;
    for (int i = 0; i < a->refs_count; i++) {
        if (i == 0 || a->refs[i].hash != a->refs[i - 1].hash) {
            a->keys[a->keys_count++] = (key){.hash = a->refs[i].hash, .first = i};
            size_t at = a->refs[i].hash >> 20;
            while (a->places[at & (size_t)(a->room - 1)]) at++;
            a->places[at & (size_t)(a->room - 1)] = a->keys_count;
        }
        a->keys[a->keys_count - 1].count++;
    }
    return a;
}

void ask_end(asking *a) {
    if (!a) return;
    for (int i = 0; a->question && i < a->questions; i++) free(a->question[i].best);
    free(a->question), free(a->refs), free(a->keys), free(a->hits), free(a->places), free(a->kept), free(a->kept_span),
        free(a->tokens.cache);
    free(a);
}

// ---- the text, line by line

// Keeps the sentence [from, to) of a line as one of the best of a question.
static void keep(question *q, const char *line, size_t from, size_t to, int64_t file, int64_t document, int64_t number) {
    if (q->found == CANDIDATES && q->best[CANDIDATES - 1].score >= q->score) return;
    if (to - from > SENTENCE)
        for (to = from + SENTENCE; (line[to] & 0xC0) == 0x80; to--) {}
    size_t before = from;
    if (from > BEFORE)  // whole words only
        for (before = from - BEFORE; before < from && !is_space(line[before]); before++) {}
    else before = 0;
    uint64_t hash;
    xxh64_state x;
    xxh64_begin(&x);
    xxh64_add(&x, (const uint8_t *)line + from, to - from);
    hash = xxh64_end(&x);
    for (int i = 0; i < q->found; i++)
        if (q->best[i].hash == hash) return;  // said before
    int at = q->found < CANDIDATES ? q->found++ : CANDIDATES - 1;
    for (; at > 0 && q->best[at - 1].score < q->score; at--) q->best[at] = q->best[at - 1];
    candidate *c = &q->best[at];
    c->score = q->score, c->hash = hash, c->file = file, c->document = document, c->line = number;
    c->begins = (uint16_t)(from - before), c->size = (uint16_t)(to - from);
    memcpy(c->text, line + before, to - before);
    c->text[to - before] = 0;
}

static void look_at(asking *a, const char *line, size_t from, size_t to, int64_t file, int64_t document, int64_t number) {
    uint64_t hash[FORMS] = {0}, before = 0;
    size_t at = from;
    a->stamp++;
    a->hit_count = 0;
    for (; next_word(line, to, &at, &hash[WHOLE], &hash[BEGINNING]); before = hash[WHOLE]) {
        hash[PAIR] = before ? pair_of(before, hash[WHOLE]) : 0;
        for (int form = 0; form < FORMS; form++) {
            key *k = hash[form] ? find_key(a, hash[form]) : NULL;
            if (!k || k->stamp == a->stamp) continue;
            k->stamp = a->stamp;
            if (a->pass == 0) k->sentences++;
            else a->hits[a->hit_count++] = (int)(k - a->keys);
        }
    }
    if (a->pass == 0) {
        a->sentences++;
        return;
    }
    for (int form = 0; form < FORMS; form++)  // the beginning of a word counts where the word itself is not there
        for (int i = 0; i < a->hit_count; i++) {
            const key *k = &a->keys[a->hits[i]];
            for (const ref *r = a->refs + k->first; r < a->refs + k->first + k->count; r++) {
                question *q = &a->question[r->question];
                if (r->form != form || q->stamps[r->word] == a->stamp) continue;
                q->stamps[r->word] = a->stamp;
                if (q->stamp != a->stamp) q->stamp = a->stamp, q->score = 0;
                q->score += form == PAIR ? k->rarity / 2 : k->rarity;
            }
        }
    for (int i = 0; i < a->hit_count; i++) {
        const key *k = &a->keys[a->hits[i]];
        for (const ref *r = a->refs + k->first; r < a->refs + k->first + k->count; r++) {
            question *q = &a->question[r->question];
            if (q->stamp == a->stamp && q->score > 0) keep(q, line, from, to, file, document, number), q->score = 0;
        }
    }
}

// A line that is itself a question with its answer: they are learned, not quoted.
static int is_question(const char *line, size_t size) {
    const char *mark = memchr(line, '?', size);
    size_t first = 0, at = mark ? (size_t)(mark - line) + 1 : size;
    while (first < size && in_word((uint8_t)line[first])) first++;
    return first && at + first + 2 <= size && line[at] == ' ' && memcmp(line + at + 1, line, first) == 0 && line[at + 1 + first] == ':';
}

void ask_line(asking *a, int32_t pass, const char *line, size_t size, int64_t file, int64_t document, int64_t number) {
    if (pass != a->pass)
        for (int i = 0; i < a->keys_count; i++)
            a->keys[i].rarity = bits_of((double)(a->keys[i].sentences + 1) / (double)(a->sentences + 1));
    a->pass = pass;
    if (is_question(line, size)) return;
    for (size_t from = 0, to; from < size; from = to) {
        while (from < size && is_space(line[from])) from++;
        to = sentence_end(line, size, from);
        if (to > from) look_at(a, line, from, to, file, document, number);
    }
}

// The text that the scout itself remembers: its last tokens. A line's number is that of its first token.
void ask_memory(asking *a, int32_t pass, const scout *s) {
    int64_t end = s->position[0], from = end > s->ring_slots ? end - s->ring_slots : 0;
    int64_t first = from;
    size_t size = 0;
    int whole = from == 0;  // the oldest line may have lost its beginning
    for (int64_t i = from; i < end; i++) {
        uint32_t token = s->ring[i & (s->ring_slots - 1)];
        if (token >= (uint32_t)a->tokens.V) continue;
        size_t n = a->tokens.length[token];
        if (token == '\n' || size + n > sizeof a->line) {
            if (whole && size) ask_line(a, pass, a->line, size, 0, 0, first + 1);
            whole = 1, size = 0, first = token == '\n' ? i + 1 : i;
            if (token == '\n') continue;
        }
        memcpy(a->line + size, a->tokens.bytes[token], n);
        size += n;
    }
    if (whole && size) ask_line(a, pass, a->line, size, 0, 0, first + 1);
}

// ---- what it costs to read

static size_t encode(const asking *a, uint16_t *tokens, const char *text, size_t size) {
    ptrdiff_t n = bpe_encode(&a->tokens, tokens, (const uint8_t *)text, size);
    return n < 0 ? 0 : (size_t)n;
}

// Reads tokens frozen: the probability of each, until the next call.
static const double *read_tokens(const scout *s, const uint16_t *tokens, size_t n) {
    static double probability[TOKENS];
    static int32_t confidence[4 * TOKENS];
    ask_read(s, tokens, probability, confidence, 0, n);
    return probability;
}

static double cost_of(const scout *s, const uint16_t *tokens, size_t n) {
    const double *probability = read_tokens(s, tokens, n);
    double bits = 0;
    for (size_t i = 0; i < n; i++) bits += bits_of(probability[i]);
    return bits;
}

// Whether the question has the last word of a span.
static int ends_in_question(const question *q, const char *span, size_t size) {
    uint64_t whole = 0, beginning = 0;
    size_t at = 0;
    while (next_word(span, size, &at, &whole, &beginning)) {}
    for (int w = 0; w < q->words; w++)
        if (q->whole[w] == whole) return 1;
    return 0;
}

// The probability of a text to come next; with `stay` the scout has then read it, else it forgets it.
static double chance_of(asking *a, const scout *s, const char *text, size_t size, int stay) {
    uint16_t tokens[SPAN + 2];
    size_t count = encode(a, tokens, text, size);
    if (!stay) scout_keep(s, tokens, count, a->kept_word);
    const double *probability = read_tokens(s, tokens, count);
    double chance = 1;
    for (size_t i = 0; i < count; i++) chance *= probability[i];
    if (!stay) scout_forget(s, count, a->kept_word);
    return chance;
}

typedef struct {
    const char *at;
    size_t size;
} word;

// The words of a sentence, no longer than an answer.
static int words_of(const char *text, size_t size, word *words) {
    int n = 0;
    for (size_t at = 0; at < size && n < WORDS;) {
        size_t from = at;
        while (at < size && (in_word((uint8_t)text[at]) ||
                             (at > from && (text[at] == '\'' || text[at] == '-') && at + 1 < size && in_word((uint8_t)text[at + 1]))))
            at++;
        if (at == from) at++;
        else if (at - from < SPAN - 1) words[n++] = (word){text + from, at - from};
    }
    return n;
}

// Whether the word after word i follows with nothing but a blank: no answer goes beyond a comma.
static int follows(const word *words, int n, int i) {
    return i + 1 < n && words[i + 1].at == words[i].at + words[i].size + 1 && words[i].at[words[i].size] == ' ';
}

// The probability of a word with the blank before it.
static double chance_of_word(asking *a, const scout *s, word w, int stay) {
    char text[SPAN] = " ";
    memcpy(text + 1, w.at, w.size);
    return chance_of(a, s, text, w.size + 1, stay);
}

// The likeliest part of a sentence as the answer, after the scout has read the passage and the question: it chooses with which word the answer
// begins, and after each word whether it ends there. Returns its bits.
static double best_span(asking *a, const scout *s, const question *q, const char *quote, size_t size, char *best) {
    word words[WORDS];
    uint16_t tokens[SPAN + 1];
    char text[SPAN + 1] = " ";
    double begins[WORDS], sum = 0, least = 1e9;
    int n = words_of(quote, size, words);
    best[0] = 0;
    for (int i = 0; i < n; i++) sum += begins[i] = chance_of_word(a, s, words[i], 0);
    for (int i = 0; i < n; i++) {
        double chance = begins[i] / sum;
        int last = i;
        while (last + 1 < i + ANSWER_WORDS && follows(words, n, last) && words[last + 1].at + words[last + 1].size < words[i].at + SPAN - 1)
            last++;
        size_t all = (size_t)(words[last].at - words[i].at) + words[last].size;
        memcpy(text + 1, words[i].at, all);
        size_t count = encode(a, tokens, text, all + 1);
        scout_keep(s, tokens, count, a->kept_span);
        for (int j = i; j <= last; j++) {
            chance_of_word(a, s, words[j], 1);
            double ends = chance_of(a, s, ".", 1, 0), goes_on = follows(words, n, j) ? chance_of_word(a, s, words[j + 1], 0) : 0;
            double bits = bits_of(chance * ends / (ends + goes_on));
            if (bits < least && !ends_in_question(q, words[j].at, words[j].size)) {
                size_t part = (size_t)(words[j].at - words[i].at) + words[j].size;
                least = bits;
                memcpy(best, words[i].at, part);
                best[part] = 0;
            }
            chance *= goes_on / (ends + goes_on);
        }
        scout_forget(s, count, a->kept_span);
    }
    return least;
}

// What the scout reads to answer: the passage of a candidate, if there is one, and the question. Returns the number of tokens.
static size_t to_read(const asking *a, uint16_t *tokens, const candidate *c, const uint16_t *asked, size_t n) {
    size_t count = 0;
    tokens[count++] = '\n';
    if (c) {
        count += encode(a, tokens + count, c->text, c->begins + (size_t)c->size);
        tokens[count++] = '\n';
    }
    memcpy(tokens + count, asked, n * sizeof *asked);
    return count + n;
}

// The question as it stands in texts of `corpus questions`: its first word comes once more, so that it stands right before the answer.
static size_t question_tokens(const asking *a, const question *q, uint16_t *tokens) {
    char text[2 * QUESTION + 2];
    size_t first = 0, size = strlen(q->text);
    while (in_word((uint8_t)q->text[first])) first++;
    memcpy(text, q->text, size);
    text[size++] = ' ';
    memcpy(text + size, text, first);
    size += first;
    text[size++] = ':';
    return encode(a, tokens, text, size);
}

int ask_answer(asking *a, const scout *s, int32_t which, scout_answer *answer) {
    question *q = &a->question[which];
    uint16_t tokens[TOKENS], asked[2 * QUESTION + 2];
    char span[SPAN];
    double cost[CANDIDATES], gain[CANDIDATES], alone = 0, least = 1e18;
    uint8_t **kept[] = {&a->kept, &a->kept_span, &a->kept_word};
    memset(answer, 0, sizeof *answer);
    for (size_t i = 0; i < 3; i++)
        if (!*kept[i] && !(*kept[i] = malloc(scout_keep_size(s, TOKENS)))) return -1;
    size_t n = question_tokens(a, q, asked);
    for (int i = -1; i < q->found; i++) {
        const candidate *c = i < 0 ? NULL : &q->best[i];
        size_t all = to_read(a, tokens, c, asked, n);
        scout_keep(s, tokens, all, a->kept);
        cost_of(s, tokens, all - n);
        double bits = cost_of(s, tokens + all - n, n);
        if (!c) alone = bits;
        else cost[i] = bits - c->score, gain[i] = alone - bits;
        scout_forget(s, all, a->kept);
    }
    for (int round = 0; round < READ_CLOSELY && round < q->found; round++) {
        int at = 0;
        for (int i = 1; i < q->found; i++)
            if (cost[i] < cost[at]) at = i;
        const candidate *c = &q->best[at];
        size_t all = to_read(a, tokens, c, asked, n);
        scout_keep(s, tokens, all, a->kept);
        cost_of(s, tokens, all);
        double bits = best_span(a, s, q, c->text + c->begins, c->size, span);
        scout_forget(s, all, a->kept);
        if (span[0] && cost[at] + bits < least) {
            least = cost[at] + bits;
            answer->file = c->file, answer->document = c->document, answer->line = c->line;
            answer->gain = gain[at], answer->bits = bits;
            memcpy(answer->quote, c->text + c->begins, c->size);
            answer->quote[c->size] = 0;
            memcpy(answer->answer, span, sizeof span);
        }
        cost[at] = 1e18;  // is done with
    }
    return answer->answer[0] != 0;
}
