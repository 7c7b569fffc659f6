/* fable6c, the native program: the WASI command fable6c-wasi.wasm inside the wasm3 interpreter.

   Options, messages, chat and the model itself are the command's (../assembly/wasi.ts), the same in every WASI runtime.
   Here is what such a runtime is: the module as an array, the interpreter, and the eleven functions of WASI preview 1 that
   the command imports. wasm3's own WASI is not used: it does not compile for 32-bit x86.

   Results live in the module's memory at the offsets that the preview-1 specification fixes; they are written with `put`
   rather than through C structs, so that no compiler's layout rules matter. Plain C99 and POSIX; no floating point. */

#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "wasm3.h"

static const unsigned char module_bytes[] = {
#include "module.inc" /* fable6c-wasi.wasm, one 0x.., for each byte; made by the Makefile */
};

static char **arguments;
static unsigned argument_count;

enum { STACK_BYTES = 64 * 1024 }; /* wasm3's own stack for locals; the engine's calls are a dozen deep and never recurse */

/* ---- WASI error numbers ---- */

enum { BADF = 8, FAULT = 21, INVAL = 28, IO = 29 };

static uint32_t wasi_errno(void)
{
    switch (errno) {
    case EACCES: return 2;
    case EBADF: return BADF;
    case EFBIG: return 22;
    case EINVAL: return INVAL;
    case EISDIR: return 31;
    case ELOOP: return 32;
    case EMFILE: return 33;
    case ENAMETOOLONG: return 37;
    case ENFILE: return 41;
    case ENODEV: return 43;
    case ENOENT: return 44;
    case ENOMEM: return 48;
    case ENOSPC: return 51;
    case ENOTDIR: return 54;
    case ENXIO: return 60;
    case EPERM: return 63;
    case EPIPE: return 64;
    case ESPIPE: return 70;
    default: return IO;
    }
}

/* ---- the module's memory ---- */

static uint8_t *memory;      /* set by ENTER for the call in progress: memory moves when the module grows it */
static uint32_t memory_size;

/* The host address of `size` bytes at the module's `address`, or NULL when they do not lie in its memory. */
static uint8_t *at(uint32_t address, uint32_t size)
{
    return (uint64_t)address + size <= memory_size ? memory + address : NULL;
}

static void put(uint8_t *where, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) where[i] = (uint8_t)(value >> (8 * i));
}

static uint32_t get32(const uint8_t *where)
{
    return (uint32_t)where[0] | (uint32_t)where[1] << 8 | (uint32_t)where[2] << 16 | (uint32_t)where[3] << 24;
}

/* A WASI function in wasm3's raw calling convention: the result's slot comes first, then the arguments. */
#define WASI(name)                                          \
    static m3ApiRawFunction(name)                           \
    {                                                       \
        uint64_t *result = _sp++;                           \
        (void)_ctx;                                         \
        memory = _mem;                                      \
        memory_size = m3_GetMemorySize(runtime);            \
        *(uint32_t *)result = call_##name(_sp);             \
        return m3Err_none;                                  \
    }
#define U32(i) (*(uint32_t *)(arg + (i)))
#define U64(i) (arg[i])

/* ---- command line, clock ---- */

static uint32_t call_args_sizes_get(uint64_t *arg)
{
    uint8_t *count = at(U32(0), 4), *size = at(U32(1), 4);
    uint32_t bytes = 0;
    if (!count || !size) return FAULT;
    for (unsigned i = 0; i < argument_count; i++) bytes += (uint32_t)strlen(arguments[i]) + 1;
    put(count, argument_count, 4);
    put(size, bytes, 4);
    return 0;
}
WASI(args_sizes_get)

static uint32_t call_args_get(uint64_t *arg)
{
    uint32_t address = U32(1);
    uint8_t *pointers = at(U32(0), 4 * argument_count);
    if (!pointers) return FAULT;
    for (unsigned i = 0; i < argument_count; i++) {
        uint32_t size = (uint32_t)strlen(arguments[i]) + 1;
        uint8_t *text = at(address, size);
        if (!text) return FAULT;
        memcpy(text, arguments[i], size);
        put(pointers + 4 * i, address, 4);
        address += size;
    }
    return 0;
}
WASI(args_get)

static uint32_t call_clock_time_get(uint64_t *arg)
{
    uint8_t *time = at(U32(2), 8);
    struct timespec now;
    if (!time) return FAULT;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) return wasi_errno(); /* whichever clock: only differences are used */
    put(time, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec, 8);
    return 0;
}
WASI(clock_time_get)

