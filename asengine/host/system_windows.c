/* The operating system: Windows, from 98 to the newest, by functions of KERNEL32 alone. And the program's entry.

   There is no C run-time library: what an old system's lacks is never noticed until the program does not start. Windows 98 has
   the functions that end in W, but they only fail there; so it gets those that end in A.

   Text goes out as UTF-8 to a file or pipe. A console gets UTF-16, which is right in every code page, or on Windows 98 the
   characters of its code page. */

#define WIN32_LEAN_AND_MEAN
#define WINVER 0x0410
#define _WIN32_WINNT 0x0410
#include <windows.h>

#include "system.h"

char **arguments;
unsigned argument_count;

static BOOL unicode; /* NT, 2000, XP and newer */
static BOOL alone;   /* the console was opened for this program, and closes with it */
static volatile BOOL stopping;

/* ---- what gcc calls ---- */

void *memcpy(void *to, const void *from, size_t size) {
    void *start = to;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
    return start;
}

void *memset(void *to, int value, size_t size) {
    void *start = to;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(value) : "memory");
    return start;
}

size_t strlen(const char *text) {
    const char *end = text;
    while (*end) {
        end++;
        __asm__ volatile("" : "+r"(end)); /* or gcc makes of this loop a call of strlen */
    }
    return (size_t)(end - text);
}

/* ---- text ---- */

/* UTF-8 to UTF-16. A byte that is none becomes U+FFFD. Returns the number of units; the target has room for `size` of them. */
static unsigned widen(const uint8_t *text, unsigned size, WCHAR *wide) {
    unsigned count = 0;
    for (unsigned i = 0; i < size;) {
        unsigned byte = text[i++], following = byte < 0xc2 ? 0 : byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : byte < 0xf5 ? 3 : 0;
        unsigned character = byte < 0x80 ? byte : byte & (0x3fu >> following);
        BOOL whole = byte < 0x80 || following > 0;
        for (unsigned k = 0; k < following && whole; k++) {
            whole = i < size && (text[i] & 0xc0) == 0x80;
            if (whole) character = character << 6 | (text[i++] & 0x3f);
        }
        if (!whole) character = 0xfffd;
        if (character >= 0x10000) {
            wide[count++] = (WCHAR)(0xd7c0 + (character >> 10));
            character = 0xdc00 | (character & 0x3ff);
        }
        wide[count++] = (WCHAR)character;
    }
    return count;
}

/* UTF-16 to UTF-8, at most three bytes for a unit. Half of a pair becomes U+FFFD. Returns the number of bytes. */
static unsigned narrow(const WCHAR *wide, unsigned count, uint8_t *text) {
    unsigned size = 0;
    for (unsigned i = 0; i < count; i++) {
        unsigned character = wide[i];
        if (character >= 0xd800 && character < 0xe000) {
            BOOL pair = character < 0xdc00 && i + 1 < count && wide[i + 1] >= 0xdc00 && wide[i + 1] < 0xe000;
            character = pair ? 0x10000 + ((character & 0x3ff) << 10 | (wide[++i] & 0x3ff)) : 0xfffd;
        }
        if (character < 0x80) {
            text[size++] = (uint8_t)character;
            continue;
        }
        unsigned following = character < 0x800 ? 1 : character < 0x10000 ? 2 : 3;
        text[size++] = (uint8_t)(0xff00u >> (following + 1) | character >> 6 * following);
        while (following-- > 0) text[size++] = (uint8_t)(0x80 | (character >> 6 * following & 0x3f));
    }
    return size;
}

static unsigned length_of(const WCHAR *wide) {
    unsigned count = 0;
    while (wide[count]) count++;
    return count;
}

/* ---- errors ---- */

