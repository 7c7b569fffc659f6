// What this CPU can do at best: multiply-adds of registers with registers, no memory. Compiled once for each instruction set
// with the flags of fable6c/build_kernels.py; benchmarks/train.py compares the kernels with it.
//
//     peak THREADS    speaks as common.Worker expects: for each line "SECONDS" one line of JSON with the rates of all threads
//                     together in G operations a second (a multiply-add is two), one kind after another: f32 multiply-add, bf16 pairs into
//                     f32, int8 into integers, pairs of int16 into integers; 0 where the kernels have no use for such an instruction
//
// Twelve accumulators in flight hide the latency (four to six cycles, two instructions a cycle) of every instruction here. The time is
// that of the thread, so that a program beside it does not lower the peak.

#define _GNU_SOURCE
#include <immintrin.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#ifdef __AMX_INT8__
#include <sys/syscall.h>
#include <unistd.h>
#endif

#define CHAINS 12
#define ROUNDS 20000

// Accumulators by name, for an array of them would live in memory. After each use the operand may have changed, for all that the
// compiler knows: it must not compute a product once for all chains.
#define EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define DECLARE(i) acc sum##i = zero;
#define STEP(i)                         \
    {                                   \
        acc sum = sum##i;               \
        sum##i = NEXT;                  \
        __asm__ volatile("" : "+v"(a)); \
    }
#define USE(i) __asm__ volatile("" ::"v"(sum##i));
#define PEAK(name, accumulator, zeros, operand, value)  \
    static void name(void) {                            \
        typedef accumulator acc;                        \
        acc zero = zeros;                               \
        operand a = value, b = a;                       \
        EACH(DECLARE)                                   \
        for (int r = 0; r < ROUNDS; r++) { EACH(STEP) } \
        EACH(USE)                                       \
    }

#if defined(__AVX512F__)
enum { BYTES = 64 };
#define NEXT _mm512_fmadd_ps(a, b, sum)
PEAK(f32, __m512, _mm512_setzero_ps(), __m512, _mm512_set1_ps(0.5f))
#undef NEXT
#define NEXT _mm512_dpbusd_epi32(sum, a, b)
#ifdef __AMX_INT8__
enum { TILE_PRODUCTS = 16 * 16 * 64 };

// Four sums are enough: an instruction takes 16 cycles and its result 52.
static void int8(void) {
    static const struct {
        unsigned char palette, start_row, reserved[14];
        unsigned short row_bytes[16];
        unsigned char rows[16];
    } shape = {1, 0, {0}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};
    __asm__ volatile("ldtilecfg %0" ::"m"(shape));
    for (int r = 0; r < ROUNDS; r++)
        for (int i = 0; i < CHAINS / 4; i++) {
            _tile_dpbsud(0, 4, 6);
            _tile_dpbsud(1, 4, 7);
            _tile_dpbsud(2, 5, 6);
            _tile_dpbsud(3, 5, 7);
        }
    _tile_release();
}
#else
PEAK(int8, __m512i, _mm512_setzero_si512(), __m512i, _mm512_set1_epi8(1))
#endif
#undef NEXT
#elif defined(__AVX2__)
enum { BYTES = 32 };
#define NEXT _mm256_fmadd_ps(a, b, sum)
PEAK(f32, __m256, _mm256_setzero_ps(), __m256, _mm256_set1_ps(0.5f))
#undef NEXT
#ifdef __AVXVNNI__
#define NEXT _mm256_dpbusd_avx_epi32(sum, a, b)
PEAK(int8, __m256i, _mm256_setzero_si256(), __m256i, _mm256_set1_epi8(1))
#undef NEXT
#else
// with ternary weights pairs of products fit 16 bits, and so does a short sum of them
#define NEXT _mm256_add_epi16(sum, _mm256_maddubs_epi16(a, b))
PEAK(int8, __m256i, _mm256_setzero_si256(), __m256i, _mm256_set1_epi8(1))
#undef NEXT
#define NEXT _mm256_add_epi32(sum, _mm256_madd_epi16(a, b))
PEAK(int16, __m256i, _mm256_setzero_si256(), __m256i, _mm256_set1_epi16(1))
#undef NEXT
#endif
#else
enum { BYTES = 16 };
#define NEXT _mm_add_ps(sum, _mm_mul_ps(a, b))
PEAK(f32, __m128, _mm_setzero_ps(), __m128, _mm_set1_ps(0.5f))
#undef NEXT
// SSE2 has no product of bytes: 16-bit pairs, half as many in a register
#define NEXT _mm_add_epi32(sum, _mm_madd_epi16(a, b))
PEAK(int8, __m128i, _mm_setzero_si128(), __m128i, _mm_set1_epi16(1))
#undef NEXT
#endif

#if defined(__AVX512BF16__)
#define NEXT _mm512_dpbf16_ps(sum, a, b)
PEAK(bf16, __m512, _mm512_setzero_ps(), __m512bh, (__m512bh)_mm512_set1_epi16(0x3f00))
#undef NEXT
#endif

static const struct kind {
    const char *name;
    void (*run)(void);
    double operations; // in one instruction
} kinds[] = {
    {"f32", f32, BYTES / 4 * 2},
#if defined(__AVX512BF16__)
    {"bf16", bf16, BYTES / 2 * 2},
#else
    {"bf16", NULL, 0},
#endif
#if defined(__AMX_INT8__)
    {"int8", int8, TILE_PRODUCTS * 2},
#elif defined(__AVX2__)
    {"int8", int8, BYTES * 2},
#else
    {"int8", int8, BYTES / 2 * 2},
#endif
#if defined(__AVX2__) && !defined(__AVX512F__) && !defined(__AVXVNNI__)
    {"int16", int16, BYTES / 2 * 2},
#else
    {"int16", NULL, 0},
#endif
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

static struct job {
    const struct kind *kind;
    double seconds, rate;
} jobs[256];

static void *work(void *argument) {
    struct job *job = argument;
    double start = now(), taken;
    long runs = 0;
    do {
        job->kind->run();
        runs++;
        taken = now() - start;
    } while (taken < job->seconds);
    job->rate = runs * (double)ROUNDS * CHAINS * job->kind->operations / taken / 1e9;
    return NULL;
}

int main(int argc, char **argv) {
    int threads = argc > 1 ? atoi(argv[1]) : 1;
    if (threads < 1 || threads > 256) return 2;
#ifdef __AMX_INT8__
    if (syscall(SYS_arch_prctl, 0x1023, 18) != 0) return 1;  // as fable6c/_cpu.c asks for the tile registers
#endif
    char line[64];
    printf("{}\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        for (int k = 0; k < KINDS; k++) {
            double total = 0;
            pthread_t thread[256];
            for (int t = 0; t < threads && kinds[k].run; t++) {
                jobs[t] = (struct job){&kinds[k], atof(line) / KINDS, 0};
                if (pthread_create(&thread[t], NULL, work, &jobs[t]) != 0) return 1;
            }
            for (int t = 0; t < threads && kinds[k].run; t++) {
                pthread_join(thread[t], NULL);
                total += jobs[t].rate;
            }
            printf("%s\"%s\": %.2f", k ? ", " : "{", kinds[k].name, total);
        }
        printf("}\n");
        fflush(stdout);
    }
    return 0;
}
