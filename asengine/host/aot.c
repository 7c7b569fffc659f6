/* fable6c-aot, the same program compiled ahead of time: the WASI command fable6c-wasi.wasm as C, made by wasm2c.

   The generated functions are included below (engine.inc), after the operations that they call: loads and stores, traps,
   division, counting bits. wasm2c brings such operations of its own; these check bounds in fewer instructions. A store must be
   known not to change where memory is, hence static variables whose address is never taken, in one file with all code. */

#include <stdbool.h>
#include <string.h>

#include "engine.h" /* generated */
#include "wasi.h"

/* ---- memory ----

   An access at `base` + `offset`, the offset a constant, is checked by `base` alone: behind the memory lie GUARD bytes at which
   the program stops. All offsets are addresses in the first pages (../assembly/memory.ts), which are there from the start; so
   a `base` that the compiler knows to be small needs no check at all. That is the case for each look-up of a sum. */

enum { FIRST_PAGES = 26, PAGE = 65536, GUARD = FIRST_PAGES * PAGE }; /* initialMemory in ../asconfig.json */

/* A function with a hundred loads is where it counts, and where gcc would stop inlining them. */
#define INLINE inline __attribute__((always_inline))

static uint8_t *memory;
static uint32_t memory_size;

static void trap(const char *why) __attribute__((noreturn, noinline, cold));
static void trap(const char *why) { system_fail("engine trap", why); }

static INLINE uint8_t *place(u32 base, u32 offset, u32 size) {
    const u32 first = FIRST_PAGES * PAGE;
    if (offset > GUARD - size) { /* no such load or store is in the module; this is for one that a change might bring */
        if ((uint64_t)base + offset + size > memory_size) trap("out of bounds memory access");
    } else if (__builtin_expect(base >= first && base >= memory_size, 0)) {
        trap("out of bounds memory access");
    }
    return memory + base + offset;
}

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
static inline uint8_t little8(uint8_t value) { return value; }
static inline uint16_t little16(uint16_t value) { return __builtin_bswap16(value); }
static inline uint32_t little32(uint32_t value) { return __builtin_bswap32(value); }
static inline uint64_t little64(uint64_t value) { return __builtin_bswap64(value); }
#else
#define little8(value) (value)
#define little16(value) (value)
#define little32(value) (value)
#define little64(value) (value)
#endif

/* name, bits in memory, their type, the type of the result */
#define LOAD(name, bits, stored, result)                         \
    static INLINE result name(u32 base, u32 offset) {            \
        u##bits value;                                           \
        memcpy(&value, place(base, offset, bits / 8), bits / 8); \
        return (result)(stored)little##bits(value);              \
    }
#define STORE(name, bits, argument)                                \
    static INLINE void name(u32 base, u32 offset, argument wide) { \
        u##bits value = little##bits((u##bits)wide);               \
        memcpy(place(base, offset, bits / 8), &value, bits / 8);   \
    }

LOAD(i32_load, 32, u32, u32)
LOAD(i32_load8_u, 8, u8, u32)
LOAD(i32_load8_s, 8, s8, u32)
LOAD(i32_load16_u, 16, u16, u32)
LOAD(i32_load16_s, 16, s16, u32)
LOAD(i64_load, 64, u64, u64)
LOAD(i64_load8_u, 8, u8, u64)
LOAD(i64_load8_s, 8, s8, u64)
LOAD(i64_load16_u, 16, u16, u64)
LOAD(i64_load16_s, 16, s16, u64)
LOAD(i64_load32_u, 32, u32, u64)
LOAD(i64_load32_s, 32, s32, u64)
STORE(i32_store, 32, u32)
STORE(i32_store8, 8, u32)
STORE(i32_store16, 16, u32)
STORE(i64_store, 64, u64)
STORE(i64_store8, 8, u64)
STORE(i64_store16, 16, u64)
STORE(i64_store32, 32, u64)

static inline f32 f32_reinterpret_i32(u32 bits) {
    f32 value;
    memcpy(&value, &bits, 4);
    return value;
}

static inline u32 i32_reinterpret_f32(f32 value) {
    u32 bits;
    memcpy(&bits, &value, 4);
    return bits;
}

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
static INLINE f32 f32_load(u32 base, u32 offset) { return f32_reinterpret_i32(i32_load(base, offset)); }
static INLINE void f32_store(u32 base, u32 offset, f32 value) { i32_store(base, offset, i32_reinterpret_f32(value)); }
#else
static INLINE f32 f32_load(u32 base, u32 offset) {
    f32 value;
    memcpy(&value, place(base, offset, 4), 4);
    return value;
}

static INLINE void f32_store(u32 base, u32 offset, f32 value) { memcpy(place(base, offset, 4), &value, 4); }
#endif

static void allocate(u32 pages) {
    if (pages != FIRST_PAGES) system_fail("the built-in engine does not load", "its first memory is not what aot.c was built for");
    memory = system_memory(NULL, 0, FIRST_PAGES * PAGE, GUARD);
    if (!memory) system_fail("the engine does not start", "not enough memory");
    memory_size = FIRST_PAGES * PAGE;
    wasi_memory(memory, memory_size);
}

/* memory.grow: returns the pages that there were, or -1. */
static u32 grow(u32 pages) {
    u32 before = memory_size / PAGE;
    if (pages >= 65536 - before) return UINT32_MAX; /* 4 GiB do not fit memory_size */
    if (pages == 0) return before;
    uint8_t *grown = system_memory(memory, memory_size, (size_t)memory_size + (size_t)pages * PAGE, GUARD);
    if (!grown) return UINT32_MAX;
    memory = grown;
    memory_size += pages * PAGE;
    wasi_memory(memory, memory_size);
    return before;
}

