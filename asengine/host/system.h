/* What the host needs of an operating system: system_posix.c, system_windows.c.

   Functions that can fail return minus a WASI error number. Texts are UTF-8, file descriptors are small numbers. */

#ifndef SYSTEM_H
#define SYSTEM_H

#include <stddef.h>
#include <stdint.h>

/* The error numbers of WASI preview 1 that are used. */
enum {
    WASI_ACCES = 2,
    WASI_BADF = 8,
    WASI_FAULT = 21,
    WASI_FBIG = 22,
    WASI_INVAL = 28,
    WASI_IO = 29,
    WASI_ISDIR = 31,
    WASI_LOOP = 32,
    WASI_MFILE = 33,
    WASI_NAMETOOLONG = 37,
    WASI_NFILE = 41,
    WASI_NODEV = 43,
    WASI_NOENT = 44,
    WASI_NOMEM = 48,
    WASI_NOSPC = 51,
    WASI_NOTDIR = 54,
    WASI_NXIO = 60,
    WASI_PERM = 63,
    WASI_PIPE = 64,
    WASI_SPIPE = 70
};

/* The file types of WASI preview 1 that are used. */
enum { WASI_UNKNOWN, WASI_BLOCK_DEVICE, WASI_CHARACTER_DEVICE, WASI_DIRECTORY, WASI_REGULAR_FILE, WASI_SOCKET = 6 };

/* File descriptors: the standard streams, two folders that wasi.c names, then what system_open opens. */
enum { FIRST_FOLDER = 3, FOLDERS = 2 };

void run_module(void); /* the program: in fable6c.c interpreted, in aot.c compiled; called by main */

extern char **arguments;
extern unsigned argument_count;

int system_is_closed(int fd); /* whether a standard stream was closed when the program started */
int system_open(const char *path); /* for reading */
int system_type(int fd);
int64_t system_seek(int fd, int64_t offset, int whence); /* whence 0, 1, 2: from the start, the current position, the end */
int32_t system_read(int fd, uint8_t *bytes, uint32_t length);
int32_t system_write(int fd, const uint8_t *bytes, uint32_t length);
uint64_t system_nanoseconds(void); /* since some moment */
void system_exit(int status) __attribute__((noreturn));
void system_fail(const char *what, const char *why) __attribute__((noreturn)); /* one line on standard error, status 1 */

/* Memory of `size` zeroed bytes, followed by `guard` bytes at which the program stops with system_fail, and with the first
   `old_size` bytes of `old` copied in; `old` (NULL at first) is then freed. Returns NULL, and frees nothing, where memory does
   not suffice. Sizes are multiples of 64 KiB. */
uint8_t *system_memory(uint8_t *old, size_t old_size, size_t size, size_t guard);

#endif
