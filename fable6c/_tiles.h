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

// out (rows, cols ≤ NR) = or += A (rows, K) · B (K, cols), of elements or of f32
INLINE void gradient_tile(float *out, size_t ld, size_t cols, bool add, operand a, const uint32_t *b, size_t K, const size_t rows,
                          const bool f32) {
    vec acc[MR][2];
#pragma GCC unroll 8
    for (size_t r = 0; r < rows; r++) acc[r][0] = acc[r][1] = vec_zero();
    for (size_t k = 0; k < K; k++, a.lanes += a.k_step, b += PANEL) {
        vec b0 = vec_load(b), b1 = vec_load(b + LANES);
#pragma GCC unroll 8
        for (size_t r = 0; r < rows; r++) {
            vec x = vec_broadcast(a.lanes + r * a.row_step);
            acc[r][0] = f32 ? vec_fma(x, b0, acc[r][0]) : gradient_step(x, b0, acc[r][0]);
            acc[r][1] = f32 ? vec_fma(x, b1, acc[r][1]) : gradient_step(x, b1, acc[r][1]);
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
INLINE void lane_product(float *out, size_t N, bool add, operand a, const void *b, size_t K, size_t from, size_t to, size_t first,
                         size_t last, const bool f32) {
    const size_t k_block = 192;
    for (size_t k = 0; k < K; k += k_block) {
        size_t depth = min_size(k_block, K - k);
        bool adding = add || k > 0;
        for (size_t col = first; col < last; col += NR) {
            const uint32_t *panel = (const uint32_t *)b + (col / PANEL * K + k) * PANEL + col % PANEL;
            size_t cols = min_size(NR, N - col), row = from;
            operand part = {a.lanes + from * a.row_step + k * a.k_step, a.row_step, a.k_step};
            for (; row + MR <= to; row += MR, part.lanes += MR * a.row_step)
                gradient_tile(out + row * N + col, N, cols, adding, part, panel, depth, MR, f32);
            for (; row + 2 <= to; row += 2, part.lanes += 2 * a.row_step)
                gradient_tile(out + row * N + col, N, cols, adding, part, panel, depth, 2, f32);
            for (; row < to; row++, part.lanes += a.row_step)
                gradient_tile(out + row * N + col, N, cols, adding, part, panel, depth, 1, f32);
        }
    }
}

static void gradient_product(float *out, size_t N, bool add, operand a, const void *b, size_t K, size_t from, size_t to, size_t first,
                             size_t last) {
    lane_product(out, N, add, a, b, K, from, to, first, last, PAIR == 1);
}

// ---------------------------------------------------------------------------------------------------------------------
// Whole numbers: products of bytes

INLINE ivec lane_step(ivec acc, ivec b, ivec a, const bool pairs) {
#ifdef PAIR_GRADIENT
    if (pairs) return pair_step(acc, b, a);
#endif
    (void)pairs;
    return int_step(acc, b, a);
}

// acc (rows, NR) = A (rows, K lanes) · B (K lanes, NR), in registers. A lane is four bytes, of which at most INT_DEPTH lanes may be summed where there is
// such a limit, or a pair of 16-bit numbers.
INLINE void int_run(ivec acc[MR][2], const int8_t *a, size_t row_bytes, size_t k_bytes, const int8_t *b, size_t K, const size_t rows,
                    const bool pairs) {
    ivec sum[MR][2];
#pragma GCC unroll 8
    for (size_t r = 0; r < rows; r++) sum[r][0] = sum[r][1] = int_zero();
    const int8_t *end = b + K * PANEL * 4;
    for (; b != end; a += k_bytes, b += PANEL * 4) {
        ivec b0 = int_load(b), b1 = int_load(b + LANES * 4);
#pragma GCC unroll 8
        for (size_t r = 0; r < rows; r++) {
            ivec x = int_broadcast(a + r * row_bytes);
            sum[r][0] = lane_step(sum[r][0], b0, x, pairs);
            sum[r][1] = lane_step(sum[r][1], b1, x, pairs);
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

typedef int32_t sums[NR];

#ifdef __AMX_INT8__
#include "_amx.h"
#else
#define TILE_ROWS MR
INLINE void begin_tiles(void) {}
INLINE void end_tiles(void) {}
#endif

// The same for any K: where the lanes are narrow, a sum of runs.
INLINE void int_tile(ivec total[MR][2], const int8_t *a, size_t row_bytes, size_t k_bytes, const int8_t *b, size_t K, const size_t rows) {
#if INT_DEPTH
#pragma GCC unroll 8
    for (size_t r = 0; r < rows; r++) total[r][0] = total[r][1] = int_zero();
    for (size_t k = 0; k < K; k += INT_DEPTH) {
        ivec part[MR][2];
        __asm__ volatile("" : "+m"(*(ivec(*)[MR][2])total));  // in memory, so that the run has the registers
        int_run(part, a + k * k_bytes, row_bytes, k_bytes, b + k * PANEL * 4, min_size(INT_DEPTH, K - k), rows, false);
#pragma GCC unroll 8
        for (size_t r = 0; r < rows; r++) {
            total[r][0] = int_widen(total[r][0], part[r][0]);
            total[r][1] = int_widen(total[r][1], part[r][1]);
        }
    }
#elif defined(__ARM_FEATURE_MATMUL_INT8)
    if (rows % 2 == 0) int_run_of_pairs(total, a, row_bytes, k_bytes, b, K, rows);
    else int_run(total, a, row_bytes, k_bytes, b, K, rows, false);
#else
    int_run(total, a, row_bytes, k_bytes, b, K, rows, false);
#endif
}

// What tile registers have summed of the whole number of TILE_LANES lanes in K is left out of the rest, and added to it.
INLINE size_t lanes_begun(const sums *begun, size_t K) {
#ifdef TILE_LANES
    return begun ? K / TILE_LANES * TILE_LANES : 0;
#else
    (void)begun, (void)K;
    return 0;
#endif
}

INLINE void add_begun(ivec total[MR][2], const sums *begun, const size_t rows) {
#ifdef TILE_LANES
    if (begun)
#pragma GCC unroll 8
        for (size_t r = 0; r < rows; r++) {
            total[r][0] += int_load(begun[r]);
            total[r][1] += int_load(begun[r] + LANES);
        }
#else
    (void)total, (void)begun, (void)rows;
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
// row of q, which the BIAS of a weight adds. begun (rows, NR): the sums of the first lanes, or NULL.
INLINE void scaled_tile(int8_product p, const int8_t *panels, const float *scales, const int32_t *offset, const sums *begun, size_t row,
                        size_t col, const size_t rows) {
    ivec total[MR][2];
    size_t first = lanes_begun(begun, p.fours);
    int_tile(total, p.q + (row * p.fours + first) * 4, p.fours * 4, 4, panels + ((col / PANEL * p.fours + first) * PANEL + col % PANEL) * 4,
             p.fours - first, rows);
    add_begun(total, begun, rows);
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

#if !INT_DEPTH || defined(PAIR_GRADIENT)
// out (rows, cols ≤ NR) += unit · (lanes (K, rows)ᵀ · panel − offset (rows, or NULL)); lanes of the next k are `stride` apart, rows of out ld. A lane
// is a pair of 16-bit numbers or four bytes. begun (rows, NR): the sums of the first lanes, or NULL.
INLINE void added_tile(float *out, const uint32_t *lanes, size_t stride, const int8_t *panel, const int32_t *offset, const sums *begun,
                       float unit, size_t K, size_t ld, size_t cols, const size_t rows) {
    ivec total[MR][2];
    size_t first = lanes_begun(begun, K);
    lanes += first * stride, panel += first * PANEL * 4, K -= first;
#ifdef PAIR_GRADIENT
    int_run(total, (const int8_t *)lanes, 4, stride * 4, panel, K, rows, true);
#else
    int_tile(total, (const int8_t *)lanes, 4, stride * 4, panel, K, rows);
#endif
    add_begun(total, begun, rows);
    vec factor = vec_broadcast(&unit);
#pragma GCC unroll 8
    for (size_t r = 0; r < rows; r++) {
        int32_t off = offset ? offset[r] : 0;
        vec y0 = vec_mul(int_to_float(total[r][0], off), factor), y1 = vec_mul(int_to_float(total[r][1], off), factor);
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
// Muon: whole matrices of f32. The right operand is packed into panels, [N/32][K][32]; the left one is read as it is.

static void pack_panels(float *panels, const float *b, size_t K, size_t N) {
    for (size_t panel = 0; panel < blocks(N, PANEL); panel++)
        for (size_t k = 0; k < K; k++, panels += PANEL) {
            size_t width = min_size(PANEL, N - panel * PANEL);
            memcpy(panels, b + k * N + panel * PANEL, width * sizeof *panels);
            memset(panels + width, 0, (PANEL - width) * sizeof *panels);
        }
}

// Rows [0, to) and columns [first, last), first a multiple of NR, of out (…,N) = A · B (panels of K lanes)
static void matrix_product(float *out, operand a, const float *panels, size_t N, size_t K, size_t to, size_t first, size_t last) {
    lane_product(out, N, false, a, panels, K, 0, to, first, last, true);
}

// What is below the diagonal of a (M,M) becomes what is above it, a cache line of a row at a time.
static void mirror(float *a, size_t M) {
    enum { LINE = 16 };
    for (size_t block = 0; block < M; block += LINE)
        for (size_t n = 0; n < min_size(block + LINE, M); n++)
            for (size_t m = block > n ? block : n + 1; m < min_size(block + LINE, M); m++) a[m * M + n] = a[n * M + m];
}

// out (M,M) = Aᵀ · A (K,M in panels, from which both operands are read): what is below the diagonal is copied, not computed.
static void gram_product(float *out, const float *panels, size_t M, size_t K) {
    for (size_t first = 0; first < M; first += NR) {
        size_t last = min_size(M, first + NR);
        for (size_t m = 0; m < last; m += PANEL)
            matrix_product(out + m * M, (operand){(const uint32_t *)panels + m * K, 1, PANEL}, panels, M, K, min_size(PANEL, last - m),
                           first, last);
    }
    mirror(out, M);
}

// out (M,M) = A (M,M) · B (M,M in panels), symmetric matrices that commute, so that the product is symmetric too
static void commuting_product(float *out, const float *a, const float *panels, size_t M) {
    for (size_t first = 0; first < M; first += NR) {
        size_t last = min_size(M, first + NR);
        matrix_product(out, (operand){(const uint32_t *)a, M, 1}, panels, M, M, last, first, last);
    }
    mirror(out, M);
}

// out (C,R) = inp (R,C)ᵀ, a cache line of a row of out at a time
static void transpose(float *out, const float *inp, size_t R, size_t C) {
    enum { LINE = 16 };
    for (size_t block = 0; block < R; block += LINE)
        for (size_t c = 0; c < C; c++)
            for (size_t r = block; r < min_size(block + LINE, R); r++) out[c * R + r] = inp[r * C + c];
}

#endif
