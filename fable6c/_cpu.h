// What the processor has (_cpu.c); the only declaration, read by C, cffi and native.py.

// Whether it can run what was compiled for `isa`, a name of native.INSTRUCTION_SETS. 0 for an unknown name.
int cpu_supports(const char *isa);