/* ---- files ---- */

/* Two folders are open from the start, as a WASI runtime's --dir gives them: a path of any kind begins in one of them.
   Files that the module opens get the host's own numbers, which start above: main() keeps 0 to 4 occupied. */
static const char *const preopened[] = {"/", "."};
enum { FIRST_FOLDER = 3, FOLDERS = 2 };
static int closed[FIRST_FOLDER]; /* standard streams that were closed when the program started */

static int is_folder(uint32_t fd) { return fd >= FIRST_FOLDER && fd < FIRST_FOLDER + FOLDERS; }
static int is_usable(uint32_t fd) { return !is_folder(fd) && !(fd < FIRST_FOLDER && closed[fd]); }

static uint32_t call_fd_prestat_get(uint64_t *arg)
{
    uint8_t *prestat = at(U32(1), 8);
    if (!is_folder(U32(0))) return BADF;
    if (!prestat) return FAULT;
    put(prestat, 0, 4); /* a folder */
    put(prestat + 4, strlen(preopened[U32(0) - FIRST_FOLDER]), 4);
    return 0;
}
WASI(fd_prestat_get)

static uint32_t call_fd_prestat_dir_name(uint64_t *arg)
{
    if (!is_folder(U32(0))) return BADF;
    const char *name = preopened[U32(0) - FIRST_FOLDER];
    uint32_t size = (uint32_t)strlen(name);
    uint8_t *text = at(U32(1), U32(2));
    if (!text || U32(2) < size) return FAULT;
    memcpy(text, name, size);
    return 0;
}
WASI(fd_prestat_dir_name)

/* path_open(folder, lookup flags, path, length, open flags, rights, inherited rights, descriptor flags, result) */
static uint32_t call_path_open(uint64_t *arg)
{
    uint32_t length = U32(3);
    uint8_t *text = at(U32(2), length), *opened = at(U32(8), 4);
    char path[4096 + 2];
    if (!is_folder(U32(0))) return BADF;
    if (!text || !opened) return FAULT;
    if (U32(4) != 0) return INVAL; /* the command only reads: nothing is ever created or truncated */
    if (length > 4096) return 37;  /* name too long */
    memcpy(path + 1, text, length);
    path[0] = '/';
    path[length + 1] = 0;
    int fd = open(U32(0) == FIRST_FOLDER ? path : path + 1, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return wasi_errno();
    put(opened, (uint32_t)fd, 4);
    return 0;
}
WASI(path_open)

static uint32_t call_fd_fdstat_get(uint64_t *arg)
{
    uint8_t *fdstat = at(U32(1), 24);
    struct stat status;
    if (!is_usable(U32(0))) return BADF;
    if (!fdstat) return FAULT;
    if (fstat((int)U32(0), &status) != 0) return wasi_errno();
    int type = S_ISBLK(status.st_mode)  ? 1
             : S_ISCHR(status.st_mode)  ? 2
             : S_ISDIR(status.st_mode)  ? 3
             : S_ISREG(status.st_mode)  ? 4
             : S_ISSOCK(status.st_mode) ? 6
                                        : 0;
    memset(fdstat, 0, 24);
    put(fdstat, (unsigned)type, 1);
    put(fdstat + 8, UINT64_MAX, 8); /* all rights */
    put(fdstat + 16, UINT64_MAX, 8);
    return 0;
}
WASI(fd_fdstat_get)

static uint32_t call_fd_seek(uint64_t *arg)
{
    static const int origin[] = {SEEK_SET, SEEK_CUR, SEEK_END};
    uint8_t *position = at(U32(3), 8);
    if (!is_usable(U32(0))) return BADF;
    if (!position) return FAULT;
    if (U32(2) > 2) return INVAL;
    off_t offset = lseek((int)U32(0), (off_t)(int64_t)U64(1), origin[U32(2)]);
    if (offset < 0) return wasi_errno();
    put(position, (uint64_t)offset, 8);
    return 0;
}
WASI(fd_seek)

/* Read into, or write out of, `count` buffers {u32 address, u32 length}, up to the first short transfer. */
static uint32_t transfer(uint64_t *arg, int writing)
{
    uint32_t fd = U32(0), count = U32(2), done = 0;
    uint8_t *total = at(U32(3), 4);
    if (!is_usable(fd)) return BADF;
    if (!total || count > 1024) return FAULT;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *vector = at(U32(1) + 8 * i, 8);
        if (!vector) return FAULT;
        uint32_t length = get32(vector + 4);
        uint8_t *bytes = at(get32(vector), length);
        if (!bytes) return FAULT;
        if (length > 0x40000000) length = 0x40000000; /* a transfer's count must fit a 32-bit ssize_t */
        ssize_t moved;
        while ((moved = writing ? write((int)fd, bytes, length) : read((int)fd, bytes, length)) < 0) {
            if (errno == EINTR) continue;
            if (errno != EAGAIN) return done ? (put(total, done, 4), 0) : wasi_errno();
            /* Another program made a shared terminal or pipe non-blocking: wait as a blocking one would. */
            struct pollfd wait = {(int)fd, writing ? POLLOUT : POLLIN, 0};
            poll(&wait, 1, -1);
        }
        done += (uint32_t)moved;
        if ((uint32_t)moved < length) break;
    }
    put(total, done, 4);
    return 0;
}

