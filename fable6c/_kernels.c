// All kernels of the trainer, in model order, each x_forward beside its x_backward.
//
// Legend: B batch, T time, C channels in, O channels out, H GLU hidden, K convolution taps or, in copying, numbers of a key, V vocabulary,
//         N tokens (= B·T), P = C rounded up to a multiple of 4, S scales of a ternary matrix (1, or O: one for each row), Z size of a scratch buffer.
// Outputs come first, then saved buffers, inputs, weights, sizes. Gradients of parameters are added to (the caller
// zeroes them); gradients of activations are written, except where a residual branch joins (rmsnorm_backward).
//
// The forward pass follows docs/numerics.md operation by operation; the file is compiled with -ffp-contract=off, and fused
// multiply-add appears only where a gradient, the optimizer, the loss or the odds of copying ask for it (MULTIPLY_ADD). Loops over threads give each
// output to one writer and keep the order of every sum, so the number of threads never changes a bit.
//
// The file is compiled once for each instruction set (build_kernels.py); fable6c/native.py loads the best one. What depends on the set
// stands in _simd.h, the tiles of the matrix products in _tiles.h, those of AMX in _amx.h.

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "_kernels.h"
#include "_tiles.h"

// ---------------------------------------------------------------------------------------------------------------------
// The machine

// Asks for `wanted` threads and returns how many there will be: 1 where the compiler had no OpenMP.
int set_threads(int wanted) {
#ifdef _OPENMP
    omp_set_dynamic(0);
    omp_set_num_threads(wanted);
    return wanted;
#else
    (void)wanted;
    return 1;
#endif
}

// How many threads a parallel region may have; within it, the calling thread's number and how many there are.
#ifdef _OPENMP
INLINE int max_threads(void) { return omp_get_max_threads(); }
INLINE size_t my_number(void) { return (size_t)omp_get_thread_num(); }
INLINE size_t team_size(void) { return (size_t)omp_get_num_threads(); }
#else
INLINE int max_threads(void) { return 1; }
INLINE size_t my_number(void) { return 0; }
INLINE size_t team_size(void) { return 1; }
#endif

int threads(void) { return max_threads(); }

// The bits of the numbers that linear_backward_weight_int8 multiplies; 0 if they are floats.
#ifdef PAIR_GRADIENT
#define GRADIENT_BITS 16
#else
#define GRADIENT_BITS (INT_DEPTH ? 0 : 8)
#endif
int gradient_bits(void) { return GRADIENT_BITS; }

// The contiguous share of `count` items, cut at multiples of `grain`, that the calling thread takes in a parallel region.
INLINE void my_share(size_t count, size_t grain, size_t *from, size_t *to) {
    size_t thread = my_number(), team = team_size();
    size_t grains = blocks(count, grain);
    *from = min_size(count, grains * thread / team * grain);
    *to = min_size(count, grains * (thread + 1) / team * grain);
}

// Ask for a row (count) ahead of its use: the processor's own prefetching ends at a page, and some rows are one.
INLINE void prefetch(const float *row, size_t count) {
    for (size_t i = 0; i < count; i += 16) __builtin_prefetch(row + i);
}

// ---------------------------------------------------------------------------------------------------------------------
// Scalar functions of docs/numerics.md (the compiler vectorizes the loops around them)

// Round half to even for |x| < 2^22: adding 1.5·2^23 leaves no fraction bits.
INLINE float nearest(float x) { return (x + 12582912.0f) - 12582912.0f; }

INLINE float exp_f32(float x) {
    x = x > 80.0f ? 80.0f : x;
    x = x < -80.0f ? -80.0f : x;
    float t = x * 1.4426950408889634f, n = nearest(t), f = t - n;
    float p = ((((0.00132647273f * f + 0.00967151299f) * f + 0.0555073358f) * f + 0.240222424f) * f + 0.693147004f) * f + 1.0f;
    uint32_t bits = (uint32_t)((int32_t)n + 127) << 23;  // unsigned, because a NaN has become a negative number
    float power;
    memcpy(&power, &bits, 4);
    return p * power;
}

INLINE float sigmoid(float x) { return 1.0f / (1.0f + exp_f32(0.0f - x)); }

// The same as an integer of eight bits, |x| < 128: the low bits of the sum.
INLINE int8_t nearest_int8(float x) {
    float sum = x + 12582912.0f;
    uint32_t bits;
    memcpy(&bits, &sum, 4);
    return (int8_t)bits;
}

// exp_f32 with fewer roundings and instructions, for what needs no bits of docs/numerics.md.
INLINE float exp_fused(float x) {
    x = x > 80.0f ? 80.0f : x;
    x = x < -80.0f ? -80.0f : x;
    // 1.5·2^23 is added for `nearest`; the low bits of the sum are the whole number.
    float t = MULTIPLY_ADD(x, 1.4426950408889634f, 12582912.0f), f = MULTIPLY_ADD(x, 1.4426950408889634f, 12582912.0f - t);
    float p = MULTIPLY_ADD(0.00132647273f, f, 0.00967151299f);
    p = MULTIPLY_ADD(p, f, 0.0555073358f);
    p = MULTIPLY_ADD(p, f, 0.240222424f);
    p = MULTIPLY_ADD(p, f, 0.693147004f);
    p = MULTIPLY_ADD(p, f, 1.0f);
    uint32_t exponent, bits;
    memcpy(&exponent, &t, 4);
    memcpy(&bits, &p, 4);
    bits += exponent << 23;
    memcpy(&p, &bits, 4);
    return p;
}

// A random number for an index and the number of a draw: `lowbias32` of Wellons 2018 (nullprogram.com/blog/2018/07/31).
INLINE uint32_t hash(uint32_t index, uint32_t draw) {
    uint32_t h = ((index ^ (index >> 16)) * 0x7FEB352Du) ^ (draw * 0x9E3779B9u);
    h = (h ^ (h >> 15)) * 0x846CA68Bu;
    return h ^ (h >> 16);
}

// ---------------------------------------------------------------------------------------------------------------------
// Embedding: a row of nine-level weights for each token
// out (N,C) = weight (V,C)[token] · scale (V)[token]

void embedding_forward(float *out, const int32_t *tokens, const int8_t *weight, const float *scale, size_t N, size_t C) {
#pragma omp parallel for schedule(static)
    for (size_t n = 0; n < N; n++) {
        size_t token = (size_t)tokens[n];
        for (size_t c = 0; c < C; c++) out[n * C + c] = (float)weight[token * C + c] * scale[token];
    }
}

