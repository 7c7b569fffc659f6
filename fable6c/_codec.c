// Updates of a model in two bits a number: what the workers of a cluster send each other and an update file holds (fable6c/training/codec.py).
//
// Legend: N numbers in blocks of CODEC_BLOCK, P bytes of payload.
//
//   payload   "F6U\1" | u32 0 | u64 N | for each block: f32 low | f32 high | ceil(n / 4) bytes of codes
//   code      bit 0: high, else low; bit 1: negative. Number j of a block of n stands in byte j % Q at bit 2 * (j / Q), Q = ceil(n / 4)
//
// All little-endian. Low and high are the means of the block's smaller and larger magnitudes, which Lloyd's iteration divides from each
// other (S. P. Lloyd, Least squares quantization in PCM, 1982). So a block of which most numbers are zero loses nothing of the others.
// Sums have one order whatever the registers' width, so all machines make the same bytes of the same numbers.

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "_codec.h"

#define LARGEST 65536.0f  // of a number: no honest update comes near, and sums of such stay finite
enum { LANES = 16, ITERATIONS = 3 };
static const uint8_t MAGIC[8] = {'F', '6', 'U', 1, 0, 0, 0, 0};

static inline size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

static void put(uint8_t *to, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) to[i] = (uint8_t)(value >> 8 * i);
}

static uint64_t get(const uint8_t *from, size_t bytes) {
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++) value |= (uint64_t)from[i] << 8 * i;
    return value;
}

static void put_float(uint8_t *to, float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    put(to, bits, 4);
}

