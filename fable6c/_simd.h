// The registers of the instruction set that _kernels.c is compiled for, behind names that are the same in all of them.
//
//   vec      LANES numbers f32
//   element  a number of a gradient product, f32 or bf16; PAIR of them fill a lane of 32 bits
//   ivec     LANES numbers i32, sums of products of 8-bit numbers; in AVX2 and plain NEON twice as many of 16 bits, which must be widened in time
//
// A tile of a matrix product (_tiles.h) is MR rows by two registers, so many that its sums are all in registers.

#ifndef SIMD_H
#define SIMD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define INLINE static inline __attribute__((always_inline))

INLINE size_t min_size(size_t a, size_t b) { return a < b ? a : b; }
INLINE size_t blocks(size_t n, size_t block) { return (n + block - 1) / block; }
INLINE size_t round_up(size_t n, size_t block) { return blocks(n, block) * block; }

// a·b + c in one rounding where the CPU can, else in two: for what needs no bits of docs/numerics.md.
#if defined(__FMA__) || defined(__aarch64__)
#define MULTIPLY_ADD(a, b, c) __builtin_fmaf(a, b, c)
#else
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
#endif

#if defined(__AVX512F__)
#define LANES 16
#define MR 8
typedef __m512 vec;
INLINE vec vec_zero(void) { return _mm512_setzero_ps(); }
INLINE vec vec_load(const void *p) { return _mm512_loadu_ps(p); }
INLINE vec vec_broadcast(const void *p) { return _mm512_set1_ps(*(const float *)p); }
INLINE void vec_store(float *p, vec x) { _mm512_storeu_ps(p, x); }
INLINE vec vec_add(vec a, vec b) { return _mm512_add_ps(a, b); }
INLINE vec vec_mul(vec a, vec b) { return _mm512_mul_ps(a, b); }
INLINE vec vec_fma(vec a, vec b, vec c) { return _mm512_fmadd_ps(a, b, c); }
#elif defined(__AVX2__)
#define LANES 8
#define MR 6
typedef __m256 vec;
INLINE vec vec_zero(void) { return _mm256_setzero_ps(); }
INLINE vec vec_load(const void *p) { return _mm256_loadu_ps(p); }
INLINE vec vec_broadcast(const void *p) { return _mm256_broadcast_ss(p); }
INLINE void vec_store(float *p, vec x) { _mm256_storeu_ps(p, x); }
INLINE vec vec_add(vec a, vec b) { return _mm256_add_ps(a, b); }
INLINE vec vec_mul(vec a, vec b) { return _mm256_mul_ps(a, b); }
INLINE vec vec_fma(vec a, vec b, vec c) { return _mm256_fmadd_ps(a, b, c); }
#else
#define LANES 4
#ifdef __aarch64__
#define MR 8  // of 32 registers
#else
#define MR 4
#endif
typedef float vec __attribute__((vector_size(16)));
INLINE vec vec_zero(void) { return (vec){0, 0, 0, 0}; }
INLINE vec vec_load(const void *p) {
    vec x;
    memcpy(&x, p, 16);
    return x;
}
INLINE vec vec_broadcast(const void *p) {
    float x = *(const float *)p;
    return (vec){x, x, x, x};
}
INLINE void vec_store(float *p, vec x) { memcpy(p, &x, 16); }
INLINE vec vec_add(vec a, vec b) { return a + b; }
INLINE vec vec_mul(vec a, vec b) { return a * b; }
#ifdef __aarch64__
INLINE vec vec_fma(vec a, vec b, vec c) { return vfmaq_f32(c, a, b); }
#else
INLINE vec vec_fma(vec a, vec b, vec c) { return a * b + c; }
#endif
#endif

