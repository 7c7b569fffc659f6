/* The eleven functions of WASI preview 1 that fable6c-wasi.wasm imports, for the interpreted and the compiled module alike.

   Results lie in the module's memory at the offsets that the preview-1 specification fixes; they are written with `put`
   rather than through C structs, so that no compiler's layout rules matter. Plain C99; no floating point. */

#include <string.h>

#include "wasi.h"

/* ---- the module's memory ---- */

static uint8_t *memory;
static uint32_t memory_size;

void wasi_memory(uint8_t *where, uint32_t size) {
    memory = where;
    memory_size = size;
}

/* The host address of `size` bytes at the module's `address`, or NULL when they do not lie in its memory. */
static uint8_t *at(uint32_t address, uint32_t size) { return (uint64_t)address + size <= memory_size ? memory + address : NULL; }

static void put(uint8_t *where, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++) where[i] = (uint8_t)(value >> (8 * i));
}

static uint32_t get32(const uint8_t *where) {
    return (uint32_t)where[0] | (uint32_t)where[1] << 8 | (uint32_t)where[2] << 16 | (uint32_t)where[3] << 24;
}

/* ---- command line, clock, end ---- */

uint32_t wasi_args_sizes_get(uint32_t count_address, uint32_t size_address) {
    uint8_t *count = at(count_address, 4), *size = at(size_address, 4);
    uint32_t bytes = 0;
    if (!count || !size) return WASI_FAULT;
    for (unsigned i = 0; i < argument_count; i++) bytes += (uint32_t)strlen(arguments[i]) + 1;
    put(count, argument_count, 4);
    put(size, bytes, 4);
    return 0;
}

uint32_t wasi_args_get(uint32_t pointers_address, uint32_t address) {
    uint8_t *pointers = at(pointers_address, 4 * argument_count);
    if (!pointers) return WASI_FAULT;
    for (unsigned i = 0; i < argument_count; i++) {
        uint32_t size = (uint32_t)strlen(arguments[i]) + 1;
        uint8_t *text = at(address, size);
        if (!text) return WASI_FAULT;
        memcpy(text, arguments[i], size);
        put(pointers + 4 * i, address, 4);
        address += size;
    }
    return 0;
}

uint32_t wasi_clock_time_get(uint32_t clock, uint64_t precision, uint32_t address) {
    uint8_t *time = at(address, 8);
    (void)clock, (void)precision; /* whichever clock: only differences are used */
    if (!time) return WASI_FAULT;
    put(time, system_nanoseconds(), 8);
    return 0;
}

void wasi_proc_exit(uint32_t status) { system_exit((int)status); }

/* ---- files ---- */

/* Two folders are open from the start, as a WASI runtime's --dir gives them: a path of any kind begins in one of them. */
static const char *const preopened[FOLDERS] = {"/", "."};

static int is_folder(uint32_t fd) { return fd >= FIRST_FOLDER && fd < FIRST_FOLDER + FOLDERS; }
static int is_usable(uint32_t fd) { return fd <= INT32_MAX && !is_folder(fd) && !(fd < FIRST_FOLDER && system_is_closed((int)fd)); }

uint32_t wasi_fd_prestat_get(uint32_t fd, uint32_t address) {
    uint8_t *prestat = at(address, 8);
    if (!is_folder(fd)) return WASI_BADF;
    if (!prestat) return WASI_FAULT;
    put(prestat, 0, 4); /* a folder */
    put(prestat + 4, strlen(preopened[fd - FIRST_FOLDER]), 4);
    return 0;
}

uint32_t wasi_fd_prestat_dir_name(uint32_t fd, uint32_t address, uint32_t capacity) {
    if (!is_folder(fd)) return WASI_BADF;
    const char *name = preopened[fd - FIRST_FOLDER];
    uint32_t size = (uint32_t)strlen(name);
    uint8_t *text = at(address, capacity);
    if (!text || capacity < size) return WASI_FAULT;
    memcpy(text, name, size);
    return 0;
}

uint32_t wasi_path_open(uint32_t folder, uint32_t lookup, uint32_t path_address, uint32_t length, uint32_t flags, uint64_t rights,
                        uint64_t inherited, uint32_t fdflags, uint32_t opened_address) {
    uint8_t *text = at(path_address, length), *opened = at(opened_address, 4);
    static char path[4096 + 2];
    (void)lookup, (void)rights, (void)inherited, (void)fdflags;
    if (!is_folder(folder)) return WASI_BADF;
    if (!text || !opened) return WASI_FAULT;
    if (flags != 0) return WASI_INVAL; /* the command only reads: nothing is ever created or truncated */
    if (length > 4096) return WASI_NAMETOOLONG;
    memcpy(path + 1, text, length);
    path[0] = '/';
    path[length + 1] = 0;
    int fd = system_open(folder == FIRST_FOLDER ? path : path + 1);
    if (fd < 0) return (uint32_t)-fd;
    put(opened, (uint32_t)fd, 4);
    return 0;
}

uint32_t wasi_fd_fdstat_get(uint32_t fd, uint32_t address) {
    uint8_t *fdstat = at(address, 24);
    if (!is_usable(fd)) return WASI_BADF;
    if (!fdstat) return WASI_FAULT;
    int type = system_type((int)fd);
    if (type < 0) return (uint32_t)-type;
    memset(fdstat, 0, 24);
    put(fdstat, (unsigned)type, 1);
    put(fdstat + 8, UINT64_MAX, 8); /* all rights */
    put(fdstat + 16, UINT64_MAX, 8);
    return 0;
}

uint32_t wasi_fd_seek(uint32_t fd, uint64_t offset, uint32_t whence, uint32_t address) {
    uint8_t *position = at(address, 8);
    if (!is_usable(fd)) return WASI_BADF;
    if (!position) return WASI_FAULT;
    if (whence > 2) return WASI_INVAL;
    int64_t found = system_seek((int)fd, (int64_t)offset, (int)whence);
    if (found < 0) return (uint32_t)-found;
    put(position, (uint64_t)found, 8);
    return 0;
}

/* Read into, or write out of, `count` buffers {u32 address, u32 length}, up to the first short transfer. */
static uint32_t transfer(uint32_t fd, uint32_t vectors, uint32_t count, uint32_t done_address, int writing) {
    uint32_t done = 0;
    uint8_t *total = at(done_address, 4);
    if (!is_usable(fd)) return WASI_BADF;
    if (!total || count > 1024) return WASI_FAULT;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *vector = at(vectors + 8 * i, 8);
        if (!vector) return WASI_FAULT;
        uint32_t length = get32(vector + 4);
        uint8_t *bytes = at(get32(vector), length);
        if (!bytes) return WASI_FAULT;
        if (length > 0x40000000) length = 0x40000000; /* a transfer's count must fit an int32_t */
        int32_t moved = writing ? system_write((int)fd, bytes, length) : system_read((int)fd, bytes, length);
        if (moved < 0 && done == 0) return (uint32_t)-moved;
        if (moved < 0) break;
        done += (uint32_t)moved;
        if ((uint32_t)moved < length) break;
    }
    put(total, done, 4);
    return 0;
}

uint32_t wasi_fd_read(uint32_t fd, uint32_t vectors, uint32_t count, uint32_t done) { return transfer(fd, vectors, count, done, 0); }
uint32_t wasi_fd_write(uint32_t fd, uint32_t vectors, uint32_t count, uint32_t done) { return transfer(fd, vectors, count, done, 1); }