// dlatent (V,C)[token] += dout (N,C): straight through the rounding. Threads share the channels, so each row has its order.
void embedding_backward(float *dlatent, const float *dout, const int32_t *tokens, size_t N, size_t C) {
#pragma omp parallel
    {
        size_t from, to;
        my_share(C, 16, &from, &to);
        for (size_t n = 0; n < N; n++) {
            float *row = dlatent + (size_t)tokens[n] * C;
            for (size_t c = from; c < to; c++) row[c] += dout[n * C + c];
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// RMSNorm: out = (inp · rstd) · gain, rstd = 1 / sqrt(mean(inp²) + 1e-5); rstd (N) is saved

#define NORM_EPS 1e-5f

INLINE float sumsq(const float *x, size_t n) {
    float lane[16] = {0};
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (size_t j = 0; j < 16; j++) lane[j] += x[i + j] * x[i + j];
    for (; i < n; i++) lane[i % 16] += x[i] * x[i];
    for (size_t width = 8; width > 0; width /= 2)
        for (size_t j = 0; j < width; j++) lane[j] += lane[j + width];
    return lane[0];
}

INLINE float rmsnorm_forward_row(float *out, const float *x, const float *gain, size_t C) {
    float r = 1.0f / sqrtf(sumsq(x, C) / (float)C + NORM_EPS);
    for (size_t c = 0; c < C; c++) out[c] = (x[c] * r) * gain[c];
    return r;
}

void rmsnorm_forward(float *out, float *rstd, const float *inp, const float *gain, size_t N, size_t C) {
#pragma omp parallel for schedule(static)
    for (size_t n = 0; n < N; n++) rstd[n] = rmsnorm_forward_row(out + n * C, inp + n * C, gain, C);
}

INLINE void rmsnorm_backward_row(float *dx, const float *dy, const float *x, float r, const float *gain, size_t C) {
    float dot = 0.0f;
#pragma omp simd reduction(+ : dot)
    for (size_t c = 0; c < C; c++) dot += dy[c] * gain[c] * x[c];
    float pull = dot / (float)C * r * r * r;
    for (size_t c = 0; c < C; c++) dx[c] += r * dy[c] * gain[c] - pull * x[c];
}

// dinp (N,C) += r·(dout·gain) − x·r³·mean(dout·gain·x): joins the residual branch. dgain (C) += Σ_n dout·x·r
void rmsnorm_backward(float *dinp, float *dgain, const float *dout, const float *inp, const float *rstd, const float *gain, size_t N,
                      size_t C) {
#pragma omp parallel
    {
        size_t from, to;
        my_share(N, 1, &from, &to);
        for (size_t n = from; n < to; n++) rmsnorm_backward_row(dinp + n * C, dout + n * C, inp + n * C, rstd[n], gain, C);
        my_share(C, 16, &from, &to);
        for (size_t n = 0; n < N; n++)
            for (size_t c = from; c < to; c++) dgain[c] += dout[n * C + c] * inp[n * C + c] * rstd[n];
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Activations to int8: q (N, C padded to a multiple of 4 with zeros), s (N): inp ≈ q·s. Straight-through: no backward.

// In two halves, so that the latency of one comparison passes beside the other.
INLINE float largest_magnitude(const float *x, size_t n) {
    size_t half = n / 2;
    float a = n % 2 ? fabsf(x[n - 1]) : 0.0f, b = 0.0f;
    const float *y = x + half;
#pragma omp simd reduction(max : a, b)
    for (size_t i = 0; i < half; i++) {
        a = fabsf(x[i]) > a ? fabsf(x[i]) : a;
        b = fabsf(y[i]) > b ? fabsf(y[i]) : b;
    }
    return a > b ? a : b;
}

INLINE float quantize_row(int8_t *q, const float *x, size_t C) {
    float a = largest_magnitude(x, C), inv = a < 1e-30f ? 0.0f : 127.0f / a;
    for (size_t c = 0; c < C; c++) q[c] = nearest_int8(x[c] * inv);
    for (size_t c = C; c < round_up(C, 4); c++) q[c] = 0;
    return a < 1e-30f ? 0.0f : a / 127.0f;
}

void quantize_activations(int8_t *q, float *s, const float *inp, size_t N, size_t C) {
#pragma omp parallel for schedule(static)
    for (size_t n = 0; n < N; n++) s[n] = quantize_row(q + n * round_up(C, 4), inp + n * C, C);
}

// What is added before a gradient is rounded, in [−1/2, 1/2): its mean over the draws is then the gradient (stochastic rounding). The
// entries of a row step round the circle by the golden ratio from a place, `start`, that is the row's own.
INLINE float dither(uint32_t start, size_t i) {
    uint32_t bits = ((start + (uint32_t)i * 0x9E3779B9u) >> 9) | 0x3F800000u;  // a float in [1, 2)
    float x;
    memcpy(&x, &bits, 4);
    return x - 1.5f;
}

// The same for a gradient, rounded at random: draw[0] names the draw. dout (N,C) ≈ q·s.

INLINE float quantize_gradient_row(int8_t *q, const float *dy, uint32_t start, size_t C) {
    float a = largest_magnitude(dy, C), inv = a < 1e-30f ? 0.0f : 126.5f / a;  // half a level of room for the dither
    for (size_t c = 0; c < C; c++) q[c] = nearest_int8(dy[c] * inv + dither(start, c));
    for (size_t c = C; c < round_up(C, 4); c++) q[c] = 0;
    return a < 1e-30f ? 0.0f : a / 126.5f;
}

void quantize_gradients(int8_t *q, float *s, const float *dout, const uint32_t *draw, size_t N, size_t C) {
#pragma omp parallel for schedule(static)
    for (size_t n = 0; n < N; n++) s[n] = quantize_gradient_row(q + n * round_up(C, 4), dout + n * C, hash((uint32_t)n, draw[0]), C);
}

// ---------------------------------------------------------------------------------------------------------------------
// Ternary linear layer: out (N,O) = [residual (N,O) +] (q (N,C) · weightᵀ (O,C)) · (s (N) · scale (S))

// In sixteen lanes, so that the order does not depend on the instruction set.
INLINE float sum_of_magnitudes(const float *x, size_t n) {
    float lane[16] = {0}, sum = 0.0f;
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
#pragma omp simd
        for (size_t j = 0; j < 16; j++) lane[j] += fabsf(x[i + j]);
    for (size_t j = 0; i < n; i++, j++) lane[j] += fabsf(x[i]);
    for (size_t j = 0; j < 16; j++) sum += lane[j];
    return sum;
}

// weight (O,C) = clip(nearest(latent / scale), ±levels), scale (S) = share · mean |latent| of the matrix (S = 1) or of each
// row (S = O). Ternary: levels 1, share 1; the embedding: levels 4, share 0.7. Straight-through: no backward.
void quantize_weights(int8_t *weight, float *scale, const float *latent, float levels, float share, size_t O, size_t C, size_t S) {
    enum { PARTS = 64 };  // fixed parts, so that the sum's order does not depend on the threads
    double part[PARTS] = {0};
#pragma omp parallel for schedule(static)
    for (size_t p = 0; p < PARTS; p++)
        for (size_t o = O * p / PARTS; o < O * (p + 1) / PARTS; o++) {
            float row = sum_of_magnitudes(latent + o * C, C);
            if (S > 1) scale[o] = share * row / (float)C;
            part[p] += row;
        }
    if (S == 1) {
        double total = 0.0;
        for (size_t p = 0; p < PARTS; p++) total += part[p];
        scale[0] = share * (float)(total / (double)(O * C));
    }
#pragma omp parallel for schedule(static)
    for (size_t o = 0; o < O; o++) {
        float spread = scale[S > 1 ? o : 0];
        for (size_t c = 0; c < C; c++) {
            float ratio = spread > 0.0f ? latent[o * C + c] / spread : 0.0f;
            ratio = ratio > levels ? levels : ratio < -levels ? -levels : ratio;
            weight[o * C + c] = (int8_t)(int32_t)nearest(ratio);
        }
    }
}

// packed (O up to 32, C up to 4): panels of w + BIAS for the forward product
void linear_pack(int8_t *packed, const int8_t *weight, size_t O, size_t C) {
    size_t fours = blocks(C, 4);
#pragma omp parallel for schedule(static)
    for (size_t panel = 0; panel < blocks(O, PANEL); panel++) {
        int8_t *to = packed + panel * fours * PANEL * 4;
        for (size_t i = 0; i < PANEL; i++) {
            size_t o = panel * PANEL + i;
            for (size_t c = 0; c < fours * 4; c++)
                to[(c / 4 * PANEL + i) * 4 + c % 4] = o < O && c < C ? (int8_t)(weight[o * C + c] + BIAS) : 0;
        }
    }
}

// packed (C up to 32, O up to 4): the same of weightᵀ, so that linear_forward computes dinp from a quantized dout
void linear_pack_transposed(int8_t *packed, const int8_t *weight, size_t O, size_t C) {
    size_t fours = blocks(O, 4);
#pragma omp parallel for schedule(static)
    for (size_t panel = 0; panel < blocks(C, PANEL); panel++)
        for (size_t o = 0; o < fours * 4; o++) {
            int8_t *to = packed + (panel * fours + o / 4) * PANEL * 4 + o % 4;
            for (size_t i = 0; i < PANEL; i++) {
                size_t c = panel * PANEL + i;
                to[i * 4] = o < O && c < C ? (int8_t)(weight[o * C + c] + BIAS) : 0;
            }
        }
}

// packed (O, C up to 32): panels of w as elements of a gradient product
void linear_pack_gradient(float *packed, const int8_t *weight, size_t O, size_t C) {
    size_t pairs = blocks(O, PAIR);
#pragma omp parallel for schedule(static)
    for (size_t pair = 0; pair < pairs; pair++)
        for (size_t c = 0; c < round_up(C, PANEL); c += PANEL) {
            element *to = (element *)packed + (c / PANEL * pairs + pair) * PANEL * PAIR;
            size_t width = min_size(PANEL, C - c);
            memset(to, 0, PANEL * PAIR * sizeof(element));
            for (size_t i = 0; i < PAIR && pair * PAIR + i < O; i++)
                for (size_t j = 0; j < width; j++) to[j * PAIR + i] = to_element((float)weight[(pair * PAIR + i) * C + c + j]);
        }
}

void linear_forward_naive(float *out, const float *residual, const int8_t *q, const float *s, const int8_t *weight, const float *scale,
                          size_t N, size_t O, size_t C, size_t S) {
    for (size_t n = 0; n < N; n++)
        for (size_t o = 0; o < O; o++) {
            int32_t sum = 0;
            for (size_t c = 0; c < C; c++) sum += weight[o * C + c] * q[n * round_up(C, 4) + c];
            float y = (float)sum * (s[n] * scale[S > 1 ? o : 0]);
            out[n * O + o] = residual ? residual[n * O + o] + y : y;
        }
}

// A whole linear_forward of N rows by one thread.
static void linear_forward_rows(float *out, const float *residual, const int8_t *q, const float *s, const int8_t *packed,
                                const float *scale, size_t N, size_t O, size_t P, size_t S) {
    enum { CHUNK = 96 };  // rows whose int8 activations stay in the first-level cache while all panels pass by
    int8_product product = {out, residual, q, s, O, P / 4};
    begin_tiles();
    for (size_t chunk = 0; chunk < N; chunk += CHUNK) {
        size_t end = min_size(chunk + CHUNK, N);
        int32_t offset[CHUNK];
        for (size_t n = chunk; n < end; n++) {
            int32_t sum = 0;
            for (size_t c = 0; BIAS && c < P; c++) sum += q[n * P + c];
            offset[n - chunk] = sum;
        }
        for (size_t col = 0; col < O; col += NR) {
            float scales[NR] = {0};
            for (size_t j = 0; j < min_size(NR, O - col); j++) scales[j] = scale[S > 1 ? col + j : 0];
            size_t row = chunk;
#ifdef TILE_LANES
            for (; row + TILE_ROWS <= end; row += TILE_ROWS) {
                sums sum[TILE_ROWS];
                tile_run(sum, q + row * P, P, TILE_ROWS / 2 * P, TILE_LANES * 4, packed + col / PANEL * P * PANEL, P / 4 / TILE_LANES);
                for (size_t r = 0; r < TILE_ROWS; r += MR)
                    scaled_tile(product, packed, scales, offset + row + r - chunk, (const sums *)sum + r, row + r, col, MR);
            }
#endif
            for (; row + MR <= end; row += MR) scaled_tile(product, packed, scales, offset + row - chunk, NULL, row, col, MR);
            for (; row < end; row++) scaled_tile(product, packed, scales, offset + row - chunk, NULL, row, col, 1);
        }
    }
    end_tiles();
}

void linear_forward(float *out, const float *residual, const int8_t *q, const float *s, const int8_t *packed, const float *scale, size_t N,
                    size_t O, size_t P, size_t S) {
#pragma omp parallel
    {
        size_t from, to;
        my_share(N, MR, &from, &to);
        linear_forward_rows(out + from * O, residual ? residual + from * O : NULL, q + from * P, s + from, packed, scale, to - from, O, P,
                            S);
    }
}

// The backward of the layer passes straight through both roundings. dinp is a product with the ternary weight again, and there are
// two ways to it: quantize dout to int8 and run linear_forward with the transposed weight (the body), or a gradient product
// (the head: most of a row of dout is far below a 127th of its largest entry, and int8 would lose it).

// dinp (N,C) = (dout (N,O)·scale) · weight (O,C)
void linear_backward_input_naive(float *dinp, const float *dout, const int8_t *weight, const float *scale, size_t N, size_t C, size_t O,
                                 size_t S) {
    for (size_t n = 0; n < N; n++)
        for (size_t c = 0; c < C; c++) {
            float sum = 0.0f;
            for (size_t o = 0; o < O; o++) sum += dout[n * O + o] * scale[S > 1 ? o : 0] * (float)weight[o * C + c];
            dinp[n * C + c] = sum;
        }
}

void linear_backward_input(float *dinp, const float *dout, const float *packed, const float *scale, float *scratch, size_t N, size_t C,
                           size_t O, size_t S) {
    size_t pairs = blocks(O, PAIR);
    element *rows = (element *)scratch;  // (N, pairs)[PAIR]: dout·scale
#pragma omp parallel
    {
        size_t from, to;
        my_share(N, MR, &from, &to);
        for (size_t n = from; n < to; n++) {
            element *row = rows + n * pairs * PAIR;
            const float *dy = dout + n * O;
            if (S > 1)
                for (size_t o = 0; o < O; o++) row[o] = to_element(dy[o] * scale[o]);
            else
                for (size_t o = 0; o < O; o++) row[o] = to_element(dy[o] * scale[0]);
            for (size_t o = O; o < pairs * PAIR; o++) row[o] = 0;
        }
        gradient_product(dinp, C, false, (operand){(const uint32_t *)rows, pairs, 1}, packed, pairs, from, to, 0, C);
    }
}

// dlatent (O,C) += dout (N,O)ᵀ · (q (N,C)·s (N))
void linear_backward_weight_naive(float *dlatent, const float *dout, const int8_t *q, const float *s, size_t N, size_t C, size_t O) {
    size_t P = round_up(C, 4);
    for (size_t o = 0; o < O; o++)
        for (size_t c = 0; c < C; c++)
            for (size_t n = 0; n < N; n++) dlatent[o * C + c] += dout[n * O + o] * ((float)q[n * P + c] * s[n]);
}

// The stride of a matrix that is read down its columns: an odd number of cache lines, lest its rows share a cache set.
INLINE size_t column_stride(size_t n) { return round_up(n, 16) | 16; }

// Floats of scratch for a linear layer's backward: dout in lanes by rows, or by tokens beside the activations in panels.
size_t linear_scratch(size_t N, size_t O, size_t C) {
    size_t rows = N * blocks(O, PAIR), columns = blocks(N, PAIR) * (column_stride(O) + round_up(C, PANEL)) + O;
    return rows > columns ? rows : columns;
}

// dout is given as float, or in int8 as dq·ds.
INLINE void weight_gradient(float *dlatent, const float *dout, const int8_t *dq, const float *ds, const int8_t *q, const float *s,
                            float *scratch, size_t N, size_t C, size_t O) {
    size_t P = round_up(C, 4), Q = round_up(O, 4), pairs = blocks(N, PAIR), stride = column_stride(O);
    element *columns = (element *)scratch;  // (pairs, stride)[PAIR]: dout·s
    element *panels = (element *)(scratch + pairs * stride);  // (C/32, pairs, 32)[PAIR]: q
#pragma omp parallel
    {
        size_t from, to;
        my_share(pairs, 1, &from, &to);
        for (size_t pair = from; pair < to; pair++) {
            // Interleaved pairs of tokens; a missing last token counts as zero.
            size_t first = pair * PAIR, last = min_size(first + PAIR - 1, N - 1);
            float first_s = s[first] * (dq ? ds[first] : 1.0f), last_s = first + PAIR - 1 < N ? s[last] * (dq ? ds[last] : 1.0f) : 0.0f;
            element *column = columns + pair * stride * PAIR;
            for (size_t o = 0; o < O; o++) {
                column[o * PAIR] = to_element((dq ? (float)dq[first * Q + o] : dout[first * O + o]) * first_s);
                if (PAIR == 2) column[o * PAIR + PAIR - 1] = to_element((dq ? (float)dq[last * Q + o] : dout[last * O + o]) * last_s);
            }
            const int8_t *first_q = q + first * P, *last_q = q + last * P;
            for (size_t c = 0; c < round_up(C, PANEL); c += PANEL) {
                element *panel = panels + (c / PANEL * pairs + pair) * PANEL * PAIR;
                size_t width = min_size(PANEL, C - c);
                for (size_t j = 0; j < width; j++) {
                    panel[j * PAIR] = to_element((float)first_q[c + j]);
                    if (PAIR == 2) panel[j * PAIR + PAIR - 1] = to_element((float)last_q[c + j]);
                }
                for (size_t j = width * PAIR; j < PANEL * PAIR; j++) panel[j] = 0;
            }
        }
#pragma omp barrier
        my_share(O, MR, &from, &to);
        gradient_product(dlatent, C, true, (operand){(const uint32_t *)columns, 1, stride}, panels, pairs, from, to, 0, C);
    }
}

void linear_backward_weight(float *dlatent, const float *dout, const int8_t *q, const float *s, float *scratch, size_t N, size_t C,
                            size_t O) {
    weight_gradient(dlatent, dout, NULL, NULL, q, s, scratch, N, C, O);
}

// The same from a gradient in int8, dq (N,O)·ds (N), as a product of integers: dlatent (O,C) += Σ_n (dq·ds·s) (N,O)ᵀ · q (N,C).
// Such a product has no room for a factor for each n, so dq·ds·s is rounded to multiples of top / LEVELS with top = 127 · max ds·s over a block of
// tokens. Where bytes can be multiplied (two of ±127 do not fit the lanes of AVX2) LEVELS is 127, and dq is rounded once more, at random. Pairs of 16-bit numbers
// have LEVELS = 32,767, so fine that there is nothing to draw. Plain NEON multiplies floats.

#if GRADIENT_BITS == 16
#define LEVELS 32767.0f
#define INT_BLOCK 256  // tokens: the sum of 512 fits 32 bits; of 256 the panels stay in the second-level cache, beside a thread's lanes
#else
#define LEVELS 127.0f
#define INT_BLOCK 1024  // tokens: their 256 lanes of a panel (32 KiB) stay in the first-level cache
#endif

INLINE float largest_scale(const float *ds, const float *s, size_t from, size_t to) {
    float top = 0.0f;
    for (size_t n = from; n < to; n++) top = ds[n] * s[n] > top ? ds[n] * s[n] : top;
    return top;
}

// What one of dq is in multiples of ds·s, and what one level is worth.
INLINE float levels_of(float top) { return top > 0.0f ? LEVELS / 127.0f / top : 0.0f; }
INLINE float unit_of(float top) { return top * (127.0f / LEVELS); }

INLINE int32_t round_again(int8_t dq, float ratio, uint32_t start, size_t o) {
    if (LEVELS > 127.0f) return (int32_t)nearest((float)dq * ratio);
    float x = (float)dq * ratio + (ratio > 0.0f ? dither(start, o) : 0.0f);
    return (int32_t)nearest(x < 127.0f ? x : 127.0f);  // 127 and a large dither would be 128
}

void linear_backward_weight_int8_naive(float *dlatent, const int8_t *dq, const float *ds, const int8_t *q, const float *s,
                                       const uint32_t *draw, size_t N, size_t C, size_t O) {
    size_t P = round_up(C, 4), Q = round_up(O, 4);
    for (size_t from = 0; from < N; from += INT_BLOCK) {
        size_t to = min_size(from + INT_BLOCK, N);
        float top = largest_scale(ds, s, from, to), levels = levels_of(top);
        for (size_t o = 0; o < O; o++)
            for (size_t c = 0; c < C; c++) {
                int32_t sum = 0;
                for (size_t n = from; n < to; n++)
                    sum += round_again(dq[n * Q + o], ds[n] * s[n] * levels, hash((uint32_t)n, ~draw[0]), o) * q[n * P + c];
                dlatent[o * C + c] += (float)sum * unit_of(top);
            }
    }
}

#if GRADIENT_BITS == 16
// The rows of a tile lie together, MR lanes for each pair of tokens, and are packed by the thread that multiplies them: so the threads wait for each
// other once, for the panels of all tokens.
static void pair_gradient(float *dlatent, const int8_t *dq, const float *ds, const int8_t *q, const float *s, uint32_t *scratch, size_t N,
                          size_t C, size_t O) {
    enum { TILES = 16, ROWS = TILES * MR };  // packed at a time
    size_t P = round_up(C, 4), Q = round_up(O, 4), pairs = blocks(N, 2), wide = round_up(C, PANEL), most = min_size(pairs, INT_BLOCK / 2);
    uint32_t *panels = scratch;  // for each block of tokens (C/32, its pairs, 32)[2]: q
    // Of a block (O/MR, `most`, MR)[2]: dq in levels. A last, shorter block leaves each tile where it was: the threads do not wait for each other.
    uint32_t *lanes = scratch + pairs * wide;
#pragma omp parallel
    {
        size_t from, to;
        my_share(pairs, 1, &from, &to);
        for (size_t pair = from; pair < to; pair++) {
            size_t first = pair * 2 / INT_BLOCK * INT_BLOCK / 2, count = min_size(INT_BLOCK / 2, pairs - first);
            const int8_t *x = q + pair * 2 * P, *y = pair * 2 + 1 < N ? x + P : x;  // a missing last token has no dq
            for (size_t c = 0; c < C; c += PANEL) {
                uint32_t *panel = panels + first * wide + (c / PANEL * count + pair - first) * PANEL;
                size_t width = min_size(PANEL, C - c);
                for (size_t j = 0; j < width; j++) panel[j] = (uint32_t)(uint16_t)x[c + j] | (uint32_t)y[c + j] << 16;
                memset(panel + width, 0, (PANEL - width) * sizeof *panel);
            }
        }
#pragma omp barrier
        my_share(O, MR, &from, &to);
        for (size_t first = 0; first < N; first += INT_BLOCK) {
            size_t last = min_size(first + INT_BLOCK, N), count = blocks(last - first, 2);
            float top = largest_scale(ds, s, first, last), levels = levels_of(top);
            for (size_t row = from; row < to; row += ROWS)
                for (size_t pair = 0; pair < count; pair++) {
                    size_t n = first + pair * 2, next = min_size(n + 1, last - 1), rows = min_size(ROWS, to - row);
                    float ratio = ds[n] * s[n] * levels, next_ratio = next > n ? ds[next] * s[next] * levels : 0.0f;
                    const int8_t *a = dq + n * Q + row, *b = dq + next * Q + row;
                    uint32_t lane[ROWS] = {0};
                    for (size_t r = 0; r < rows; r++)
                        lane[r] = (uint32_t)(uint16_t)round_again(a[r], ratio, 0, 0) | (uint32_t)round_again(b[r], next_ratio, 0, 0) << 16;
                    for (size_t r = 0; r < rows; r += MR) memcpy(lanes + (row + r) * most + pair * MR, lane + r, MR * sizeof *lane);
                }
            for (size_t row = from; row < to; row += MR)
                for (size_t c = 0; c < C; c += NR) {
                    const int8_t *panel = (const int8_t *)(panels + first / 2 * wide + c / PANEL * count * PANEL + c % PANEL);
                    const uint32_t *lane = lanes + row * most;
                    size_t rows = min_size(MR, to - row), cols = min_size(NR, C - c);
                    float *out = dlatent + row * C + c;
                    if (rows == MR) added_tile(out, lane, MR, panel, NULL, NULL, unit_of(top), count, C, cols, MR);
                    else
                        for (size_t r = 0; r < rows; r++)
                            added_tile(out + r * C, lane + r, MR, panel, NULL, NULL, unit_of(top), count, C, cols, 1);
                }
        }
    }
}
#endif

void linear_backward_weight_int8(float *dlatent, const int8_t *dq, const float *ds, const int8_t *q, const float *s, const uint32_t *draw,
                                 float *scratch, size_t N, size_t C, size_t O) {
#if GRADIENT_BITS == 0
    (void)draw;
    weight_gradient(dlatent, NULL, dq, ds, q, s, scratch, N, C, O);
#elif GRADIENT_BITS == 16
    (void)draw;
    pair_gradient(dlatent, dq, ds, q, s, (uint32_t *)scratch, N, C, O);
#else
    size_t P = round_up(C, 4), Q = round_up(O, 4), stride = column_stride(O), max_fours = min_size(blocks(N, 4), INT_BLOCK / 4);
    uint32_t *lanes = (uint32_t *)scratch;      // (fours, stride)[4]: dq, rounded again
    uint32_t *panels = lanes + max_fours * stride;  // (C/32, fours, 32)[4]: q, or q + 128 where one operand has to be unsigned
    int32_t *offset = (int32_t *)(panels + max_fours * round_up(C, PANEL));  // (O): what the 128 add
#pragma omp parallel
    for (size_t first = 0; first < N; first += INT_BLOCK) {
        size_t count = min_size(INT_BLOCK, N - first), fours = blocks(count, 4), from, to;
        float top = largest_scale(ds, s, first, first + count), levels = levels_of(top);
        my_share(fours, 1, &from, &to);
        for (size_t four = from; four < to; four++) {
            const int8_t *d[4], *x[4];
            float ratio[4];
            uint32_t start[4], *lane = lanes + four * stride;
            for (size_t i = 0; i < 4; i++) {
                size_t n = first + min_size(four * 4 + i, count - 1);
                d[i] = dq + n * Q;
                x[i] = q + n * P;
                ratio[i] = four * 4 + i < count ? ds[n] * s[n] * levels : 0.0f;
                start[i] = hash((uint32_t)n, ~draw[0]);  // not quantize_gradients' number again
            }
#pragma omp simd
            for (size_t o = 0; o < O; o++) {
                uint32_t a = (uint32_t)round_again(d[0][o], ratio[0], start[0], o) & 255,
                         b = (uint32_t)round_again(d[1][o], ratio[1], start[1], o) & 255;
                uint32_t c = (uint32_t)round_again(d[2][o], ratio[2], start[2], o) & 255,
                         e = (uint32_t)round_again(d[3][o], ratio[3], start[3], o);
                lane[o] = a | b << 8 | c << 16 | e << 24;
            }
            for (size_t c = 0; c < C; c += PANEL) {
                uint32_t *panel = panels + (c / PANEL * fours + four) * PANEL;
                size_t width = min_size(PANEL, C - c);
                for (size_t j = 0; j < width; j++) {
                    uint32_t bytes = (uint32_t)(uint8_t)x[0][c + j] | (uint32_t)(uint8_t)x[1][c + j] << 8 |
                                     (uint32_t)(uint8_t)x[2][c + j] << 16 | (uint32_t)(uint8_t)x[3][c + j] << 24;
                    panel[j] = bytes ^ (BIAS * 0x80808080u);
                }
                memset(panel + width, 0, (PANEL - width) * sizeof *panel);
            }
        }
#pragma omp barrier
        my_share(O, TILE_ROWS, &from, &to);
        memset(offset + from, 0, (to - from) * sizeof *offset);
        for (size_t four = 0; BIAS && four < fours; four++)
            for (size_t o = from; o < to; o++) {
                uint32_t lane = lanes[four * stride + o];
                offset[o] += 128 * ((int8_t)lane + (int8_t)(lane >> 8) + (int8_t)(lane >> 16) + (int8_t)(lane >> 24));
            }
        size_t tiled = from;
#ifdef TILE_LANES
        // Tile registers want the rows of their left operand as they are.
        uint32_t tiles[2][INT_BLOCK / 4 / TILE_LANES][TILE_ROWS / 2][TILE_LANES];
        size_t steps = fours / TILE_LANES;
        begin_tiles();
        for (; tiled + TILE_ROWS <= to; tiled += TILE_ROWS) {
            for (size_t half = 0; half < 2; half++)
                for (size_t step = 0; step < steps; step++)
                    tile_of_columns(tiles[half][step][0], lanes + step * TILE_LANES * stride + tiled + half * TILE_ROWS / 2, stride);
            for (size_t c = 0; c < C; c += NR) {
                const int8_t *panel = (const int8_t *)(panels + c / PANEL * fours * PANEL);
                sums sum[TILE_ROWS];
                tile_run(sum, (const int8_t *)tiles, sizeof tiles[0][0][0], sizeof tiles[0], sizeof tiles[0][0], panel, steps);
                for (size_t o = tiled; o < tiled + TILE_ROWS; o += MR)
                    added_tile(dlatent + o * C + c, lanes + o, stride, panel, offset + o, (const sums *)sum + o - tiled, unit_of(top),
                               fours, C, min_size(NR, C - c), MR);
            }
        }
        end_tiles();
#endif
        for (size_t c = 0; c < C; c += NR) {
            const int8_t *panel = (const int8_t *)(panels + c / PANEL * fours * PANEL + c % PANEL);
            size_t o = tiled, cols = min_size(NR, C - c);
            for (; o + MR <= to; o += MR)
                added_tile(dlatent + o * C + c, lanes + o, stride, panel, offset + o, NULL, unit_of(top), fours, C, cols, MR);
            for (; o < to; o++)
                added_tile(dlatent + o * C + c, lanes + o, stride, panel, offset + o, NULL, unit_of(top), fours, C, cols, 1);
        }
#pragma omp barrier
    }
#endif
}

// ---------------------------------------------------------------------------------------------------------------------
// Causal depthwise convolution of the first third of inp (B,T,3C): out (B,T,C)[t] = Σ_k weight (C,K)[k] · inp[t − (K−1) + k]

#define CHANNELS 32  // a block of channels: two cache lines of a row, enough for the SIMD width, one thread's share
#define MAX_TAPS 32

INLINE void conv_forward_block(float *out, const float *inp, const float *weight, size_t T, size_t C, size_t K, const size_t width) {
    float taps[MAX_TAPS][CHANNELS];
    for (size_t k = 0; k < K; k++)
        for (size_t i = 0; i < width; i++) taps[k][i] = weight[i * K + k];
    for (size_t t = 0; t < T; t++) {
        float sum[CHANNELS];
        // A tap that reaches before the start multiplies a zero, as the engine's empty ring buffer does.
        for (size_t i = 0; i < width; i++) sum[i] = taps[0][i] * (t + 1 >= K ? inp[(t + 1 - K) * 3 * C + i] : 0.0f);
        for (size_t k = 1; k < K; k++) {
            if (t + 1 + k < K) {
                for (size_t i = 0; i < width; i++) sum[i] += taps[k][i] * 0.0f;
            } else {
                const float *x = inp + (t + 1 + k - K) * 3 * C;
                for (size_t i = 0; i < width; i++) sum[i] += taps[k][i] * x[i];
            }
        }
        for (size_t i = 0; i < width; i++) out[t * C + i] = sum[i];
    }
}

void conv_forward(float *out, const float *inp, const float *weight, size_t B, size_t T, size_t C, size_t K) {
#pragma omp parallel for collapse(2) schedule(static)
    for (size_t b = 0; b < B; b++)
        for (size_t block = 0; block < blocks(C, CHANNELS); block++) {
            size_t c = block * CHANNELS;
            if (C - c >= CHANNELS) conv_forward_block(out + b * T * C + c, inp + b * T * 3 * C + c, weight + c * K, T, C, K, CHANNELS);
            else conv_forward_block(out + b * T * C + c, inp + b * T * 3 * C + c, weight + c * K, T, C, K, C - c);
        }
}

// dinp (B,T,3C) first third [t] = Σ_k weight[k]·dout[t + K−1−k]; dweight (C,K)[k] += Σ_t dout[t]·inp[t − (K−1) + k]
INLINE void conv_backward_block(float *dinp, float *dweight, const float *dout, const float *inp, const float *weight, size_t B, size_t T,
                                size_t C, size_t K, const size_t width) {
    float taps[MAX_TAPS][CHANNELS], dtaps[MAX_TAPS][CHANNELS];
    for (size_t k = 0; k < K; k++)
        for (size_t i = 0; i < width; i++) {
            taps[k][i] = weight[i * K + k];
            dtaps[k][i] = 0.0f;
        }
    for (size_t b = 0; b < B; b++, dinp += T * 3 * C, dout += T * C, inp += T * 3 * C)
        for (size_t t = 0; t < T; t++) {
            float sum[CHANNELS];
            for (size_t i = 0; i < width; i++) sum[i] = 0.0f;
            const float *x = inp + t * 3 * C;
            for (size_t ahead = 0; ahead < min_size(K, T - t); ahead++) {
                const float *dy = dout + (t + ahead) * C;
                float *tap = taps[K - 1 - ahead], *dtap = dtaps[K - 1 - ahead];
                for (size_t i = 0; i < width; i++) {
                    sum[i] += tap[i] * dy[i];
                    dtap[i] += dy[i] * x[i];
                }
            }
            for (size_t i = 0; i < width; i++) dinp[t * 3 * C + i] = sum[i];
        }
    for (size_t k = 0; k < K; k++)
        for (size_t i = 0; i < width; i++) dweight[i * K + k] += dtaps[k][i];
}

void conv_backward(float *dinp, float *dweight, const float *dout, const float *inp, const float *weight, size_t B, size_t T, size_t C,
                   size_t K) {
#pragma omp parallel for schedule(static)
    for (size_t c = 0; c < C; c += CHANNELS) {
        if (C - c >= CHANNELS) conv_backward_block(dinp + c, dweight + c * K, dout + c, inp + c, weight + c * K, B, T, C, K, CHANNELS);
        else conv_backward_block(dinp + c, dweight + c * K, dout + c, inp + c, weight + c * K, B, T, C, K, C - c);
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Gated linear recurrence, then the gate. u (B,T,3C) holds the products of mix_in: [v, forget, gate].
//   f = sigmoid(forget + bias (C)); h[t] = c[t] + f·(h[t−1] − c[t]) with c = inp (B,T,C); out = h · sigmoid(gate)
// Saved for backward: h (B,T,C), and f and sigmoid(gate) in place of their thirds of u.

INLINE void scan_forward_block(float *out, float *h, float *u, const float *inp, const float *bias, size_t T, size_t C,
                               const size_t width) {
    float state[CHANNELS] = {0};
    for (size_t t = 0; t < T; t++) {
        float *forget = u + t * 3 * C + C, *gate = u + t * 3 * C + 2 * C;
#pragma omp simd
        for (size_t i = 0; i < width; i++) {
            float f = sigmoid(forget[i] + bias[i]), g = sigmoid(gate[i]), c = inp[t * C + i];
            float s = c + f * (state[i] - c);
            forget[i] = f;
            gate[i] = g;
            state[i] = s;
            h[t * C + i] = s;
            out[t * C + i] = s * g;
        }
    }
}

void scan_forward(float *out, float *h, float *u, const float *inp, const float *bias, size_t B, size_t T, size_t C) {
#pragma omp parallel for collapse(2) schedule(static)
    for (size_t b = 0; b < B; b++)
        for (size_t block = 0; block < blocks(C, CHANNELS); block++) {
            size_t c = block * CHANNELS, at = b * T * C + c;
            if (C - c >= CHANNELS) scan_forward_block(out + at, h + at, u + b * T * 3 * C + c, inp + at, bias + c, T, C, CHANNELS);
            else scan_forward_block(out + at, h + at, u + b * T * 3 * C + c, inp + at, bias + c, T, C, C - c);
        }
}

// dinp (B,T,C) = d/dc; du (B,T,3C) second and third thirds = d/d(forget, gate) before their sigmoids; dbias (C) +=
INLINE void scan_backward_block(float *dinp, float *du, float *dbias, const float *dout, const float *h, const float *u, const float *inp,
                                size_t B, size_t T, size_t C, const size_t width) {
    float dbias_sum[CHANNELS] = {0};
    for (size_t b = 0; b < B; b++, dinp += T * C, du += T * 3 * C, dout += T * C, h += T * C, u += T * 3 * C, inp += T * C) {
        float carry[CHANNELS] = {0};
        for (size_t t = T; t-- > 0;) {
            const float *forget = u + t * 3 * C + C, *gate = u + t * 3 * C + 2 * C;
            float before[CHANNELS] = {0};
            if (t > 0)
                for (size_t i = 0; i < width; i++) before[i] = h[(t - 1) * C + i];
#pragma omp simd
            for (size_t i = 0; i < width; i++) {
                float f = forget[i], g = gate[i], dy = dout[t * C + i], c = inp[t * C + i];
                float dh = dy * g + carry[i];
                float dforget = dh * (before[i] - c) * f * (1.0f - f);
                dinp[t * C + i] = dh * (1.0f - f);
                carry[i] = dh * f;
                dbias_sum[i] += dforget;
                du[t * 3 * C + C + i] = dforget;
                du[t * 3 * C + 2 * C + i] = dy * h[t * C + i] * g * (1.0f - g);
            }
        }
    }
    for (size_t i = 0; i < width; i++) dbias[i] += dbias_sum[i];
}

void scan_backward(float *dinp, float *du, float *dbias, const float *dout, const float *h, const float *u, const float *inp, size_t B,
                   size_t T, size_t C) {
#pragma omp parallel for schedule(static)
    for (size_t c = 0; c < C; c += CHANNELS) {
        if (C - c >= CHANNELS) scan_backward_block(dinp + c, du + c, dbias + c, dout + c, h + c, u + c, inp + c, B, T, C, CHANNELS);
        else scan_backward_block(dinp + c, du + c, dbias + c, dout + c, h + c, u + c, inp + c, B, T, C, C - c);
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// GLU: out (N,H) = (a · sigmoid(a)) · b with inp (N,2H) = [a, b]

INLINE void glu_forward_row(float *out, const float *a, size_t H) {
    const float *b = a + H;
#pragma omp simd
    for (size_t i = 0; i < H; i++) out[i] = (a[i] * sigmoid(a[i])) * b[i];
}

void glu_forward(float *out, const float *inp, size_t N, size_t H) {
#pragma omp parallel for schedule(static)
    for (size_t n = 0; n < N; n++) glu_forward_row(out + n * H, inp + n * 2 * H, H);
}

INLINE void glu_backward_row(float *da, const float *dy, const float *a, size_t H) {
    const float *b = a + H;
    float *db = da + H;
#pragma omp simd
    for (size_t i = 0; i < H; i++) {
        float g = 1.0f / (1.0f + exp_fused(0.0f - a[i]));
        da[i] = dy[i] * b[i] * (g + a[i] * g * (1.0f - g));
        db[i] = dy[i] * (a[i] * g);
    }
}

void glu_backward(float *dinp, const float *dout, const float *inp, size_t N, size_t H) {
#pragma omp parallel for schedule(static)
    for (size_t n = 0; n < N; n++) glu_backward_row(dinp + n * 2 * H, dout + n * H, inp + n * 2 * H, H);
}

// ---------------------------------------------------------------------------------------------------------------------
// Dropout (Srivastava et al. 2014), in place: x (M) ← x / (1 − rate), or 0 with probability rate. draw (2): a number that
// names this draw, and rate · 2³²; rate 0 leaves x as it is. What is dropped depends on the draw and the index alone, so backward
// drops the same again.

// Entries [first, first + count) of a larger x.
INLINE void dropout_part(float *x, const uint32_t *draw, size_t first, size_t count) {
    uint32_t threshold = draw[1];
    if (threshold == 0) return;
    float kept = 1.0f / (1.0f - (float)threshold / 4294967296.0f);
#pragma omp simd
    for (size_t i = 0; i < count; i++) x[i] = hash((uint32_t)(first + i), draw[0]) < threshold ? 0.0f : x[i] * kept;
}

void dropout(float *x, const uint32_t *draw, size_t M) {
#pragma omp parallel
    {
        size_t from, to;
        my_share(M, 16, &from, &to);
        dropout_part(x + from, draw, from, to - from);
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Chains of the kernels above, CHUNK tokens at a time: what lies between their products is written and read again within the
// second-level cache, where for a whole batch it would go to memory. Their parts, one after the other, have their bits.

#define CHUNK 64

// Floats of scratch that a thread needs for a chunk's gradients, and those of all threads.
INLINE size_t thread_scratch(size_t C, size_t H) { return CHUNK * (C + H) + 2 * H; }
size_t block_scratch(size_t C, size_t H) { return (size_t)max_threads() * thread_scratch(C, H); }
size_t block_chunks(size_t N) { return blocks(N, CHUNK); }

// dgain (C) += parts (⌈N/CHUNK⌉,C), added up in their order
INLINE void add_parts(float *dgain, const float *parts, size_t N, size_t C) {
    for (size_t i = 0; i < blocks(N, CHUNK); i++)
        for (size_t c = 0; c < C; c++) dgain[c] += parts[i * C + c];
}

// rmsnorm_backward of a chunk; part (C): its sum for the gain
INLINE void rmsnorm_backward_chunk(float *dx, float *part, const float *dy, const float *x, const float *rstd, const float *gain,
                                   size_t rows, size_t C) {
    memset(part, 0, C * sizeof *part);
    for (size_t n = 0; n < rows; n++, dx += C, dy += C, x += C) {
        for (size_t c = 0; c < C; c++) part[c] += dy[c] * x[c] * rstd[n];
        rmsnorm_backward_row(dx, dy, x, rstd[n], gain, C);
    }
}

// A ternary layer with what comes before it: out (N,O) = [residual (N,O) +] weight · quantized [rmsnorm of] inp (N,C). There is a norm if
// there is a gain (C). Saved for backward: q (N,C), s (N), and with a norm rstd (N).
void layer_forward(float *out, const float *residual, const layer *layer) {
    size_t N = layer->N, C = layer->C, O = layer->O, P = round_up(C, 4);
    const float *inp = layer->inp, *gain = layer->gain;
    int8_t *q = layer->q;
    float *s = layer->s;
#pragma omp parallel num_threads((int)min_size((size_t)max_threads(), layer->Z / C))
    {
        float *normed = layer->scratch + my_number() * C;
#pragma omp for schedule(static)
        for (size_t first = 0; first < N; first += CHUNK) {
            size_t rows = min_size(CHUNK, N - first);
            for (size_t n = first; n < first + rows; n++) {
                if (gain) layer->rstd[n] = rmsnorm_forward_row(normed, inp + n * C, gain, C);
                s[n] = quantize_row(q + n * P, gain ? normed : inp + n * C, C);
            }
            linear_forward_rows(out + first * O, residual ? residual + first * O : NULL, q + first * P, s + first, layer->packed,
                                layer->scale, rows, O, P, 1);
        }
    }
}

// dinp (N,C): with a norm, what comes through it is added; without, dinp is written. The gradient of the product in int8, dq (N,O) and
// ds (N), is left for linear_backward_weight_int8. parts (⌈N/CHUNK⌉,C): sums of dgain over a chunk.
void layer_backward(float *dinp, float *dgain, int8_t *dq, float *ds, const float *dout, const uint32_t *draw, float *parts,
                    const layer *layer) {
    size_t N = layer->N, C = layer->C, O = layer->O, Q = round_up(O, 4);
    const float *inp = layer->inp, *rstd = layer->rstd, *gain = layer->gain;
#pragma omp parallel num_threads((int)min_size((size_t)max_threads(), layer->Z / (CHUNK * C)))
    {
        float *dnormed = layer->scratch + my_number() * CHUNK * C;
#pragma omp for schedule(static)
        for (size_t first = 0; first < N; first += CHUNK) {
            size_t rows = min_size(CHUNK, N - first);
            for (size_t n = first; n < first + rows; n++)
                ds[n] = quantize_gradient_row(dq + n * Q, dout + n * O, hash((uint32_t)n, draw[0]), O);
            float *dproduct = gain ? dnormed : dinp + first * C;
            linear_forward_rows(dproduct, NULL, dq + first * Q, ds + first, layer->transposed, layer->scale, rows, C, Q, 1);
            if (gain)
                rmsnorm_backward_chunk(dinp + first * C, parts + first / CHUNK * C, dnormed, inp + first * C, rstd + first, gain, rows, C);
        }
    }
    if (gain) add_parts(dgain, parts, N, C);
}

// The second half of a block, out = inp + glu_out · glu(glu_in · rmsnorm(inp)). Saved for backward: u (N,2H), rstd (N), and the inputs of both
// products in int8.
void glu_block_forward(float *out, const glu_block *block) {
    size_t N = block->N, C = block->C, H = block->H, P = round_up(C, 4), Q = round_up(H, 4);
    const float *inp = block->inp;
    int8_t *q = block->q, *product_q = block->product_q;
    float *u = block->u, *s = block->s, *product_s = block->product_s;
#pragma omp parallel num_threads((int)min_size((size_t)max_threads(), block->Z / thread_scratch(C, H)))
    {
        float *normed = block->scratch + my_number() * thread_scratch(C, H), *product = normed + C;
#pragma omp for schedule(static)
        for (size_t first = 0; first < N; first += CHUNK) {
            size_t rows = min_size(CHUNK, N - first);
            for (size_t n = first; n < first + rows; n++) {
                block->rstd[n] = rmsnorm_forward_row(normed, inp + n * C, block->gain, C);
                s[n] = quantize_row(q + n * P, normed, C);
            }
            linear_forward_rows(u + first * 2 * H, NULL, q + first * P, s + first, block->packed_in, block->scale_in, rows, 2 * H, P, 1);
            for (size_t n = first; n < first + rows; n++) {
                glu_forward_row(product, u + n * 2 * H, H);
                dropout_part(product, block->draw, n * H, H);
                product_s[n] = quantize_row(product_q + n * Q, product, H);
            }
            linear_forward_rows(out + first * C, inp + first * C, product_q + first * Q, product_s + first, block->packed_out,
                                block->scale_out, rows, C, Q, 1);
        }
    }
}

// dx (N,C): in, the gradient of out; out, that of inp. dgain (C) +=. The gradients of both products in int8 are left for
// linear_backward_weight_int8: dq_out (N,C), ds_out (N) of glu_out's; dq_in (N,2H), ds_in (N) of glu_in's. parts (⌈N/CHUNK⌉,C): sums of
// dgain over a chunk, added up in their order. draw_out, draw_in: for the rounding of these gradients.
void glu_block_backward(float *dx, float *dgain, int8_t *dq_out, float *ds_out, int8_t *dq_in, float *ds_in, const uint32_t *draw_out,
                        const uint32_t *draw_in, float *parts, const glu_block *block) {
    size_t N = block->N, C = block->C, H = block->H, P = round_up(C, 4), Q = round_up(2 * H, 4);
    const float *inp = block->inp, *u = block->u;
#pragma omp parallel num_threads((int)min_size((size_t)max_threads(), block->Z / thread_scratch(C, H)))
    {
        float *dnormed = block->scratch + my_number() * thread_scratch(C, H), *dproduct = dnormed + CHUNK * C, *du = dproduct + CHUNK * H;
#pragma omp for schedule(static)
        for (size_t first = 0; first < N; first += CHUNK) {
            size_t rows = min_size(CHUNK, N - first);
            for (size_t n = first; n < first + rows; n++)
                ds_out[n] = quantize_gradient_row(dq_out + n * P, dx + n * C, hash((uint32_t)n, draw_out[0]), C);
            linear_forward_rows(dproduct, NULL, dq_out + first * P, ds_out + first, block->transposed_out, block->scale_out, rows, H, P, 1);
            for (size_t n = first; n < first + rows; n++) {
                float *dy = dproduct + (n - first) * H;
                prefetch(u + (n + 1) * 2 * H, 2 * H);
                prefetch(inp + n * C, C);
                dropout_part(dy, block->draw, n * H, H);
                glu_backward_row(du, dy, u + n * 2 * H, H);
                ds_in[n] = quantize_gradient_row(dq_in + n * Q, du, hash((uint32_t)n, draw_in[0]), 2 * H);
            }
            linear_forward_rows(dnormed, NULL, dq_in + first * Q, ds_in + first, block->transposed_in, block->scale_in, rows, C, Q, 1);
            rmsnorm_backward_chunk(dx + first * C, parts + first / CHUNK * C, dnormed, inp + first * C, block->rstd + first, block->gain,
                                   rows, C);
        }
    }
    add_parts(dgain, parts, N, C);
}

// ---------------------------------------------------------------------------------------------------------------------
// Copying: a token may be one that came before. u (B,T,2K) holds a query and a key of each token; the key of a token stands for the token
// after it. sentinel (K) is the key of the network's own prediction, bias (1) its advantage. Odds of place i at place t > i:
//   power (B,T,T)[t, i] = e^min(query_t·key_i − query_t·sentinel − bias, 40)
// odds (B,T,2) at t: the sum over the places whose next token is targets (B,T)[t], and the sum over all. tokens (B,T).
// scratch (B,2,T~16,K~16), rows with room for a whole vector at the end: forward the keys transposed, (K~16,T~16), in the first half;
// backward the queries, then the keys.

#define MAX_EXPONENT 40.0f

// Block number `block` of all windows' blocks of MR rows: its window, the place of its first row there, that row's token, how many rows.
typedef struct {
    size_t window, place, token, rows;
} copy_block;
INLINE copy_block copy_block_at(size_t block, size_t T) {
    size_t window = block / blocks(T, MR), place = block % blocks(T, MR) * MR;
    return (copy_block){window, place, window * T + place, min_size(MR, T - place)};
}

void copy_forward(float *odds, const copying *copying) {
    const float *u = copying->u, *sentinel = copying->sentinel;
    const int32_t *tokens = copying->tokens, *targets = copying->targets;
    float *power = copying->power, *scratch = copying->scratch;
    size_t B = copying->B, T = copying->T, K = copying->K, N = B * T, wide = round_up(T, 16), size = 2 * wide * round_up(K, 16);
#pragma omp parallel
    {
#pragma omp for schedule(static)
        for (size_t n = 0; n < N; n++)
            for (size_t k = 0; k < K; k++) scratch[n / T * size + k * wide + n % T] = u[n * 2 * K + K + k];
#pragma omp for schedule(dynamic)
        for (size_t block = 0; block < B * blocks(T, MR); block++) {
            copy_block at = copy_block_at(block, T);
            size_t end = at.place + at.rows;
            const int32_t *next = tokens + at.window * T + 1;
            float_product(power + at.token * T, T, end, u + at.token * 2 * K, 2 * K, 1, scratch + at.window * size, wide, K, at.rows);
            for (size_t n = at.token, t = at.place; t < end; n++, t++) {
                float *row = power + n * T, own = copying->bias[0], hit = 0.0f, all = 0.0f;
                for (size_t k = 0; k < K; k++) own += u[n * 2 * K + k] * sentinel[k];
#pragma omp simd reduction(+ : hit, all)
                for (size_t i = 0; i < t; i++) {
                    float x = row[i] - own;
                    row[i] = exp_fused(x > MAX_EXPONENT ? MAX_EXPONENT : x);
                    all += row[i];
                    hit += next[i] == targets[n] ? row[i] : 0.0f;
                }
                memset(row + t, 0, (end - t) * sizeof *row);  // a block's products take all of them
                odds[2 * n] = hit;
                odds[2 * n + 1] = all;
            }
        }
    }
}

// dodds (B,T,2), made by crossentropy and used up, to du (B,T,2K), dsentinel (K) += and dbias (1) +=; power (B,T,T) becomes the gradient of
// the exponents.
void copy_backward(float *du, float *dsentinel, float *dbias, float *dodds, const copying *copying) {
    const float *u = copying->u, *sentinel = copying->sentinel;
    const int32_t *tokens = copying->tokens, *targets = copying->targets;
    float *power = copying->power, *scratch = copying->scratch;
    size_t B = copying->B, T = copying->T, K = copying->K, N = B * T, wide = round_up(K, 16), half = round_up(T, 16) * wide;
#pragma omp parallel
    {
#pragma omp for schedule(static)
        for (size_t n = 0; n < N; n++) {
            float *query = scratch + n / T * 2 * half + n % T * wide;
            memcpy(query, u + n * 2 * K, K * sizeof *u);
            memcpy(query + half, u + n * 2 * K + K, K * sizeof *u);
        }
#pragma omp for schedule(dynamic)
        for (size_t block = 0; block < B * blocks(T, MR); block++) {
            copy_block at = copy_block_at(block, T);
            size_t end = at.place + at.rows;
            const int32_t *next = tokens + at.window * T + 1;
            for (size_t n = at.token, t = at.place; t < end; n++, t++) {
                float *row = power + n * T, sum = 0.0f;
#pragma omp simd reduction(+ : sum)
                for (size_t i = 0; i < t; i++) {
                    row[i] *= dodds[2 * n + 1] + (next[i] == targets[n] ? dodds[2 * n] : 0.0f);
                    sum += row[i];
                }
                dodds[2 * n] = -sum;  // what the network's own prediction gains
            }
            float_product(du + at.token * 2 * K, 2 * K, K, power + at.token * T, T, 1, scratch + at.window * 2 * half + half, wide, end,
                          at.rows);
            for (size_t n = at.token; n < at.token + at.rows; n++)
                for (size_t k = 0; k < K; k++) du[n * 2 * K + k] += dodds[2 * n] * sentinel[k];
        }
#pragma omp for schedule(dynamic) nowait
        for (size_t block = 0; block < B * blocks(T, MR); block++) {
            copy_block at = copy_block_at(block, T);
            float_product(du + at.token * 2 * K + K, 2 * K, K, power + at.token * T + at.place, 1, T,
                          scratch + at.window * 2 * half + at.place * wide, wide, T - at.place, at.rows);
        }
#pragma omp single
        for (size_t n = 0; n < N; n++) {
            for (size_t k = 0; k < K; k++) dsentinel[k] += dodds[2 * n] * u[n * 2 * K + k];
            dbias[0] += dodds[2 * n];
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Softmax cross-entropy, forward and backward in one pass: loss (N) in nats; logits (N,V) become
// d(Σ loss · dloss)/d logits = (softmax − onehot(target)) · dloss. With odds (N,2) of copying (else NULL) the probability of the target is
// (softmax[target] + odds[0]) / (1 + odds[1]); odds become d(Σ loss · dloss)/d odds.

// The columns of a row in blocks of WIDE lanes, DEEP columns in each: a lane whose sum is small is passed over as one.
enum { WIDE = 16, DEEP = 8 };

INLINE size_t lanes(size_t V) { return blocks(V, WIDE * DEEP) * WIDE; }

// A row of logits (V) becomes e^(logit − largest), sum and largest (lanes(V)) those of each lane; the loss of its target; returns
// the row's sum.
INLINE float softmax_row(float *row, float *sum, float *largest, float *loss, size_t target, size_t V) {
    float top = row[0], total = 0.0f, wanted = row[target];
    for (size_t lane = 0, v = 0; v < V; lane += WIDE) {
        size_t end = min_size(v + WIDE * DEEP, V);
        float high[WIDE];
        for (size_t i = 0; i < WIDE; i++) high[i] = -3e38f;
        for (; v + WIDE <= end; v += WIDE)
#pragma omp simd
            for (size_t i = 0; i < WIDE; i++) high[i] = row[v + i] > high[i] ? row[v + i] : high[i];
        for (size_t i = 0; v < end; i++, v++) high[i] = row[v] > high[i] ? row[v] : high[i];
        memcpy(largest + lane, high, sizeof high);
    }
#pragma omp simd reduction(max : top)
    for (size_t lane = 0; lane < lanes(V); lane++) top = largest[lane] > top ? largest[lane] : top;
    for (size_t lane = 0, v = 0; v < V; lane += WIDE) {
        size_t end = min_size(v + WIDE * DEEP, V);
        float part[WIDE] = {0};
        for (; v + WIDE <= end; v += WIDE)
#pragma omp simd
            for (size_t i = 0; i < WIDE; i++) {
                float power = exp_fused(row[v + i] - top);
                row[v + i] = power;
                part[i] += power;
            }
        for (size_t i = 0; v < end; i++, v++) part[i] += row[v] = exp_fused(row[v] - top);
        memcpy(sum + lane, part, sizeof part);
    }
#pragma omp simd reduction(+ : total)
    for (size_t lane = 0; lane < lanes(V); lane++) total += sum[lane];
#pragma omp simd
    for (size_t lane = 0; lane < lanes(V); lane++) largest[lane] = exp_fused(largest[lane] - top);
    *loss = logf(total) + top - wanted;
    return total;
}

// *loss without copying becomes that with it, odds (2) their gradients. Returns the softmax's share of the target's probability.
INLINE float copied_loss(float *loss, float *odds, float dloss) {
    float all = 1.0f + odds[1], own = expf(-*loss), share = 1.0f;
    if (odds[0] > 0.0f) {
        share = own / (own + odds[0]);
        *loss = -logf(own + odds[0]);
        odds[0] = -dloss / (own + odds[0]);
    }
    *loss += logf(all);
    odds[1] = dloss / all;
    return share;
}

// A target below 0 is none: no loss, no gradient.
INLINE void leave_out(float *loss, float *odds, size_t n) {
    *loss = 0.0f;
    if (odds) odds[2 * n] = odds[2 * n + 1] = 0.0f;
}

void crossentropy(float *loss, float *logits, const int32_t *targets, float *odds, float dloss, size_t N, size_t V) {
#pragma omp parallel for schedule(static)
    for (size_t n = 0; n < N; n++) {
        float sum[lanes(V)], largest[lanes(V)];
        if (targets[n] < 0) {
            memset(logits + n * V, 0, V * sizeof *logits);
            leave_out(loss + n, odds, n);
            continue;
        }
        float *row = logits + n * V, total = softmax_row(row, sum, largest, loss + n, (size_t)targets[n], V);
        float own = odds ? dloss * copied_loss(loss + n, odds + 2 * n, dloss) : dloss, factor = own / total;
        for (size_t v = 0; v < V; v++) row[v] *= factor;
        row[targets[n]] -= own;
    }
}

// The same with a sparse gradient. Of a softmax over thousands of tokens nearly all entries are tiny; an entry below `limit` is
// kept with probability p / limit, as `limit`, and else left out, so that the gradient is right on average and at most about
// 1 / limit entries of a row remain. Small entries are drawn systematically: WIDE sums run down the lanes, and an entry is kept where
// one passes a multiple of `limit`, from a starting point that draw[0], row and lane give.
// loss (N); dlogits: the columns and values of d(Σ loss · dloss)/d logits; logits (N,V) are used up.

void crossentropy_sparse(float *loss, const sparse_gradient *dlogits, float *logits, const int32_t *targets, float *odds,
                         const uint32_t *draw, float dloss) {
    size_t N = dlogits->N, E = dlogits->E, V = dlogits->V;
    int32_t *entry = dlogits->entry;
    float *value = dlogits->value;
    const float limit = 1.0f / (float)(E - 2 * WIDE);  // rounding and the lanes' starting points need some room
#pragma omp parallel for schedule(static)
    for (size_t n = 0; n < N; n++) {
        if (targets[n] < 0) {
            dlogits->count[n] = 0;
            leave_out(loss + n, odds, n);
            continue;
        }
        size_t target = (size_t)targets[n], k = 1;
        float sum[lanes(V)], largest[lanes(V)], drawn[WIDE];
        float *row = logits + n * V, total = softmax_row(row, sum, largest, loss + n, target, V);
        float own = odds ? dloss * copied_loss(loss + n, odds + 2 * n, dloss) : dloss, factor = own / total, bound = limit * total;
        entry[n * E] = (int32_t)target;
        value[n * E] = row[target] * factor - own;
        row[target] = 0.0f;
        largest[target / (WIDE * DEEP) * WIDE + target % WIDE] = bound;  // its lane's sum is not what is left: look at each
        for (uint32_t i = 0; i < WIDE; i++) drawn[i] = bound * ((float)(hash((uint32_t)n * WIDE + i, draw[0]) >> 8) / 16777216.0f);
        for (size_t lane = 0; lane < lanes(V); lane += WIDE) {
            float passed[WIDE];
            uint32_t look = 0;  // a bit for each lane with something to keep
#pragma omp simd reduction(| : look)
            for (uint32_t i = 0; i < WIDE; i++) {
                passed[i] = drawn[i] + sum[lane + i];
                look |= (uint32_t)((passed[i] >= bound) | (largest[lane + i] >= bound)) << i;
            }
            for (; look && k < E; look &= look - 1) {
                size_t i = (size_t)__builtin_ctz(look), v = lane * DEEP + i, rows = min_size(DEEP, blocks(V - v, WIDE));
                if (largest[lane + i] < bound && passed[i] < 2.0f * bound) {  // one, found without a branch that nothing can foretell
                    float at = drawn[i];
                    size_t row_of_it = 0;
                    for (size_t r = 0; r + 1 < rows; r++) {
                        at += row[v + r * WIDE];
                        row_of_it += at < bound;
                    }
                    passed[i] -= bound;
                    entry[n * E + k] = (int32_t)(v + row_of_it * WIDE);
                    value[n * E + k++] = bound * factor;
                    continue;
                }
                passed[i] = drawn[i];
                for (size_t r = 0; r < rows && k < E; r++, v += WIDE) {
                    float p = row[v];
                    if (p < bound) {
                        passed[i] += p;
                        if (passed[i] < bound) continue;
                        passed[i] -= bound;
                        p = bound;
                    }
                    entry[n * E + k] = (int32_t)v;
                    value[n * E + k++] = p * factor;
                }
            }
            memcpy(drawn, passed, sizeof drawn);
        }
        dlogits->count[n] = (int32_t)k;
    }
}

// Learning from other models: the target of a token is a distribution, soft (N,V).
//   soft_targets: soft += share · what a model predicts, (softmax(logits) + copies) / (1 + all copies); logits are used up
//   crossentropy_soft: loss (N) = −Σ_v p[v] · log(prediction[v]), p = share · soft + (1 − share) · onehot(target); logits (N,V) become
//   d(Σ loss · dloss)/d logits, rows of power (B,T,T) d/d exponents, and odds (N,2) what makes copy_backward take those as they are
// The N rows are the tokens of a batch, tokens (B,T), from number `start` on. Without copying there is no power.

// ln x, x > 0 and not subnormal: the exponent, and of the mantissa m in [√½, √2) 2·artanh((m − 1) / (m + 1)) as a series.
INLINE float log_fused(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    uint32_t shifted = bits - 0x3F3504F3u;  // of √½
    int32_t exponent = (int32_t)shifted >> 23;
    bits = (shifted & 0x7FFFFFu) + 0x3F3504F3u;
    memcpy(&x, &bits, 4);
    float s = (x - 1.0f) / (x + 1.0f), z = s * s;
    float p = MULTIPLY_ADD(z, 1.0f / 9.0f, 1.0f / 7.0f);
    p = MULTIPLY_ADD(p, z, 1.0f / 5.0f);
    p = MULTIPLY_ADD(p, z, 1.0f / 3.0f);
    p = MULTIPLY_ADD(p, z, 1.0f);
    return MULTIPLY_ADD((float)exponent, 0.693147181f, 2.0f * s * p);
}

// copies (V) = what the odds of copying at token n, power (T), give each token; returns their sum.
INLINE float copies_row(float *copies, const float *power, const int32_t *tokens, size_t n, size_t V, size_t T) {
    float all = 0.0f;
    memset(copies, 0, V * sizeof *copies);
    for (size_t i = 0; power && i < n % T; i++) {
        copies[tokens[n - n % T + i + 1]] += power[i];
        all += power[i];
    }
    return all;
}

void soft_targets(float *soft, float *logits, const float *power, const int32_t *tokens, size_t start, float share, size_t N, size_t V,
                  size_t T) {
#pragma omp parallel for schedule(static)
    for (size_t n = 0; n < N; n++) {
        float sum[lanes(V)], largest[lanes(V)], copies[V], unused;
        float *row = logits + n * V, *out = soft + n * V, total = softmax_row(row, sum, largest, &unused, 0, V);
        float all = copies_row(copies, power ? power + (start + n) * T : NULL, tokens, start + n, V, T), factor = share / (1.0f + all);
        for (size_t v = 0; v < V; v++) out[v] += factor * (row[v] / total + copies[v]);
    }
}

void crossentropy_soft(float *loss, float *logits, float *odds, float *power, const float *soft, const int32_t *targets,
                       const int32_t *tokens, size_t start, float share, float dloss, size_t N, size_t V, size_t T) {
#pragma omp parallel for schedule(static)
    for (size_t n = 0; n < N; n++) {
        float sum[lanes(V)], largest[lanes(V)], copies[V], wanted[V], unused;
        float *row = logits + n * V, *own_power = power ? power + (start + n) * T : NULL;
        size_t t = power ? (start + n) % T : 0;
        if (odds) {
            odds[2 * n] = 0.0f;
            odds[2 * n + 1] = 1.0f;
        }
        if (targets[n] < 0) {
            memset(row, 0, V * sizeof *row);
            memset(own_power, 0, t * sizeof *own_power);
            loss[n] = 0.0f;
            continue;
        }
        float total = softmax_row(row, sum, largest, &unused, 0, V), all = copies_row(copies, own_power, tokens, start + n, V, T);
        float cost = 0.0f, back = 0.0f;
        for (size_t v = 0; v < V; v++) wanted[v] = share * soft[n * V + v];
        wanted[targets[n]] += 1.0f - share;
#pragma omp simd reduction(+ : cost, back)
        for (size_t v = 0; v < V; v++) {
            float own = row[v] / total, both = own + copies[v] + 1e-30f;
            cost += wanted[v] * log_fused(both);
            copies[v] = wanted[v] / both;  // the wanted share of what is predicted
            row[v] = own;
            back += own * copies[v];
        }
        loss[n] = log_fused(1.0f + all) - cost;
        for (size_t v = 0; v < V; v++) row[v] *= dloss * (back - copies[v]);
        for (size_t i = 0; i < t; i++) own_power[i] *= dloss * (1.0f / (1.0f + all) - copies[tokens[start + n - t + i + 1]]);
    }
}

// A sparse gradient of a dense one, dense (N,V): entries of at least `limit` in size are kept, and the others drawn as in crossentropy_sparse, as
// ±limit. With the limit that a row's sum of sizes gives, at most E are left.

void sparse_gradient_of(const sparse_gradient *dlogits, const float *dense, const uint32_t *draw) {
    size_t N = dlogits->N, E = dlogits->E, V = dlogits->V;
#pragma omp parallel for schedule(static)
    for (size_t n = 0; n < N; n++) {
        const float *row = dense + n * V;
        float limit = sum_of_magnitudes(row, V) / (float)(E - 2 * WIDE), drawn[WIDE];
        int32_t *entry = dlogits->entry + n * E;
        float *value = dlogits->value + n * E;
        size_t k = 0;
        for (uint32_t i = 0; i < WIDE; i++) drawn[i] = limit * ((float)(hash((uint32_t)n * WIDE + i, draw[0]) >> 8) / 16777216.0f);
        for (size_t v = 0; v < V && limit > 0.0f; v += WIDE) {
            size_t width = min_size(WIDE, V - v);
            int look = 0;
            float size[WIDE] = {0};
            for (size_t i = 0; i < width; i++) size[i] = fabsf(row[v + i]);
#pragma omp simd reduction(| : look)
            for (size_t i = 0; i < WIDE; i++) {
                drawn[i] += size[i] < limit ? size[i] : 0.0f;
                look |= (drawn[i] >= limit) | (size[i] >= limit);
            }
            for (size_t i = 0; look && i < width && k < E; i++) {
                if (size[i] < limit && drawn[i] < limit) continue;
                if (size[i] < limit) drawn[i] -= limit;
                entry[k] = (int32_t)(v + i);
                value[k++] = size[i] < limit ? copysignf(limit, row[v + i]) : row[v + i];
            }
        }
        dlogits->count[n] = (int32_t)k;
    }
}

// The backward of the output layer from the sparse gradient of its logits.
// dinp (N,C) = Σ_k value (N,E)[k] · scale (V)[entry (N,E)[k]] · weight (V,C)[entry[k]]
// dlatent (V,C)[entry[k]] += value[k] · (q (N,C) · s (N)), a row for all tokens that have an entry of its column, because the table is
// far larger than a cache. first (V), next (N,E): scratch for lists of these entries, in the tokens' order.

void head_backward_sparse(float *dinp, float *dlatent, const sparse_gradient *dlogits, const int8_t *q, const float *s,
                          const int8_t *weight, const float *scale, size_t C) {
    size_t N = dlogits->N, E = dlogits->E, V = dlogits->V;
    const int32_t *entry = dlogits->entry, *count = dlogits->count;
    const float *value = dlogits->value;
    int32_t *first = dlogits->first, *next = dlogits->next;
    enum { BLOCK = 64 };  // channels whose sums stay in registers while the entries pass by
    size_t P = round_up(C, 4);
    memset(first, -1, V * sizeof *first);
    for (size_t n = N; n-- > 0;)
        for (size_t k = 0; k < (size_t)count[n]; k++) {
            int32_t *head = first + entry[n * E + k];
            next[n * E + k] = *head;
            *head = (int32_t)(n * E + k);
        }
#pragma omp parallel
    {
#pragma omp for schedule(static) nowait
        for (size_t n = 0; n < N; n++)
            for (size_t c = 0; c < C; c += BLOCK) {
                size_t width = min_size(BLOCK, C - c);
                float sum[BLOCK] = {0};
                for (size_t k = 0; k < (size_t)count[n]; k++) {
                    size_t v = (size_t)entry[n * E + k];
                    float factor = value[n * E + k] * scale[v];
                    const int8_t *w = weight + v * C + c;
                    if (width == BLOCK)
                        for (size_t i = 0; i < BLOCK; i++) sum[i] += factor * (float)w[i];
                    else
                        for (size_t i = 0; i < width; i++) sum[i] += factor * (float)w[i];
                }
                memcpy(dinp + n * C + c, sum, width * sizeof(float));
            }
#pragma omp for schedule(static, 8)  // in turns, because the first columns are the frequent ones
        for (size_t v = 0; v < V; v++)
            for (int32_t at = first[v]; at >= 0; at = next[at]) {
                size_t n = (size_t)at / E;
                float factor = value[at] * s[n], *row = dlatent + v * C;
                for (size_t c = 0; c < C; c++) row[c] += factor * (float)q[n * P + c];
            }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// The optimizer

// Σ values (M)², in fixed parts of 4,096 so that the threads do not change its bits.
double sum_of_squares(const float *values, size_t M) {
    enum { PART = 4096, GROUP = 256 };
    double total = 0.0;
    for (size_t from = 0; from < M; from += (size_t)PART * GROUP) {
        double part[GROUP];
        size_t parts = blocks(min_size((size_t)PART * GROUP, M - from), PART);
#pragma omp parallel for schedule(static)
        for (size_t p = 0; p < parts; p++) part[p] = sumsq(values + from + p * PART, min_size(PART, M - from - p * PART));
        for (size_t p = 0; p < parts; p++) total += part[p];
    }
    return total;
}

// The momentum of what has no gradient any more shrinks step by step. It becomes zero before it is subnormal: an instruction with such a number takes a
// hundred times as long.
INLINE float or_zero(float x, float least) { return fabsf(x) < least ? 0.0f : x; }
#define LEAST_GRADIENT 1e-30f
#define LEAST_SQUARE 1e-36f

// AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101): param, m, v (M); correction = 1 − beta^step; grad is multiplied by grad_scale and
// left at zero for the next step.
void adamw_update(float *param, float *m, float *v, float *grad, const adamw *settings, size_t M) {
    const float rate = settings->rate, beta1 = settings->beta1, beta2 = settings->beta2, eps = settings->eps, decay = settings->decay;
    const float correction1 = settings->correction1, correction2 = settings->correction2, grad_scale = settings->grad_scale;
#pragma omp parallel for simd schedule(static)
    for (size_t i = 0; i < M; i++) {
        float g = grad[i] * grad_scale;
        grad[i] = 0.0f;
        m[i] = or_zero(beta1 * m[i] + (1.0f - beta1) * g, LEAST_GRADIENT);
        v[i] = or_zero(beta2 * v[i] + (1.0f - beta2) * g * g, LEAST_SQUARE);
        param[i] -= rate * (m[i] / correction1 / (sqrtf(v[i] / correction2) + eps) + decay * param[i]);
    }
}

// Floats of scratch that muon_update needs for a matrix: two copies of it, two squares of its short side, and a matrix in panels.
size_t muon_scratch(size_t O, size_t C) {
    size_t small = min_size(O, C), large = O + C - small;
    return 2 * O * C + 2 * small * small + round_up(small, PANEL) * large;
}

enum { NEWTON_STEPS = 5 };

// P (S,S) = aI + bA + cA² of A (S,S); panels: room for A in panels, where P is left
static void newton_polynomial(float *poly, const float *gram, float *panels, size_t S) {
    const float a = 3.4445f, b = -4.7750f, c = 2.0315f;
    pack_panels(panels, gram, S, S);
    commuting_product(poly, gram, panels, S);
    for (size_t i = 0; i < S * S; i++) poly[i] = b * gram[i] + c * poly[i];
    for (size_t i = 0; i < S; i++) poly[i * S + i] += a;
    pack_panels(panels, poly, S, S);
}

// Newton-Schulz steps X ← XP, A = XᵀX, of x (L,S), L ≥ S. next (L,S), squares (2,S,S), panels: scratch. Returns what holds the result, x or next.
static float *newton_schulz(float *x, float *next, float *squares, float *panels, size_t L, size_t S) {
    float *gram = squares, *poly = gram + S * S;
    for (int step = 0; step < NEWTON_STEPS; step++) {
        pack_panels(panels, x, L, S);
        gram_product(gram, panels, S, L);
        newton_polynomial(poly, gram, panels, S);
        matrix_product(next, (operand){(const uint32_t *)x, S, 1}, panels, S, S, L, 0, S);
        float *swap = x;
        x = next;
        next = swap;
    }
    return x;
}

// The same where L ≥ 2·S, in products of squares: A and P commute, so the A of the next step is AP², and the result is X · Q with Q the product of all
// P. f32 is precise enough for that; bf16 would not be, because A has the squares of X's singular values.
static float *newton_schulz_tall(float *x, float *next, float *squares, float *panels, size_t L, size_t S) {
    float *gram = squares, *poly = gram + S * S, *all = next, *product = all + S * S;
    pack_panels(panels, x, L, S);
    gram_product(gram, panels, S, L);
    for (int step = 0; step < NEWTON_STEPS; step++) {
        newton_polynomial(poly, gram, panels, S);
        if (step == 0) memcpy(all, poly, S * S * sizeof *all);
        else {
            commuting_product(product, all, panels, S);
            float *swap = all;
            all = product;
            product = swap;
        }
        if (step + 1 < NEWTON_STEPS) {
            commuting_product(product, gram, panels, S);
            commuting_product(gram, product, panels, S);
        }
    }
    pack_panels(panels, all, S, S);  // which lies in next
    matrix_product(next, (operand){(const uint32_t *)x, S, 1}, panels, S, S, L, 0, S);
    return next;
}

// One matrix of muon_update, by one thread.
static void muon_update_matrix(float *param, float *momentum, float *grad, float *scratch, const muon *settings, size_t O, size_t C) {
    const float rate = settings->rate, beta = settings->beta, decay = settings->decay, grad_scale = settings->grad_scale;
    size_t small = min_size(O, C), large = O + C - small, M = O * C;
    bool transposed = O < C;  // X is kept tall: A is as small as can be
    float *x = scratch, *next = x + M, *squares = next + M, *panels = squares + 2 * small * small;
    for (size_t i = 0; i < M; i++) {
        float g = grad[i] * grad_scale;
        grad[i] = 0.0f;
        momentum[i] = or_zero(beta * momentum[i] + g, LEAST_GRADIENT);
        next[i] = g + beta * momentum[i];
    }
    double total = 0.0;
    for (size_t o = 0; o < O; o++) total += sumsq(next + o * C, C);
    float norm = 1.0f / ((float)sqrt(total) + 1e-7f);
    // Of a matrix of norm 1, what is too small to change it: the products of the rest, and theirs, are not subnormal.
    const float least = 1e-9f;
    float *normed = transposed ? next : x;
    for (size_t i = 0; i < M; i++) normed[i] = or_zero(norm * next[i], least);
    if (transposed) transpose(x, next, O, C);
    float *result = (large < 2 * small ? newton_schulz : newton_schulz_tall)(x, next, squares, panels, large, small);
    if (transposed) {
        float *rows = result == x ? next : x;
        transpose(rows, result, large, small);
        result = rows;
    }
    float step_size = rate * sqrtf(O > C ? (float)O / (float)C : 1.0f);
    for (size_t i = 0; i < M; i++) param[i] -= step_size * result[i] + rate * decay * param[i];
}

// Muon (Jordan 2024, kellerjordan.github.io/posts/muon): Nesterov momentum, orthogonalised by five Newton-Schulz steps
// X ← X(aI + bA + cA²) with A = XᵀX. param, momentum, grad (M) hold matrices (W,3): where each begins, its rows, its columns. A matrix is
// one thread's work: within one, threads would wait for each other forty times. grad is left at zero for the next step. scratch (R,Z): a row
// for each thread, muon_scratch of the largest matrix.
void muon_update(float *param, float *momentum, float *grad, const int32_t *matrices, float *scratch, const muon *settings, size_t W,
                 size_t R, size_t Z) {
#pragma omp parallel for schedule(dynamic, 1) num_threads((int)min_size((size_t)max_threads(), R))
    for (size_t w = 0; w < W; w++) {
        size_t at = (size_t)matrices[3 * w], O = (size_t)matrices[3 * w + 1], C = (size_t)matrices[3 * w + 2];
        muon_update_matrix(param + at, momentum + at, grad + at, scratch + my_number() * Z, settings, O, C);
    }
}