// The element type of the gradient products, and how many of its numbers fill a lane.
#ifdef __AVX512BF16__
#define PAIR 2
typedef uint16_t element;
INLINE element to_element(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return (element)((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);  // round half to even
}
INLINE vec gradient_step(vec a, vec b, vec c) { return _mm512_dpbf16_ps(c, (__m512bh)a, (__m512bh)b); }
#else
#define PAIR 1
typedef float element;
INLINE element to_element(float x) { return x; }
INLINE vec gradient_step(vec a, vec b, vec c) { return vec_fma(a, b, c); }
#endif

// Integer dot products of fours. x86's instructions want one unsigned operand, so a weight is stored as w + 1 in
// {0, 1, 2}; Σ q·(w + 1) − Σ q = Σ q·w. Those of ARM take two signed ones: nothing is added.
#ifdef __aarch64__
#define BIAS 0
#else
#define BIAS 1
#endif

#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
typedef int32_t ivec __attribute__((vector_size(4 * LANES)));
INLINE ivec int_zero(void) { return (ivec){0}; }
INLINE ivec int_load(const void *p) {
    ivec x;
    memcpy(&x, p, sizeof x);
    return x;
}
INLINE ivec int_broadcast(const void *p) {
    int32_t x;
    memcpy(&x, p, 4);
    return (ivec){0} + x;
}
#ifdef __AVX512VNNI__
INLINE ivec int_step(ivec acc, ivec w, ivec x) { return (ivec)_mm512_dpbusd_epi32((__m512i)acc, (__m512i)w, (__m512i)x); }
#else
INLINE ivec int_step(ivec acc, ivec w, ivec x) { return (ivec)_mm256_dpbusd_avx_epi32((__m256i)acc, (__m256i)w, (__m256i)x); }
#endif
INLINE vec int_to_float(ivec x, int32_t offset) { return __builtin_convertvector(x - offset, vec); }
#define INT_DEPTH 0  // lanes of 32 bits: no limit
#elif defined(__AVX2__)
// Pairs of products are at most 2·2·127 = 508, so 64 of them fit a 16-bit lane before they must be widened.
typedef __m256i ivec;
INLINE ivec int_zero(void) { return _mm256_setzero_si256(); }
INLINE ivec int_load(const void *p) { return _mm256_loadu_si256(p); }
INLINE ivec int_broadcast(const void *p) {
    int32_t x;
    memcpy(&x, p, 4);
    return _mm256_set1_epi32(x);
}
INLINE ivec int_step(ivec acc, ivec w, ivec x) {  // _mm256_add_epi16(acc, _mm256_maddubs_epi16(w, x)), without copies
    ivec products;
    __asm__("vpmaddubsw %3, %2, %1\n\tvpaddw %1, %0, %0" : "+x"(acc), "=&x"(products) : "x"(w), "x"(x));
    return acc;
}
INLINE ivec int_widen(ivec total, ivec part) { return _mm256_add_epi32(total, _mm256_madd_epi16(part, _mm256_set1_epi16(1))); }
INLINE ivec pair_step(ivec acc, ivec b, ivec a) {  // the same for pairs of 16-bit numbers: 32-bit lanes, no widening
    ivec products;
    __asm__("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0" : "+x"(acc), "=&x"(products) : "x"(b), "x"(a));
    return acc;
}
#define PAIR_GRADIENT
INLINE vec int_to_float(ivec x, int32_t offset) { return _mm256_cvtepi32_ps(_mm256_sub_epi32(x, _mm256_set1_epi32(offset))); }
#define INT_DEPTH 64
#elif defined(__SSE2__)
// Even and odd bytes as 16-bit numbers: SSE2 multiplies those in pairs (pmaddwd).
typedef __m128i ivec;
INLINE ivec int_zero(void) { return _mm_setzero_si128(); }
INLINE ivec int_load(const void *p) { return _mm_loadu_si128(p); }
INLINE ivec int_broadcast(const void *p) {
    int32_t x;
    memcpy(&x, p, 4);
    return _mm_set1_epi32(x);
}
INLINE ivec int_step(ivec acc, ivec w, ivec x) {
    __m128i even = _mm_madd_epi16(_mm_and_si128(w, _mm_set1_epi16(255)), _mm_srai_epi16(_mm_slli_epi16(x, 8), 8));
    __m128i odd = _mm_madd_epi16(_mm_srli_epi16(w, 8), _mm_srai_epi16(x, 8));
    return _mm_add_epi32(acc, _mm_add_epi32(even, odd));
}
INLINE vec int_to_float(ivec x, int32_t offset) { return (vec)_mm_cvtepi32_ps(_mm_sub_epi32(x, _mm_set1_epi32(offset))); }
#define INT_DEPTH 0  // lanes of 32 bits: no limit
#elif defined(__aarch64__)
typedef int32x4_t ivec;
INLINE ivec int_zero(void) { return vdupq_n_s32(0); }
INLINE ivec int_load(const void *p) { return vreinterpretq_s32_s8(vld1q_s8(p)); }
INLINE vec int_to_float(ivec x, int32_t offset) { return vcvtq_f32_s32(x - offset); }
#ifdef __ARM_FEATURE_DOTPROD
typedef int32_t unaligned __attribute__((may_alias, aligned(1)));
INLINE ivec int_broadcast(const void *p) {  // only a load, to the first lane, which int_step multiplies with all of w
    ivec x;
    __asm__("ldr %s0, %1" : "=w"(x) : "m"(*(const unaligned *)p));
    return x;
}
INLINE ivec int_step(ivec acc, ivec w, ivec x) { return vdotq_laneq_s32(acc, vreinterpretq_s8_s32(w), vreinterpretq_s8_s32(x), 0); }
#define INT_DEPTH 0  // lanes of 32 bits: no limit
#else
INLINE ivec int_broadcast(const void *p) {
    int32_t x;
    memcpy(&x, p, 4);
    return vdupq_n_s32(x);
}
// The product of a ternary weight fits 8 bits, and a pair of them is at most 254, so that 128 pairs fit a 16-bit lane.
INLINE ivec int_step(ivec acc, ivec w, ivec x) {
    int8x16_t products = vmulq_s8(vreinterpretq_s8_s32(w), vreinterpretq_s8_s32(x));
    __asm__("sadalp %0.8h, %1.16b" : "+w"(acc) : "w"(products));  // vpadalq_s8, without copies
    return acc;
}
INLINE ivec int_widen(ivec total, ivec part) { return vpadalq_s16(total, vreinterpretq_s16_s32(part)); }
#define INT_DEPTH 128
#endif
#else
typedef struct {
    int32_t lane[LANES];
} ivec;
INLINE ivec int_zero(void) { return (ivec){{0}}; }
INLINE ivec int_load(const void *p) {
    ivec x;
    memcpy(&x, p, sizeof x);
    return x;
}
INLINE ivec int_broadcast(const void *p) {
    ivec x;
    for (int i = 0; i < LANES; i++) memcpy(&x.lane[i], p, 4);
    return x;
}
INLINE ivec int_step(ivec acc, ivec w, ivec x) {
    const uint8_t *wb = (const uint8_t *)&w;
    const int8_t *xb = (const int8_t *)&x;
    for (int i = 0; i < 4 * LANES; i++) acc.lane[i / 4] += wb[i] * xb[i];
    return acc;
}
INLINE vec int_to_float(ivec x, int32_t offset) {
    vec y;
    for (int i = 0; i < LANES; i++) y[i] = (float)(x.lane[i] - offset);
    return y;
}
#define INT_DEPTH 0  // lanes of 32 bits: no limit
#endif

#endif