#define wasm_rt_allocate_memory(unused, count, ...) allocate(instance->w2c_memory.pages = (count))
#define wasm_rt_grow_memory(unused, count) grow_instance(instance, count)
#define wasm_rt_free_memory(unused)
#define LOAD_DATA(unused, address, bytes, size) memcpy(memory + (address), bytes, size) /* all in the first pages: a test says so */

static u32 grow_instance(engine *instance, u32 pages) {
    u32 before = grow(pages);
    instance->w2c_memory.pages = memory_size / PAGE;
    return before;
}

/* ---- operations whose result C does not define for all arguments ---- */

#define UNREACHABLE trap("unreachable executed")
#define FUNC_PROLOGUE
#define FUNC_EPILOGUE

#define DIV_U(a, b) ((b) ? (a) / (b) : (trap("integer divide by zero"), (b)))
#define REM_U(a, b) ((b) ? (a) % (b) : (trap("integer divide by zero"), (b)))
#define I32_ROTL(x, n) ((x) << ((n) & 31) | (x) >> (-(n) & 31))
#define I64_ROTL(x, n) ((x) << ((n) & 63) | (x) >> (-(n) & 63))
#define I32_CLZ(x) ((x) ? (u32)__builtin_clz(x) : 32)
#define I32_CTZ(x) ((x) ? (u32)__builtin_ctz(x) : 32)
#define I64_CLZ(x) ((x) ? (u64)__builtin_clzll(x) : 64)
#define I64_CTZ(x) ((x) ? (u64)__builtin_ctzll(x) : 64)
#define I32_POPCNT(x) ((u32)__builtin_popcount(x))
#define I64_POPCNT(x) ((u64)__builtin_popcountll(x))

static inline u32 I32_TRUNC_S_F32(f32 x) {
#if defined(__i386__) && !defined(__SSE__)
    /* The x87 truncates only after a change of its rounding mode and back, which takes longer than doing it by hand. */
    u32 bits = i32_reinterpret_f32(x), digits = (bits & 0x7fffff) | 0x800000;
    s32 shift = (s32)(bits >> 23 & 0xff) - 150;
    if (shift < -23) return 0;
    if (shift <= 7) {
        digits = shift > 0 ? digits << shift : digits >> -shift;
        return bits >> 31 ? -digits : digits;
    }
#endif
    if (!(x >= -2147483648.0f && x < 2147483648.0f)) trap(x != x ? "invalid conversion to integer" : "integer overflow");
    return (u32)(s32)x;
}

static inline f32 wasm_sqrtf(f32 x) {
#if defined(__i386__) && !defined(__SSE__) /* some compilers would call a library that is not there */
    long double root = x;
    __asm__("fsqrt" : "+t"(root));
    return (f32)root;
#else
    return __builtin_sqrtf(x);
#endif
}
static inline f32 wasm_fabsf(f32 x) { return __builtin_fabsf(x); }

/* Of two zeros, -0 is the smaller one; the sum of anything and NaN is NaN. */
static inline f32 FMIN(f32 a, f32 b) {
    if (a < b) return a;
    if (b < a) return b;
    return a == b ? f32_reinterpret_i32(i32_reinterpret_f32(a) | i32_reinterpret_f32(b)) : a + b;
}

static inline f32 FMAX(f32 a, f32 b) {
    if (a > b) return a;
    if (b > a) return b;
    return a == b ? f32_reinterpret_i32(i32_reinterpret_f32(a) & i32_reinterpret_f32(b)) : a + b;
}

/* f32.nearest: to an integer, halves to the even one. A number from 2^23 on has no bits below one. */
static inline f32 wasm_nearbyintf(f32 x) {
    f32 size = __builtin_fabsf(x);
    if (!(size < 8388608.0f)) return x;
    size += 8388608.0f;
    size -= 8388608.0f;
    return __builtin_copysignf(size, x);
}

/* ---- the module ---- */

/* wasm2c's word for a constant of the engine. <math.h> is not there for every program (native.mk). */
#define INFINITY __builtin_inff()

#define import_args_sizes_get(unused, ...) wasi_args_sizes_get(__VA_ARGS__)
#define import_args_get(unused, ...) wasi_args_get(__VA_ARGS__)
#define import_clock_time_get(unused, ...) wasi_clock_time_get(__VA_ARGS__)
#define import_fd_prestat_get(unused, ...) wasi_fd_prestat_get(__VA_ARGS__)
#define import_fd_prestat_dir_name(unused, ...) wasi_fd_prestat_dir_name(__VA_ARGS__)
#define import_path_open(unused, ...) wasi_path_open(__VA_ARGS__)
#define import_fd_fdstat_get(unused, ...) wasi_fd_fdstat_get(__VA_ARGS__)
#define import_fd_seek(unused, ...) wasi_fd_seek(__VA_ARGS__)
#define import_fd_read(unused, ...) wasi_fd_read(__VA_ARGS__)
#define import_fd_write(unused, ...) wasi_fd_write(__VA_ARGS__)
#define import_proc_exit(unused, status) wasi_proc_exit(status)

#include "engine.inc" /* generated */

void run_module(void) {
    static engine instance;
    engine_instantiate(&instance, NULL);
    engine_start(&instance);
}
