// Products of bytes in the tile registers of AMX: eight of 16 rows of 64 bytes. An instruction adds the products of 16 rows, 16 columns and 16 lanes of
// K, four bytes each. Included by _tiles.h.

#ifndef AMX_H
#define AMX_H

#define TILE_ROWS 32
#define TILE_LANES 16

// The registers are handed back after use: a thread that holds them is dearer to interrupt.
static const struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} TILES_IN_USE = {1, 0, {0}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};
INLINE void begin_tiles(void) { __asm__ volatile("ldtilecfg %0" ::"m"(TILES_IN_USE)); }
INLINE void end_tiles(void) { _tile_release(); }

// sum (32, NR) = A (32, 16·steps lanes) · B (16·steps lanes, NR). Of A the rows of a register lie row_bytes apart, the second 16 of them `half` bytes
// behind the first, what the next step takes step_bytes further.
INLINE void tile_run(sums *sum, const int8_t *a, size_t row_bytes, size_t half, size_t step_bytes, const int8_t *b, size_t steps) {
    __asm__ volatile("" ::: "memory");  // GCC does not know that tiles are loaded from memory
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (size_t step = 0; step < steps; step++, a += step_bytes, b += TILE_LANES * PANEL * 4) {
        _tile_loadd(6, b, PANEL * 4);
        _tile_loadd(4, a, row_bytes);
        _tile_loadd(7, b + LANES * 4, PANEL * 4);
        _tile_loadd(5, a + half, row_bytes);
        _tile_dpbsud(0, 4, 6);
        _tile_dpbsud(1, 4, 7);
        _tile_dpbsud(2, 5, 6);
        _tile_dpbsud(3, 5, 7);
    }
    _tile_stored(0, sum[0], NR * 4);
    _tile_stored(1, sum[0] + LANES, NR * 4);
    _tile_stored(2, sum[TILE_ROWS / 2], NR * 4);
    _tile_stored(3, sum[TILE_ROWS / 2] + LANES, NR * 4);
}

// tile (16 rows)[16] = lanes (16, stride)[16 rows], transposed
INLINE void tile_of_columns(uint32_t *tile, const uint32_t *lanes, size_t stride) {
    ivec row[16], pair[16];
#define EACH(n) _Pragma("GCC unroll 16") for (int i = 0; i < n; i++)
    EACH(16) row[i] = int_load(lanes + i * stride);
    EACH(8) {
        pair[2 * i] = (ivec)_mm512_unpacklo_epi32((__m512i)row[2 * i], (__m512i)row[2 * i + 1]);
        pair[2 * i + 1] = (ivec)_mm512_unpackhi_epi32((__m512i)row[2 * i], (__m512i)row[2 * i + 1]);
    }
    EACH(4) {
        row[4 * i] = (ivec)_mm512_unpacklo_epi64((__m512i)pair[4 * i], (__m512i)pair[4 * i + 2]);
        row[4 * i + 1] = (ivec)_mm512_unpackhi_epi64((__m512i)pair[4 * i], (__m512i)pair[4 * i + 2]);
        row[4 * i + 2] = (ivec)_mm512_unpacklo_epi64((__m512i)pair[4 * i + 1], (__m512i)pair[4 * i + 3]);
        row[4 * i + 3] = (ivec)_mm512_unpackhi_epi64((__m512i)pair[4 * i + 1], (__m512i)pair[4 * i + 3]);
    }
    EACH(4) {
        pair[i] = (ivec)_mm512_shuffle_i32x4((__m512i)row[i], (__m512i)row[i + 4], 0x88);
        pair[i + 4] = (ivec)_mm512_shuffle_i32x4((__m512i)row[i], (__m512i)row[i + 4], 0xdd);
        pair[i + 8] = (ivec)_mm512_shuffle_i32x4((__m512i)row[i + 8], (__m512i)row[i + 12], 0x88);
        pair[i + 12] = (ivec)_mm512_shuffle_i32x4((__m512i)row[i + 8], (__m512i)row[i + 12], 0xdd);
    }
    EACH(4) {
        row[i] = (ivec)_mm512_shuffle_i32x4((__m512i)pair[i], (__m512i)pair[i + 8], 0x88);
        row[i + 4] = (ivec)_mm512_shuffle_i32x4((__m512i)pair[i + 4], (__m512i)pair[i + 12], 0x88);
        row[i + 8] = (ivec)_mm512_shuffle_i32x4((__m512i)pair[i], (__m512i)pair[i + 8], 0xdd);
        row[i + 12] = (ivec)_mm512_shuffle_i32x4((__m512i)pair[i + 4], (__m512i)pair[i + 12], 0xdd);
    }
    EACH(16) memcpy(tile + i * 16, &row[i], sizeof row[i]);
#undef EACH
}

#endif