static float get_float(const uint8_t *from) {
    uint32_t bits = (uint32_t)get(from, 4);
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

// The bytes of a payload for N numbers.
size_t codec_size(size_t N) {
    size_t whole = N / CODEC_BLOCK, rest = N % CODEC_BLOCK;
    return CODEC_HEAD + whole * (8 + CODEC_BLOCK / 4) + (rest ? 8 + (rest + 3) / 4 : 0);
}

// As wide as a register of every processor that has any: GCC compares wider vectors number by number where registers are narrower.
typedef float lanes __attribute__((vector_size(16)));
typedef int32_t counts __attribute__((vector_size(16)));
enum { WIDTH = 4, VECTORS = LANES / WIDTH };

// Sum and count of those of the magnitudes (CODEC_BLOCK, zero behind the block's end) that are above a limit.
static void sum_above(float *sum, float *count, const float *magnitude, float limit) {
    lanes sums[VECTORS] = {{0}}, limits = sums[0] + limit;
    counts number[VECTORS] = {{0}};
    for (size_t i = 0; i < CODEC_BLOCK; i += LANES)
        for (size_t v = 0; v < VECTORS; v++) {
            lanes values;
            memcpy(&values, magnitude + i + v * WIDTH, sizeof values);
            counts above = values > limits;  // -1 where it is so
            sums[v] += (lanes)((counts)values & above);
            number[v] -= above;
        }
    *sum = *count = 0.0f;
    for (size_t lane = 0; lane < LANES; lane++)
        *sum += sums[lane / WIDTH][lane % WIDTH], *count += (float)number[lane / WIDTH][lane % WIDTH];
}

// The two magnitudes of a block of n numbers that `limit` divides. Where all are on one side, both are their mean.
static void means(float *low, float *high, const float *magnitude, float limit, float total, size_t n) {
    float sum, count;
    sum_above(&sum, &count, magnitude, limit);
    float below = (float)n - count, mean = total / (float)n;
    *high = count > 0.0f ? sum / count : mean;
    *low = below > 0.0f ? (total - sum) / below : mean;
    if (*low < 0.0f) *low = 0.0f;  // the difference of two sums, each rounded
    if (*high < *low) *high = *low;
}

// Makes the payload of delta, and in `rest` what it lacks of it. Returns 0, or the number of the first block, counted from 1, that has a
// number that is not finite or above LARGEST.
size_t codec_encode(uint8_t *payload, float *rest, const float *delta, size_t P, size_t N) {
    if (P != codec_size(N)) return 1;
    memcpy(payload, MAGIC, 8);
    put(payload + 8, N, 8);
    uint8_t *at = payload + CODEC_HEAD;
    for (size_t start = 0; start < N; start += CODEC_BLOCK) {
        size_t n = smaller(CODEC_BLOCK, N - start), Q = (n + 3) / 4;
        float magnitude[CODEC_BLOCK], total, count, low, high;
        uint8_t code[CODEC_BLOCK], outside = 0;
        for (size_t i = 0; i < n; i++) {
            float value = delta[start + i];
            magnitude[i] = value < 0.0f ? -value : value;
        }
        for (size_t i = n; i < CODEC_BLOCK; i++) magnitude[i] = 0.0f;
        for (size_t i = 0; i < n; i++) outside |= !(magnitude[i] <= LARGEST);
        if (outside) return start / CODEC_BLOCK + 1;
        sum_above(&total, &count, magnitude, 0.0f);
        float limit = total / (float)n;
        for (size_t i = 0; i < ITERATIONS; i++) {
            means(&low, &high, magnitude, limit, total, n);
            limit = 0.5f * (low + high);
        }
        means(&low, &high, magnitude, limit, total, n);
        put_float(at, low);
        put_float(at + 4, high);
        for (size_t i = 0; i < n; i++) {
            float value = delta[start + i], size = magnitude[i] > limit ? high : low;
            code[i] = (uint8_t)((magnitude[i] > limit) | (value < 0.0f) << 1);
            rest[start + i] = value - (value < 0.0f ? -size : size);
        }
        for (size_t i = n; i < 4 * Q; i++) code[i] = 0;
        for (size_t i = 0; i < Q; i++) at[8 + i] = (uint8_t)(code[i] | code[i + Q] << 2 | code[i + 2 * Q] << 4 | code[i + 3 * Q] << 6);
        at += 8 + Q;
    }
    return 0;
}

// Whether the bytes are a payload of N numbers. Returns 0, or 1: another size, 2: another magic or
// number of numbers, 3: magnitudes that are out of order or range, 4: codes behind the last number.
size_t codec_check(const uint8_t *payload, size_t P, size_t N) {
    if (P < CODEC_HEAD || N > SIZE_MAX / 4 || P != codec_size(N)) return 1;
    if (memcmp(payload, MAGIC, 8) || get(payload + 8, 8) != N) return 2;
    const uint8_t *at = payload + CODEC_HEAD;
    for (size_t start = 0; start < N; start += CODEC_BLOCK) {
        size_t n = smaller(CODEC_BLOCK, N - start), Q = (n + 3) / 4;
        float low = get_float(at), high = get_float(at + 4);
        if (!(low >= 0.0f && low <= high && high <= LARGEST)) return 3;
        for (size_t j = n; j < 4 * Q; j++)
            if (at[8 + j % Q] >> 2 * (j / Q) & 3) return 4;
        at += 8 + Q;
    }
    return 0;
}

// sum += weight * the numbers of a payload. Returns what codec_check does; the sum is untouched unless that is 0.
size_t codec_add(float *sum, const uint8_t *payload, float weight, size_t P, size_t N) {
    size_t wrong = codec_check(payload, P, N);
    if (wrong) return wrong;
    const uint8_t *at = payload + CODEC_HEAD;
    for (size_t start = 0; start < N; start += CODEC_BLOCK) {
        size_t n = smaller(CODEC_BLOCK, N - start), Q = (n + 3) / 4;
        float low = weight * get_float(at), high = weight * get_float(at + 4);
        for (size_t part = 0; part < 4; part++) {
            float *out = sum + start + part * Q;
            size_t here = part * Q < n ? smaller(Q, n - part * Q) : 0;
            for (size_t i = 0; i < here; i++) {
                uint8_t code = at[8 + i] >> 2 * part;
                float size = code & 1 ? high : low;
                out[i] += code & 2 ? -size : size;
            }
        }
        at += 8 + Q;
    }
    return 0;
}
