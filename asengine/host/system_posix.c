/* The operating system: POSIX. And main(). */

#define _POSIX_C_SOURCE 200809L
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#define _FILE_OFFSET_BITS 64

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "system.h"

char **arguments;
unsigned argument_count;

static int closed[FIRST_FOLDER];

static int wasi_error(void) {
    switch (errno) {
        case EACCES: return -WASI_ACCES;
        case EBADF: return -WASI_BADF;
        case EFBIG: return -WASI_FBIG;
        case EINVAL: return -WASI_INVAL;
        case EISDIR: return -WASI_ISDIR;
        case ELOOP: return -WASI_LOOP;
        case EMFILE: return -WASI_MFILE;
        case ENAMETOOLONG: return -WASI_NAMETOOLONG;
        case ENFILE: return -WASI_NFILE;
        case ENODEV: return -WASI_NODEV;
        case ENOENT: return -WASI_NOENT;
        case ENOMEM: return -WASI_NOMEM;
        case ENOSPC: return -WASI_NOSPC;
        case ENOTDIR: return -WASI_NOTDIR;
        case ENXIO: return -WASI_NXIO;
        case EPERM: return -WASI_PERM;
        case EPIPE: return -WASI_PIPE;
        case ESPIPE: return -WASI_SPIPE;
        default: return -WASI_IO;
    }
}

int system_is_closed(int fd) { return closed[fd]; }

int system_open(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe without a writer must not block: its type is asked next */
    return fd < 0 ? wasi_error() : fd;
}

int system_type(int fd) {
    struct stat status;
    if (fstat(fd, &status) != 0) return wasi_error();
    return S_ISBLK(status.st_mode)    ? WASI_BLOCK_DEVICE
           : S_ISCHR(status.st_mode)  ? WASI_CHARACTER_DEVICE
           : S_ISDIR(status.st_mode)  ? WASI_DIRECTORY
           : S_ISREG(status.st_mode)  ? WASI_REGULAR_FILE
           : S_ISSOCK(status.st_mode) ? WASI_SOCKET
                                      : WASI_UNKNOWN;
}

int64_t system_seek(int fd, int64_t offset, int whence) {
    static const int origin[] = {SEEK_SET, SEEK_CUR, SEEK_END};
    off_t found = lseek(fd, (off_t)offset, origin[whence]);
    return found < 0 ? wasi_error() : (int64_t)found;
}

/* Waits where another program made a shared terminal or pipe non-blocking, as a blocking one would. Returns whether to try again. */
static int try_again(int fd, short event) {
    struct pollfd wait = {fd, event, 0};
    if (errno == EINTR) return 1;
    if (errno != EAGAIN) return 0;
    poll(&wait, 1, -1);
    return 1;
}

int32_t system_read(int fd, uint8_t *bytes, uint32_t length) {
    ssize_t moved;
    do moved = read(fd, bytes, length);
    while (moved < 0 && try_again(fd, POLLIN));
    return moved < 0 ? wasi_error() : (int32_t)moved;
}

int32_t system_write(int fd, const uint8_t *bytes, uint32_t length) {
    ssize_t moved;
    do moved = write(fd, bytes, length);
    while (moved < 0 && try_again(fd, POLLOUT));
    return moved < 0 ? wasi_error() : (int32_t)moved;
}

uint64_t system_nanoseconds(void) {
    struct timespec now = {0, 0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void system_exit(int status) { exit(status); }

void system_fail(const char *what, const char *why) {
    fprintf(stderr, "fable6c: %s: %s\n", what, why);
    exit(1);
}

static void say(const char *text) {
    ssize_t ignored = write(2, text, strlen(text));
    (void)ignored;
}

static void out_of_bounds(int signal_number) {
    (void)signal_number;
    say("fable6c: engine trap: out of bounds memory access\n");
    _exit(1);
}

uint8_t *system_memory(uint8_t *old, size_t old_size, size_t size, size_t guard) {
    if (size > SIZE_MAX / 2 - guard) return NULL;
    uint8_t *memory = mmap(NULL, size + guard, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return NULL;
    if (mprotect(memory, size, PROT_READ | PROT_WRITE) != 0) {
        munmap(memory, size + guard);
        return NULL;
    }
    if (old) {
        memcpy(memory, old, old_size);
        munmap(old, old_size + guard);
    } else {
        signal(SIGSEGV, out_of_bounds);
        signal(SIGBUS, out_of_bounds); /* what some systems send instead */
    }
    return memory;
}

/* Ctrl-C in the middle of a story: the shell's prompt starts on a line of its own. Text is only ever written in whole
   characters, and the terminal's mode is never changed, so there is nothing else to restore. */
static void interrupted(int signal_number) {
    (void)signal_number;
    say("\nstopped\n");
    _exit(130);
}

int main(int argc, char **argv) {
    arguments = argv;
    argument_count = (unsigned)argc;

    /* A standard stream may be closed. Its number is filled, or the model file would get it and be read as the keyboard; and
       the folders' numbers are kept from files. The filler is "/" because it always exists; an initial RAM disk may have no
       /dev/null. */
    for (int fd = 0; fd < FIRST_FOLDER; fd++) closed[fd] = fcntl(fd, F_GETFD) < 0;
    for (int fd = 0; fd < FIRST_FOLDER + FOLDERS; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/", O_RDONLY) < 0) system_fail("/", strerror(errno));

    /* A reader that goes away (`| head`) ends us quietly, even where a parent left the signal ignored. */
    signal(SIGPIPE, SIG_DFL);
    if (signal(SIGINT, interrupted) == SIG_IGN) signal(SIGINT, SIG_IGN); /* in the background, as the shell decided */

    run_module();
    return 0;
}
