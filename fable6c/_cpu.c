// Which instruction sets the processor has: native.py asks before it loads what was compiled for one.

#include <stdbool.h>
#include <string.h>
#ifdef __x86_64__
#include <cpuid.h>
#endif
#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

#include "_cpu.h"

#if defined(__aarch64__) && defined(__linux__)
// Bits of AT_HWCAP and AT_HWCAP2 (docs.kernel.org/arch/arm64/elf_hwcaps.html), which old headers do not name.
static bool dotprod(void) { return getauxval(AT_HWCAP) >> 20 & 1; }
static bool i8mm(void) { return getauxval(AT_HWCAP2) >> 13 & 1; }
#elif defined(__aarch64__) && defined(__APPLE__)
static bool has(const char *name) {
    int value = 0;
    size_t size = sizeof value;
    return sysctlbyname(name, &value, &size, NULL, 0) == 0 && value;
}
static bool dotprod(void) { return has("hw.optional.arm.FEAT_DotProd"); }
static bool i8mm(void) { return has("hw.optional.arm.FEAT_I8MM"); }
#else
static bool dotprod(void) { return false; }
static bool i8mm(void) { return false; }
#endif

#if defined(__x86_64__) && defined(__linux__)
// Tile registers are 8 KiB that Linux saves for a process that has asked for them (docs.kernel.org/arch/x86/xstate.html). It refuses where it does not know
// them, and where a signal's stack has no room for them.
static bool tiles_allowed(void) {
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XTILEDATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XTILEDATA) == 0;
}
#else
static bool tiles_allowed(void) { return false; }
#endif

int cpu_supports(const char *isa) {
    if (strcmp(isa, "baseline") == 0) return 1;
    if (strcmp(isa, "dotprod") == 0) return dotprod();
    if (strcmp(isa, "i8mm") == 0) return dotprod() && i8mm();
#if defined(__x86_64__) && defined(__GNUC__)
    unsigned eax = 0, ebx, ecx, edx;
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni");
    if (strcmp(isa, "avx2") == 0) return avx2;
    // Old compilers do not know its name.
    if (strcmp(isa, "avxvnni") == 0) return avx2 && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && eax >> 4 & 1;
    if (strcmp(isa, "avx512") == 0) return avx512;
    bool avx512bf16 = avx512 && __builtin_cpu_supports("avx512bf16");
    if (strcmp(isa, "avx512bf16") == 0) return avx512bf16;
    if (strcmp(isa, "amx") == 0) {
        const unsigned wanted = 1u << 24 | 1u << 25;  // tiles, int8
        return avx512bf16 && __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (edx & wanted) == wanted && tiles_allowed();
    }
#endif
    return 0;
}
