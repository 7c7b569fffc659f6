/* The functions of WASI preview 1 that fable6c-wasi.wasm imports. Addresses are those of the module's memory. */

#ifndef WASI_H
#define WASI_H

#include "system.h"

/* Says where the module's memory is: before the first call, and whenever it has moved or grown. */
void wasi_memory(uint8_t *memory, uint32_t size);

uint32_t wasi_args_sizes_get(uint32_t count, uint32_t size);
uint32_t wasi_args_get(uint32_t pointers, uint32_t text);
uint32_t wasi_clock_time_get(uint32_t clock, uint64_t precision, uint32_t time);
uint32_t wasi_fd_prestat_get(uint32_t fd, uint32_t prestat);
uint32_t wasi_fd_prestat_dir_name(uint32_t fd, uint32_t name, uint32_t size);
uint32_t wasi_path_open(uint32_t folder, uint32_t lookup, uint32_t path, uint32_t length, uint32_t flags, uint64_t rights,
                        uint64_t inherited, uint32_t fdflags, uint32_t opened);
uint32_t wasi_fd_fdstat_get(uint32_t fd, uint32_t fdstat);
uint32_t wasi_fd_seek(uint32_t fd, uint64_t offset, uint32_t whence, uint32_t position);
uint32_t wasi_fd_read(uint32_t fd, uint32_t vectors, uint32_t count, uint32_t done);
uint32_t wasi_fd_write(uint32_t fd, uint32_t vectors, uint32_t count, uint32_t done);
void wasi_proc_exit(uint32_t status);

#endif
