// Matrix products. One tiling serves three element types. A 32-bit lane holds one f32, two bf16 or four 8-bit numbers of
// consecutive k, and a step multiplies a broadcast lane of A with a vector of lanes of B:
//
//     f32   fused multiply-add                       gradients, on machines without bf16
//     bf16  dot product of pairs into f32            gradients, AVX-512 BF16
//     int8  dot product of fours into i32            the ternary forward product, exact; of eights on ARM with i8mm
//
// B is stored in panels of 32 columns, [N/32][K lanes][32], so that a tile streams through it. A tile is MR rows by NR
// columns of accumulators, all in registers.

#ifndef TILES_H
#define TILES_H

#include <stdbool.h>

#include "_simd.h"

#define PANEL 32
#define NR (2 * LANES)

// ---------------------------------------------------------------------------------------------------------------------
// Gradients: products of elements

// The left operand: the lane of row r and depth k is lanes[r·row_step + k·k_step].
typedef struct {
    const uint32_t *lanes;
    size_t row_step, k_step;
} operand;

// out (rows, cols ≤ NR) = or += A (rows, K) · B (K, cols)
INLINE void gradient_tile(float *out, size_t ld, size_t cols, bool add, operand a, const uint32_t *b, size_t K, const size_t rows) {
    vec acc[MR][2];
#pragma GCC unroll 8
    for (size_t r = 0; r < rows; r++) acc[r][0] = acc[r][1] = vec_zero();
    for (size_t k = 0; k < K; k++, a.lanes += a.k_step, b += PANEL) {
        vec b0 = vec_load(b), b1 = vec_load(b + LANES);
#pragma GCC unroll 8
        for (size_t r = 0; r < rows; r++) {
            vec x = vec_broadcast(a.lanes + r * a.row_step);
            acc[r][0] = gradient_step(x, b0, acc[r][0]);
            acc[r][1] = gradient_step(x, b1, acc[r][1]);
        }
    }
#pragma GCC unroll 8
    for (size_t r = 0; r < rows; r++) {
        float edge[NR], *to = cols == NR ? out + r * ld : edge;
        if (cols < NR) {
            memset(edge, 0, sizeof edge);
            if (add) memcpy(edge, out + r * ld, cols * sizeof(float));
        }
        vec_store(to, add ? vec_add(vec_load(to), acc[r][0]) : acc[r][0]);
        vec_store(to + LANES, add ? vec_add(vec_load(to + LANES), acc[r][1]) : acc[r][1]);
        if (cols < NR) memcpy(out + r * ld, edge, cols * sizeof(float));
    }
}