static int wasi_error(void) {
    switch (GetLastError()) {
        case ERROR_ACCESS_DENIED:
        case ERROR_SHARING_VIOLATION: return -WASI_ACCES;
        case ERROR_BROKEN_PIPE:
        case ERROR_PIPE_NOT_CONNECTED:
        case ERROR_NO_DATA: return -WASI_PIPE;
        case ERROR_DISK_FULL:
        case ERROR_HANDLE_DISK_FULL: return -WASI_NOSPC;
        case ERROR_FILE_NOT_FOUND:
        case ERROR_PATH_NOT_FOUND:
        case ERROR_INVALID_NAME:
        case ERROR_BAD_NETPATH:
        case ERROR_BAD_NET_NAME:
        case ERROR_INVALID_DRIVE:
        case ERROR_NOT_READY: return -WASI_NOENT;
        case ERROR_FILENAME_EXCED_RANGE: return -WASI_NAMETOOLONG;
        case ERROR_INVALID_HANDLE: return -WASI_BADF;
        case ERROR_TOO_MANY_OPEN_FILES: return -WASI_MFILE;
        case ERROR_NOT_ENOUGH_MEMORY:
        case ERROR_OUTOFMEMORY: return -WASI_NOMEM;
        default: return -WASI_IO;
    }
}

/* ---- files ---- */

enum { FILES = FIRST_FOLDER + FOLDERS + 4 };
static HANDLE handles[FILES];
static BOOL console[FIRST_FOLDER];

static HANDLE handle_of(int fd) { return fd < FILES ? handles[fd] : NULL; }

int system_is_closed(int fd) { return handles[fd] == NULL; }

int system_open(const char *path) {
    static WCHAR wide[4096 + 2];
    static char plain[2 * (4096 + 2)];
    unsigned count = widen((const uint8_t *)path, (unsigned)strlen(path), wide);
    DWORD attributes;
    int fd = FIRST_FOLDER + FOLDERS;
    while (fd < FILES && handles[fd]) fd++;
    if (fd == FILES) return -WASI_MFILE;
    wide[count] = 0;
    if (unicode) {
        attributes = GetFileAttributesW(wide);
    } else {
        plain[WideCharToMultiByte(CP_ACP, 0, wide, (int)count, plain, sizeof plain - 1, NULL, NULL)] = 0;
        attributes = GetFileAttributesA(plain);
    }
    if (attributes == INVALID_FILE_ATTRIBUTES) return wasi_error();
    if (attributes & FILE_ATTRIBUTE_DIRECTORY) return -WASI_ISDIR; /* opening one says "access denied" */
    HANDLE file = unicode ? CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL)
                          : CreateFileA(plain, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
    if (file == INVALID_HANDLE_VALUE) return wasi_error();
    handles[fd] = file;
    return fd;
}

int system_type(int fd) {
    HANDLE file = handle_of(fd);
    if (!file) return -WASI_BADF;
    if (fd < FIRST_FOLDER && console[fd]) return WASI_CHARACTER_DEVICE;
    return GetFileType(file) == FILE_TYPE_DISK ? WASI_REGULAR_FILE : WASI_UNKNOWN;
}

int64_t system_seek(int fd, int64_t offset, int whence) {
    HANDLE file = handle_of(fd);
    LONG high = (LONG)(offset >> 32);
    if (!file) return -WASI_BADF;
    SetLastError(NO_ERROR);
    DWORD low = SetFilePointer(file, (LONG)offset, &high, (DWORD)whence); /* FILE_BEGIN, _CURRENT, _END are 0, 1, 2 */
    if (low == INVALID_SET_FILE_POINTER && GetLastError() != NO_ERROR) return wasi_error();
    return (int64_t)((uint64_t)(uint32_t)high << 32 | low);
}

/* A line from the keyboard, as UTF-8. Control-Z or, as the chat says, Control-D at its beginning is the end. */
static int32_t read_console(HANDLE file, uint8_t *bytes, uint32_t length) {
    static uint8_t line[3 * 256];
    static unsigned at, end; /* what was typed and not asked for yet */
    if (at == end) {
        WCHAR wide[256];
        char plain[128];
        DWORD count;
        if (unicode) {
            if (!ReadConsoleW(file, wide, 256, &count, NULL)) return wasi_error();
        } else {
            if (!ReadFile(file, plain, sizeof plain, &count, NULL)) return wasi_error();
            count = (DWORD)MultiByteToWideChar(GetConsoleCP(), 0, plain, (int)count, wide, 256);
        }
        if (count > 0 && (wide[0] == 0x1a || wide[0] == 0x04)) return 0;
        unsigned kept = 0;
        for (unsigned i = 0; i < count; i++)
            if (wide[i] != '\r') wide[kept++] = wide[i];
        at = 0;
        end = narrow(wide, kept, line);
    }
    uint32_t size = end - at < length ? end - at : length;
    memcpy(bytes, line + at, size);
    at += size;
    return (int32_t)size;
}

