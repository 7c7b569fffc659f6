/* What the header that wasm2c generates needs. aot.c has the rest of our run time. */

#ifndef WASM_RT_H_
#define WASM_RT_H_

#include <stdint.h>

typedef struct {
    uint32_t pages; /* of 64 KiB */
} wasm_rt_memory_t;

typedef const char *wasm_rt_func_type_t;

#endif
