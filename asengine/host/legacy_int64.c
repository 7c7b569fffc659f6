/* What gcc calls for 64-bit integers on a 32-bit x86: division, remainder, counting bits.

   They are libgcc's, which `gcc -m32` has only where gcc-multilib is installed, and which Debian compiles for i686. Names and
   results are those of GCC Internals, "Integer library routines". Division by zero faults as the instruction does; wasm3
   checks before it divides. */

#include <stdint.h>

uint64_t __udivmoddi4(uint64_t n, uint64_t d, uint64_t *rest);
uint64_t __udivdi3(uint64_t n, uint64_t d);
uint64_t __umoddi3(uint64_t n, uint64_t d);
int64_t __divdi3(int64_t n, int64_t d);
int64_t __moddi3(int64_t n, int64_t d);
int __ctzdi2(uint64_t n);
int __popcountsi2(uint32_t n);
int __popcountdi2(uint64_t n);

uint64_t __udivmoddi4(uint64_t n, uint64_t d, uint64_t *rest) {
    uint64_t quotient = 0;
    if (d >> 32 == 0) {
        /* Two steps of long division with 32-bit digits: the first rest is below d, so the second quotient fits. */
        uint32_t divisor = (uint32_t)d, low, left = (uint32_t)(n >> 32) % divisor;
        quotient = (uint64_t)((uint32_t)(n >> 32) / divisor) << 32;
        __asm__("divl %4" : "=a"(low), "=d"(left) : "0"((uint32_t)n), "1"(left), "r"(divisor) : "cc");
        quotient |= low;
        n = left;
    } else {
        int shift = __builtin_clz((uint32_t)(d >> 32)); /* the quotient has at most shift + 1 bits */
        for (d <<= shift; shift >= 0; shift--, d >>= 1) {
            quotient <<= 1;
            if (n >= d) n -= d, quotient |= 1;
        }
    }
    if (rest) *rest = n;
    return quotient;
}

uint64_t __udivdi3(uint64_t n, uint64_t d) { return __udivmoddi4(n, d, 0); }

uint64_t __umoddi3(uint64_t n, uint64_t d) {
    uint64_t rest;
    __udivmoddi4(n, d, &rest);
    return rest;
}

static uint64_t magnitude(int64_t n) { return n < 0 ? -(uint64_t)n : (uint64_t)n; }

int64_t __divdi3(int64_t n, int64_t d) {
    uint64_t quotient = __udivmoddi4(magnitude(n), magnitude(d), 0);
    return (int64_t)((n < 0) != (d < 0) ? -quotient : quotient);
}

int64_t __moddi3(int64_t n, int64_t d) {
    uint64_t rest;
    __udivmoddi4(magnitude(n), magnitude(d), &rest);
    return (int64_t)(n < 0 ? -rest : rest); /* the sign of the dividend */
}

int __ctzdi2(uint64_t n) { return (uint32_t)n ? __builtin_ctz((uint32_t)n) : 32 + __builtin_ctz((uint32_t)(n >> 32)); }

int __popcountsi2(uint32_t n) {
    int count = 0;
    for (; n; n &= n - 1) count++;
    return count;
}

int __popcountdi2(uint64_t n) { return __popcountsi2((uint32_t)n) + __popcountsi2((uint32_t)(n >> 32)); }
