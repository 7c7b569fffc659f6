# Two changes to wasm3's m3_exec.h and m3_exec_defs.h for 32-bit machines, applied by `make legacy` to a copy of the core.

# Loads and stores check their bounds in 32 bits rather than 64. Six places, three lines in each. It makes a story of `small` a
# third faster.
#
# Before: (u64)address + offset + size <= length. After: address + offset does not wrap, and is <= length - size. The right
# side does not wrap either, because the built-in module always has memory, a page or more.
s/^    u64 operand = /    u32 operand = /
s/^    operand += offset;  .*$/    u32 wraps = __builtin_add_overflow (operand, offset, \&operand);  \\/
s/^        operand + sizeof (\([A-Z_]*\)) <= _mem->length .*$/        !wraps \&\& operand <= (u32) _mem->length - sizeof (\1)  \\/

# Operations hand on their f32 results as f32 rather than f64, which the x87 had to round through memory before each use. The
# built-in module has no f64: with one, this core would compute wrongly. It makes reading a prompt a fifth faster.
s/(f64 _fp0)/(f32 _fp0)/