// Rows [from, to) and columns [first, last), first a multiple of NR, of out (M, N) = or += A (M, K lanes) · B (panels of K lanes
// by 32). For one thread; K is cut into blocks whose panel (32·192·4 = 24 KiB) stays in the first-level cache.
static void gradient_product(float *out, size_t N, bool add, operand a, const void *b, size_t K, size_t from, size_t to, size_t first,
                             size_t last) {
    const size_t k_block = 192;
    for (size_t k = 0; k < K; k += k_block) {
        size_t depth = min_size(k_block, K - k);
        bool adding = add || k > 0;
        for (size_t col = first; col < last; col += NR) {
            const uint32_t *panel = (const uint32_t *)b + (col / PANEL * K + k) * PANEL + col % PANEL;
            size_t cols = min_size(NR, N - col), row = from;
            operand part = {a.lanes + from * a.row_step + k * a.k_step, a.row_step, a.k_step};
            for (; row + MR <= to; row += MR, part.lanes += MR * a.row_step)
                gradient_tile(out + row * N + col, N, cols, adding, part, panel, depth, MR);
            for (; row + 2 <= to; row += 2, part.lanes += 2 * a.row_step)
                gradient_tile(out + row * N + col, N, cols, adding, part, panel, depth, 2);
            for (; row < to; row++, part.lanes += a.row_step) gradient_tile(out + row * N + col, N, cols, adding, part, panel, depth, 1);
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Whole numbers: products of bytes

// acc (rows, NR) = A (rows, K fours) · B (K fours, NR), in registers; K ≤ INT_DEPTH where there is one
INLINE void int_run(ivec acc[MR][2], const int8_t *a, size_t row_bytes, size_t k_bytes, const int8_t *b, size_t K, const size_t rows) {
    ivec sum[MR][2];
#pragma GCC unroll 8
    for (size_t r = 0; r < rows; r++) sum[r][0] = sum[r][1] = int_zero();
    const int8_t *end = b + K * PANEL * 4;
    for (; b != end; a += k_bytes, b += PANEL * 4) {
        ivec b0 = int_load(b), b1 = int_load(b + LANES * 4);
#pragma GCC unroll 8
        for (size_t r = 0; r < rows; r++) {
            ivec x = int_broadcast(a + r * row_bytes);
            sum[r][0] = int_step(sum[r][0], b0, x);
            sum[r][1] = int_step(sum[r][1], b1, x);
        }
    }
#pragma GCC unroll 8
    for (size_t r = 0; r < rows; r++) {
        acc[r][0] = sum[r][0];
        acc[r][1] = sum[r][1];
    }
}

#ifdef __ARM_FEATURE_MATMUL_INT8
// The same for two rows, two columns and two fours of each with one instruction.

// Rows of A in a register: two fours of one row, then of the next. A second four that is not `there` is zero.
INLINE int8x16_t two_rows(const int8_t *a, size_t row_bytes, size_t k_bytes, const bool there) {
    if (there && k_bytes == 4) return vcombine_s8(vld1_s8(a), vld1_s8(a + row_bytes));
    int32_t four[4] = {0};
    memcpy(four, a, 4);
    memcpy(four + 2, a + row_bytes, 4);
    if (there) {
        memcpy(four + 1, a + k_bytes, 4);
        memcpy(four + 3, a + row_bytes + k_bytes, 4);
    }
    return vreinterpretq_s8_s32(vld1q_s32(four));
}

// sum (rows/2, NR/2), each of two rows and two columns, += two fours of A and of B
INLINE void add_pairs(ivec sum[MR / 2][LANES], const int8_t *a, size_t row_bytes, size_t k_bytes, const int8_t *b, const size_t rows,
                      const bool there) {
    int8x16_t columns[LANES];
#pragma GCC unroll 8
    for (size_t j = 0; j < LANES; j += 2) {
        ivec first = int_load(b + j * 8), second = there ? int_load(b + PANEL * 4 + j * 8) : int_zero();
        columns[j] = vreinterpretq_s8_s32(vzip1q_s32(first, second));
        columns[j + 1] = vreinterpretq_s8_s32(vzip2q_s32(first, second));
    }
#pragma GCC unroll 8
    for (size_t r = 0; r < rows / 2; r++) {
        int8x16_t x = two_rows(a + 2 * r * row_bytes, row_bytes, k_bytes, there);
#pragma GCC unroll 8
        for (size_t j = 0; j < LANES; j++) sum[r][j] = vmmlaq_s32(sum[r][j], x, columns[j]);
    }
}

INLINE void int_run_of_pairs(ivec acc[MR][2], const int8_t *a, size_t row_bytes, size_t k_bytes, const int8_t *b, size_t K,
                             const size_t rows) {
    ivec sum[MR / 2][LANES];
#pragma GCC unroll 8
    for (size_t r = 0; r < rows / 2; r++)
#pragma GCC unroll 8
        for (size_t j = 0; j < LANES; j++) sum[r][j] = int_zero();
    const int8_t *end = b + K / 2 * 2 * PANEL * 4;
    for (; b != end; a += 2 * k_bytes, b += 2 * PANEL * 4) add_pairs(sum, a, row_bytes, k_bytes, b, rows, true);
    if (K % 2) add_pairs(sum, a, row_bytes, k_bytes, b, rows, false);
#pragma GCC unroll 8
    for (size_t r = 0; r < rows / 2; r++)
#pragma GCC unroll 8
        for (size_t j = 0; j < 2; j++) {
            int64x2_t left = vreinterpretq_s64_s32(sum[r][2 * j]), right = vreinterpretq_s64_s32(sum[r][2 * j + 1]);
            acc[2 * r][j] = vreinterpretq_s32_s64(vzip1q_s64(left, right));
            acc[2 * r + 1][j] = vreinterpretq_s32_s64(vzip2q_s64(left, right));
        }
}
#endif

// The same for any K: where the lanes are narrow, a sum of runs.
INLINE void int_tile(ivec total[MR][2], const int8_t *a, size_t row_bytes, size_t k_bytes, const int8_t *b, size_t K, const size_t rows) {
#if INT_DEPTH
#pragma GCC unroll 8
    for (size_t r = 0; r < rows; r++) total[r][0] = total[r][1] = int_zero();
    for (size_t k = 0; k < K; k += INT_DEPTH) {
        ivec part[MR][2];
        __asm__ volatile("" : "+m"(*(ivec(*)[MR][2])total));  // in memory, so that the run has the registers
        int_run(part, a + k * k_bytes, row_bytes, k_bytes, b + k * PANEL * 4, min_size(INT_DEPTH, K - k), rows);
#pragma GCC unroll 8
        for (size_t r = 0; r < rows; r++) {
            total[r][0] = int_widen(total[r][0], part[r][0]);
            total[r][1] = int_widen(total[r][1], part[r][1]);
        }
    }
#elif defined(__ARM_FEATURE_MATMUL_INT8)
    if (rows % 2 == 0) int_run_of_pairs(total, a, row_bytes, k_bytes, b, K, rows);
    else int_run(total, a, row_bytes, k_bytes, b, K, rows);
#else
    int_run(total, a, row_bytes, k_bytes, b, K, rows);
#endif
}

// A product of int8 activations and packed weights, out (N,O) = [residual +] (q · weightᵀ) · (s · scale).
typedef struct {
    float *out;
    const float *residual;  // may be NULL
    const int8_t *q;        // (N, fours)[4]
    const float *s;         // (N)
    size_t O, fours;
} int8_product;

// Its rows [row, row + rows) and the NR columns from col on, with the panels and scales (NR) of these columns. offset (rows): the sum of each
// row of q, which the BIAS of a weight adds.
INLINE void scaled_tile(int8_product p, const int8_t *panels, const float *scales, const int32_t *offset, size_t row, size_t col,
                        const size_t rows) {
    ivec total[MR][2];
    int_tile(total, p.q + row * p.fours * 4, p.fours * 4, 4, panels + (col / PANEL * p.fours * PANEL + col % PANEL) * 4, p.fours, rows);
    size_t cols = min_size(NR, p.O - col);
    vec scale0 = vec_load(scales), scale1 = vec_load(scales + LANES);
#pragma GCC unroll 8
    for (size_t r = 0; r < rows; r++) {
        vec factor = vec_broadcast(p.s + row + r);
        vec y0 = vec_mul(int_to_float(total[r][0], offset[r]), vec_mul(factor, scale0));
        vec y1 = vec_mul(int_to_float(total[r][1], offset[r]), vec_mul(factor, scale1));
        size_t at = (row + r) * p.O + col;
        if (cols == NR) {
            vec_store(p.out + at, p.residual ? vec_add(vec_load(p.residual + at), y0) : y0);
            vec_store(p.out + at + LANES, p.residual ? vec_add(vec_load(p.residual + at + LANES), y1) : y1);
        } else {
            float edge[NR];
            vec_store(edge, y0);
            vec_store(edge + LANES, y1);
            for (size_t j = 0; j < cols; j++) p.out[at + j] = p.residual ? p.residual[at + j] + edge[j] : edge[j];
        }
    }
}

#if !INT_DEPTH
// out (rows, cols ≤ NR) += top · (lanes (fours, rows)ᵀ · panel − offset (rows)); fours of lanes are `stride` apart, rows of out ld
INLINE void added_tile(float *out, const uint32_t *lanes, size_t stride, const int8_t *panel, const int32_t *offset, float top,
                       size_t fours, size_t ld, size_t cols, const size_t rows) {
    ivec total[MR][2];
    int_tile(total, (const int8_t *)lanes, 4, stride * 4, panel, fours, rows);
    vec factor = vec_broadcast(&top);
#pragma GCC unroll 8
    for (size_t r = 0; r < rows; r++) {
        vec y0 = vec_mul(int_to_float(total[r][0], offset[r]), factor), y1 = vec_mul(int_to_float(total[r][1], offset[r]), factor);
        float *to = out + r * ld;
        if (cols == NR) {
            vec_store(to, vec_add(vec_load(to), y0));
            vec_store(to + LANES, vec_add(vec_load(to + LANES), y1));
        } else {
            float edge[NR];
            vec_store(edge, y0);
            vec_store(edge + LANES, y1);
            for (size_t j = 0; j < cols; j++) to[j] += edge[j];
        }
    }
}
#endif

// ---------------------------------------------------------------------------------------------------------------------
// Copying: products of rows of f32 as they are

// out (rows, cols ≤ LANES) = A (rows, depth) · B (depth, LANES); numbers of A lie at a[row·row_step + k·k_step], rows of B b_step apart.
INLINE void float_tile(float *out, size_t ld, size_t cols, const float *a, size_t row_step, size_t k_step, const float *b, size_t b_step,
                       size_t depth, const size_t rows) {
    vec acc[MR];
    float edge[LANES];
#pragma GCC unroll 8
    for (size_t r = 0; r < rows; r++) acc[r] = vec_zero();
    for (size_t k = 0; k < depth; k++, a += k_step, b += b_step) {
        vec x = vec_load(b);
#pragma GCC unroll 8
        for (size_t r = 0; r < rows; r++) acc[r] = vec_fma(vec_broadcast(a + r * row_step), x, acc[r]);
    }
#pragma GCC unroll 8
    for (size_t r = 0; r < rows; r++) {
        vec_store(cols == LANES ? out + r * ld : edge, acc[r]);
        if (cols < LANES) memcpy(out + r * ld, edge, cols * sizeof(float));
    }
}

// The same for any number of rows up to MR and columns.
INLINE void float_product(float *out, size_t ld, size_t cols, const float *a, size_t row_step, size_t k_step, const float *b, size_t b_step,
                          size_t depth, size_t rows) {
    for (size_t col = 0; col < cols; col += LANES) {
        size_t width = min_size(LANES, cols - col);
        if (rows == MR) float_tile(out + col, ld, width, a, row_step, k_step, b + col, b_step, depth, MR);
        else
            for (size_t row = 0; row < rows; row++)
                float_tile(out + row * ld + col, ld, width, a + row * row_step, row_step, k_step, b + col, b_step, depth, 1);
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Muon: whole matrices of f32, packed for gradient products first

// beta·a (M,K) f32 to lanes by rows, (M, K/PAIR)
static void pack_rows(element *lanes, const float *a, float beta, size_t M, size_t K) {
    size_t width = round_up(K, PAIR);
    for (size_t m = 0; m < M; m++) {
        for (size_t k = 0; k < K; k++) lanes[m * width + k] = to_element(beta * a[m * K + k]);
        for (size_t k = K; k < width; k++) lanes[m * width + k] = 0;
    }
}

// b (K,N) f32 to panels, [N/32][K/PAIR][32]
static void pack_panels(element *panels, const float *b, size_t K, size_t N) {
    size_t pairs = blocks(K, PAIR);
    for (size_t panel = 0; panel < blocks(N, PANEL); panel++)
        for (size_t pair = 0; pair < pairs; pair++) {
            element *lanes = panels + (panel * pairs + pair) * PANEL * PAIR;
            const float *first = b + pair * PAIR * N + panel * PANEL;
            const float *last = pair * PAIR + PAIR - 1 < K ? first + (PAIR - 1) * N : NULL;  // an odd K has no last row
            size_t width = min_size(PANEL, N - panel * PANEL);
            memset(lanes, 0, PANEL * PAIR * sizeof(element));
            for (size_t i = 0; i < width; i++) {
                lanes[i * PAIR] = to_element(first[i]);
                if (PAIR == 2 && last) lanes[i * PAIR + PAIR - 1] = to_element(last[i]);
            }
        }
}

// out (M,N) = alpha·add (M,N) + beta·A (M,K) · B (K,N). `scratch`: A by rows (M·K/PAIR lanes) and B in panels (N up to 32 · K/PAIR lanes).
static void matrix_product(float *out, const float *add, float alpha, float beta, const float *a, const float *b, float *scratch, size_t M,
                           size_t N, size_t K) {
    size_t pairs = blocks(K, PAIR);
    float *panels = scratch + M * pairs;
    pack_rows((element *)scratch, a, beta, M, K);
    pack_panels((element *)panels, b, K, N);
    for (size_t i = 0; i < M * N; i++) out[i] = alpha * add[i];
    gradient_product(out, N, true, (operand){(const uint32_t *)scratch, pairs, 1}, panels, pairs, 0, M, 0, N);
}

// out (M,M) = alpha·add (M,M, symmetric; may be NULL) + Aᵀ · A (K,M): what is below the diagonal is copied, not computed.
// `scratch`: A in panels (M up to 32 · K/PAIR lanes), from which both operands are read.
static void symmetric_product(float *out, const float *add, float alpha, const float *a, float *scratch, size_t M, size_t K) {
    enum { LINE = 16 };  // a cache line of a row at a time
    size_t pairs = blocks(K, PAIR);
    pack_panels((element *)scratch, a, K, M);
    for (size_t i = 0; add && i < M * M; i++) out[i] = alpha * add[i];
    for (size_t first = 0; first < M; first += NR) {
        size_t last = min_size(M, first + NR);
        for (size_t m = 0; m < last; m += PANEL)
            gradient_product(out + m * M, M, add != NULL, (operand){(const uint32_t *)scratch + m * pairs, 1, PANEL}, scratch, pairs, 0,
                             min_size(PANEL, last - m), first, last);
    }
    for (size_t block = 0; block < M; block += LINE)
        for (size_t n = 0; n < min_size(block + LINE, M); n++)
            for (size_t m = block > n ? block : n + 1; m < min_size(block + LINE, M); m++) out[m * M + n] = out[n * M + m];
}

// out (C,R) = factor·inp (R,C)ᵀ, a cache line of a row of out at a time
static void transpose(float *out, const float *inp, float factor, size_t R, size_t C) {
    enum { LINE = 16 };
    for (size_t block = 0; block < R; block += LINE)
        for (size_t c = 0; c < C; c++)
            for (size_t r = block; r < min_size(block + LINE, R); r++) out[c * R + r] = factor * inp[r * C + c];
}

#endif
