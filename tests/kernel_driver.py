"""A C program around the trainer's kernels, for processors and systems on which there is no Python: it prints a digest of each output."""

import pathlib

ROOT = pathlib.Path(__file__).parent.parent
# Those of fable6c/build_kernels.py.
OPTIONS = ["-O3", "-std=gnu11", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fopenmp", f"-I{ROOT / 'fable6c'}"]

DRIVER = r"""
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "_kernels.h"
enum { N = 41, O = 96, C = 132 }; /* of both an odd number of fours */
static uint32_t state = 1;
static float value(void) { state = state * 1664525u + 1013904223u; return (float)(int32_t)state / 1e9f; }
static void show(const char *name, const void *data, size_t size, size_t number)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < size; i += number) {
        uint32_t word = ((const uint8_t *)data)[i];
        if (number == 4) memcpy(&word, (const uint8_t *)data + i, 4); /* as a number: whatever the order of its bytes */
        hash = (hash ^ word) * 1099511628211u;
    }
    printf("%s %08x%08x\n", name, (unsigned)(hash >> 32), (unsigned)hash);
}
int main(void)
{
    static float dlatent[O * C], slow_dlatent[O * C], ds[N];
    static int8_t dq[N * O];
    const uint32_t draw[2] = {7, 0};
    static float inp[N * C], norm[N * C], rstd[N], gain[C], s[N], scale[1] = {0.25f}, out[N * O], slow[N * O];
    static int8_t q[N * C], weight[O * C];
    static _Alignas(64) int8_t packed[O * C];
    set_threads(2);
    for (int i = 0; i < N * C; i++) inp[i] = value();
    for (int i = 0; i < C; i++) gain[i] = value();
    for (int i = 0; i < O * C; i++) weight[i] = (int8_t)((state = state * 1664525u + 1013904223u) >> 30) % 2 * (state & 1 << 20 ? 1 : -1);
    rmsnorm_forward(norm, rstd, inp, gain, N, C);
    quantize_activations(q, s, norm, N, C);
    linear_pack(packed, weight, O, C);
    linear_forward(out, 0, q, s, packed, scale, N, O, C, 1);
    linear_forward_naive(slow, 0, q, s, weight, scale, N, O, C, 1);
    if (memcmp(out, slow, sizeof out)) return 3;
    quantize_gradients(dq, ds, out, draw, N, O);
    float *scratch = malloc(linear_scratch(N, O, C) * sizeof *scratch);
    linear_backward_weight_int8(dlatent, dq, ds, q, s, draw, scratch, N, C, O);
    linear_backward_weight_int8_naive(slow_dlatent, dq, ds, q, s, draw, N, C, O);
    if (gradient_bits() && memcmp(dlatent, slow_dlatent, sizeof dlatent)) return 4;
    show("rmsnorm", norm, sizeof norm, 4);
    show("quantize", q, sizeof q, 1);
    show("linear", out, sizeof out, 4);
    show("gradient", dq, sizeof dq, 1);
    show("weight", slow_dlatent, sizeof slow_dlatent, 4);
    return 0;
}
"""
