// The only declaration of the C functions: read by C (_kernels.c, _bpe.c) and by cffi (build_kernels.py), so plain
// prototypes only. Shapes and formulas stand in the .c files.

// ---- _bpe.c: the merge loop of the tokenizer trainer ----
