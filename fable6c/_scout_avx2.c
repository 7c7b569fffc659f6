// The scout's program reads with AVX2 where the processor has it: _scout.c once more, with other names. The bits are the same. Python's
// extensions choose in native.py instead.

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__AVX2__)
#define WITH_AVX2
#pragma GCC target("avx2")
#define scout_read scout_read_avx2
#define scout_distribution scout_distribution_avx2
#define scout_keep_size scout_keep_size_avx2
#define scout_keep scout_keep_avx2
#define scout_forget scout_forget_avx2
#include "_scout.c"
#undef scout_read
#undef scout_distribution
#undef scout_keep_size
#undef scout_keep
#undef scout_forget
#else
#include "_scout.h"
#endif

void scout_read(const scout *s, const uint16_t *tokens, double *probability, int32_t *confidence, int learn, size_t N);
void scout_distribution(const scout *s, double *probability);

void scout_read_best(const scout *s, const uint16_t *tokens, double *probability, int32_t *confidence, int learn, size_t N) {
#ifdef WITH_AVX2
    if (__builtin_cpu_supports("avx2")) {
        scout_read_avx2(s, tokens, probability, confidence, learn, N);
        return;
    }
#endif
    scout_read(s, tokens, probability, confidence, learn, N);
}

void scout_distribution_best(const scout *s, double *probability) {
#ifdef WITH_AVX2
    if (__builtin_cpu_supports("avx2")) {
        scout_distribution_avx2(s, probability);
        return;
    }
#endif
    scout_distribution(s, probability);
}