int32_t system_read(int fd, uint8_t *bytes, uint32_t length) {
    HANDLE file = handle_of(fd);
    DWORD moved;
    if (!file) return -WASI_BADF;
    if (fd < FIRST_FOLDER && console[fd]) return read_console(file, bytes, length);
    if (ReadFile(file, bytes, length, &moved, NULL)) return (int32_t)moved;
    return GetLastError() == ERROR_BROKEN_PIPE ? 0 : wasi_error(); /* the writer's end of the pipe is closed: the text's end */
}

/* Whole characters to the console, in parts: some systems take only 64 KiB at a time. */
static int32_t write_console(HANDLE file, const uint8_t *bytes, uint32_t length) {
    static WCHAR wide[1024];
    static char plain[2 * 1024];
    for (uint32_t i = 0; i < length;) {
        uint32_t size = length - i < 1024 ? length - i : 1024;
        while (i + size < length && size > 1020 && (bytes[i + size] & 0xc0) == 0x80) size--;
        unsigned count = widen(bytes + i, size, wide);
        DWORD moved;
        if (unicode) {
            if (!WriteConsoleW(file, wide, count, &moved, NULL)) return wasi_error();
        } else {
            int converted = WideCharToMultiByte(GetConsoleOutputCP(), 0, wide, (int)count, plain, sizeof plain, NULL, NULL);
            if (!WriteFile(file, plain, (DWORD)converted, &moved, NULL)) return wasi_error();
        }
        i += size;
    }
    return (int32_t)length;
}

int32_t system_write(int fd, const uint8_t *bytes, uint32_t length) {
    HANDLE file = handle_of(fd);
    DWORD moved;
    if (!file) return -WASI_BADF;
    if (stopping && fd == 1) Sleep(INFINITE); /* Windows ends the program on another thread: nothing may follow its last line */
    if (fd < FIRST_FOLDER && console[fd]) return write_console(file, bytes, length);
    return WriteFile(file, bytes, length, &moved, NULL) ? (int32_t)moved : wasi_error();
}

/* ---- time, memory, end ---- */

uint64_t system_nanoseconds(void) {
    LARGE_INTEGER ticks, frequency;
    if (QueryPerformanceFrequency(&frequency) && frequency.QuadPart > 0 && QueryPerformanceCounter(&ticks)) {
        uint64_t t = (uint64_t)ticks.QuadPart, f = (uint64_t)frequency.QuadPart;
        return t / f * 1000000000u + t % f * 1000000000u / f;
    }
    return GetTickCount() * (uint64_t)1000000;
}

static void say(const char *text) { system_write(2, (const uint8_t *)text, (uint32_t)strlen(text)); }

static void leave(int status) __attribute__((noreturn));
static void leave(int status) {
    ExitProcess((UINT)status);
    for (;;) {}
}

void system_exit(int status) {
    if (stopping) Sleep(INFINITE); /* as in system_write */
    /* Started by a double click or by dropping a model on it: the window would close before a message is read. */
    if (alone && console[0] && console[1]) {
        static uint8_t line[16];
        say("\nPress Enter to close this window.");
        read_console(handles[0], line, sizeof line);
    }
    leave(status);
}

void system_fail(const char *what, const char *why) {
    say("fable6c: ");
    say(what);
    say(": ");
    say(why);
    say("\n");
    system_exit(1);
}

static LONG WINAPI out_of_bounds(EXCEPTION_POINTERS *exception) {
    (void)exception;
    say("fable6c: engine trap: out of bounds memory access\n");
    leave(1);
}

uint8_t *system_memory(uint8_t *old, size_t old_size, size_t size, size_t guard) {
    if (size > SIZE_MAX / 2 - guard) return NULL;
    uint8_t *memory = VirtualAlloc(NULL, size + guard, MEM_RESERVE, PAGE_NOACCESS);
    if (!memory) return NULL;
    if (!VirtualAlloc(memory, size, MEM_COMMIT, PAGE_READWRITE)) {
        VirtualFree(memory, 0, MEM_RELEASE);
        return NULL;
    }
    if (old) {
        memcpy(memory, old, old_size);
        VirtualFree(old, 0, MEM_RELEASE);
    } else {
        SetUnhandledExceptionFilter(out_of_bounds);
    }
    return memory;
}