static uint32_t call_fd_read(uint64_t *arg) { return transfer(arg, 0); }
WASI(fd_read)
static uint32_t call_fd_write(uint64_t *arg) { return transfer(arg, 1); }
WASI(fd_write)

static m3ApiRawFunction(proc_exit)
{
    (void)runtime, (void)_ctx, (void)_mem;
    exit((int)*(uint32_t *)_sp);
}

/* ---- the program ---- */

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "fable6c: %s: %s\n", what, why);
    exit(1);
}

/* Ctrl-C in the middle of a story: the shell's prompt starts on a line of its own. Text is only ever written in whole
   characters, and the terminal's mode is never changed, so there is nothing else to restore. */
static void interrupted(int signal_number)
{
    static const char text[] = "\nstopped\n";
    (void)signal_number;
    ssize_t ignored = write(2, text, sizeof text - 1);
    (void)ignored;
    _exit(130);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name, *signature; /* v nothing, i u32, I u64; * an address */
        M3RawCall function;
    } imports[] = {
        {"args_sizes_get", "i(**)", args_sizes_get},
        {"args_get", "i(**)", args_get},
        {"clock_time_get", "i(iI*)", clock_time_get},
        {"fd_prestat_get", "i(i*)", fd_prestat_get},
        {"fd_prestat_dir_name", "i(i*i)", fd_prestat_dir_name},
        {"path_open", "i(ii*iiIIi*)", path_open},
        {"fd_fdstat_get", "i(i*)", fd_fdstat_get},
        {"fd_seek", "i(iIi*)", fd_seek},
        {"fd_read", "i(i*i*)", fd_read},
        {"fd_write", "i(i*i*)", fd_write},
        {"proc_exit", "v(i)", proc_exit},
    };

    arguments = argv;
    argument_count = (unsigned)argc;

    /* A standard stream may be closed. Its number is filled, or the model file would get it and be read as the keyboard.
       The filler is "/" because it always exists; an initial RAM disk may have no /dev/null. */
    for (int fd = 0; fd < FIRST_FOLDER; fd++) closed[fd] = fcntl(fd, F_GETFD) < 0;
    for (int fd = 0; fd < FIRST_FOLDER + FOLDERS; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/", O_RDONLY) < 0) fail("/", strerror(errno));

    /* A reader that goes away (`| head`) ends us quietly, even where a parent left the signal ignored. */
    signal(SIGPIPE, SIG_DFL);
    if (signal(SIGINT, interrupted) == SIG_IGN) signal(SIGINT, SIG_IGN); /* in the background, as the shell decided */

    IM3Environment environment = m3_NewEnvironment();
    IM3Runtime runtime = environment ? m3_NewRuntime(environment, STACK_BYTES, NULL) : NULL;
    if (!runtime) fail("the interpreter does not start", "not enough memory");
    IM3Module module;
    M3Result error = m3_ParseModule(environment, &module, module_bytes, sizeof module_bytes);
    if (!error) error = m3_LoadModule(runtime, module);
    for (size_t i = 0; !error && i < sizeof imports / sizeof *imports; i++) {
        error = m3_LinkRawFunction(module, "wasi_snapshot_preview1", imports[i].name, imports[i].signature, imports[i].function);
        if (error == m3Err_functionLookupFailed) error = NULL; /* the module does without it */
    }
    IM3Function start = NULL;
    if (!error) error = m3_FindFunction(&start, runtime, "_start");
    if (error) fail("the built-in engine does not load", error);
    error = m3_CallV(start);
    if (error) fail("engine trap", error);
    return 0;
}