/* Ctrl-C and Ctrl-Break, and a window that is closed. */
static BOOL WINAPI interrupted(DWORD event) {
    stopping = TRUE;
    if (event == CTRL_C_EVENT || event == CTRL_BREAK_EVENT) say("\nstopped\n");
    leave(130);
}

/* ---- start ---- */

/* Splits the command line as Microsoft's C run time does: quotes hold spaces, 2n backslashes before a quote are n, one more makes
   the quote a character, and two quotes within quotes are one. In place; returns the number of arguments. */
static unsigned split(WCHAR *line, WCHAR **words, unsigned capacity) {
    unsigned count = 0;
    WCHAR *from = line, *to = line;
    for (;;) {
        BOOL quoted = FALSE;
        while (*from == ' ' || *from == '\t') from++;
        if (!*from || count == capacity) return count;
        words[count] = to;
        for (; *from && (quoted || (*from != ' ' && *from != '\t')); from++) {
            unsigned slashes = 0;
            while (*from == '\\' && count > 0) slashes++, from++; /* in the program's own path they are never special */
            if (*from != '"') {
                while (slashes-- > 0) *to++ = '\\';
                if (!*from || (!quoted && (*from == ' ' || *from == '\t'))) break;
                *to++ = *from;
                continue;
            }
            for (; slashes > 1; slashes -= 2) *to++ = '\\';
            if (slashes == 1) {
                *to++ = '"';
            } else if (quoted && from[1] == '"' && count > 0) {
                *to++ = *from++;
            } else {
                quoted = !quoted;
            }
        }
        BOOL last = !*from;
        from++;
        *to++ = 0;
        count++;
        if (last) return count;
    }
}

static void *allocate(size_t size) {
    void *memory = HeapAlloc(GetProcessHeap(), 0, size);
    if (!memory) system_fail("the program does not start", "not enough memory");
    return memory;
}

static void read_command_line(void) {
    WCHAR *line;
    if (unicode) {
        const WCHAR *given = GetCommandLineW();
        unsigned size = length_of(given) + 1;
        line = allocate(size * sizeof *line);
        memcpy(line, given, size * sizeof *line);
    } else {
        const char *given = GetCommandLineA();
        int size = (int)strlen(given) + 1;
        line = allocate((size_t)size * sizeof *line);
        MultiByteToWideChar(CP_ACP, 0, given, size, line, size);
    }
    unsigned capacity = length_of(line) / 2 + 1;
    WCHAR **words = allocate(capacity * sizeof *words);
    argument_count = split(line, words, capacity);
    arguments = allocate((argument_count + 1) * sizeof *arguments);
    for (unsigned i = 0; i < argument_count; i++) {
        unsigned count = length_of(words[i]);
        arguments[i] = allocate(3 * count + 1);
        arguments[i][narrow(words[i], count, (uint8_t *)arguments[i])] = 0;
    }
}

void start(void) __asm__("_start");
void start(void) {
    static const DWORD names[FIRST_FOLDER] = {STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE};
    CONSOLE_SCREEN_BUFFER_INFO screen;
    unicode = GetVersion() < 0x80000000; /* the highest bit is that of the 95 family */
    for (int fd = 0; fd < FIRST_FOLDER; fd++) {
        DWORD mode;
        HANDLE file = GetStdHandle(names[fd]);
        handles[fd] = file == INVALID_HANDLE_VALUE ? NULL : file;
        console[fd] = handles[fd] && GetConsoleMode(file, &mode);
    }
    /* In a console that a shell has used, the cursor has left the corner. */
    alone =
        console[1] && GetConsoleScreenBufferInfo(handles[1], &screen) && screen.dwCursorPosition.X == 0 && screen.dwCursorPosition.Y == 0;
    SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOOPENFILEERRORBOX); /* an empty disk drive is an error, not a window */
    SetConsoleCtrlHandler(interrupted, TRUE);
    read_command_line();
    run_module();
    system_exit(0);
}
