// The peer in the same interpreter: our host program (asengine/host/fable6c.c), the same wasm3 with the same flags, with another
// module inside: llama2.c's run.c built for wasm32-wasi. wasi-libc asks for more than our own command does.
// engine.py compiles it, with that module's bytes as module.inc.

#define main fable6c_main // its functions are used, its main is not
#include "../asengine/host/fable6c.c"
#undef main

static uint32_t call_fd_close(uint64_t *arg) { return close((int)U32(0)) == 0 ? 0 : wasi_errno(); }
WASI(fd_close)

/* wasi-libc asks for the rights of the folder in which it opens a file */
static uint32_t call_fdstat_get(uint64_t *arg) {
    uint8_t *fdstat = at(U32(1), 24);
    if (!is_folder(U32(0))) return call_fd_fdstat_get(arg);
    if (!fdstat) return FAULT;
    memset(fdstat, 0, 24);
    put(fdstat, 3, 1); /* a folder */
    put(fdstat + 8, UINT64_MAX, 8);
    put(fdstat + 16, UINT64_MAX, 8);
    return 0;
}
WASI(fdstat_get)

static uint32_t call_fd_fdstat_set_flags(uint64_t *arg) {
    (void)arg;
    return 0;
}
WASI(fd_fdstat_set_flags)

/* fd_pread(fd, buffers, count, offset, result) */
static uint32_t call_fd_pread(uint64_t *arg) {
    uint64_t read_arguments[4] = {arg[0], arg[1], arg[2], arg[4]};
    if (lseek((int)U32(0), (off_t)U64(3), SEEK_SET) < 0) return wasi_errno();
    return transfer(read_arguments, 0);
}
WASI(fd_pread)

int main(int argc, char **argv) {
    static const struct {
        const char *name, *signature;
        M3RawCall function;
    } imports[] = {
        {"args_sizes_get", "i(**)", args_sizes_get},
        {"args_get", "i(**)", args_get},
        {"clock_time_get", "i(iI*)", clock_time_get},
        {"fd_close", "i(i)", fd_close},
        {"fd_fdstat_get", "i(i*)", fdstat_get},
        {"fd_fdstat_set_flags", "i(ii)", fd_fdstat_set_flags},
        {"fd_pread", "i(i*iI*)", fd_pread},
        {"fd_prestat_get", "i(i*)", fd_prestat_get},
        {"fd_prestat_dir_name", "i(i*i)", fd_prestat_dir_name},
        {"fd_read", "i(i*i*)", fd_read},
        {"fd_seek", "i(iIi*)", fd_seek},
        {"fd_write", "i(i*i*)", fd_write},
        {"path_open", "i(ii*iiIIi*)", path_open},
        {"proc_exit", "v(i)", proc_exit},
    };
    arguments = argv;
    argument_count = (unsigned)argc;
    for (int fd = FIRST_FOLDER; fd < FIRST_FOLDER + FOLDERS; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/", O_RDONLY) < 0) fail("/", strerror(errno));
    IM3Environment environment = m3_NewEnvironment();
    IM3Runtime runtime = m3_NewRuntime(environment, STACK_BYTES, NULL);
    IM3Module module;
    IM3Function start;
    M3Result error = m3_ParseModule(environment, &module, module_bytes, sizeof module_bytes);
    if (!error) error = m3_LoadModule(runtime, module);
    for (size_t i = 0; !error && i < sizeof imports / sizeof *imports; i++) {
        error = m3_LinkRawFunction(module, "wasi_snapshot_preview1", imports[i].name, imports[i].signature, imports[i].function);
        if (error == m3Err_functionLookupFailed) error = NULL; /* the module does without it */
    }
    if (!error) error = m3_FindFunction(&start, runtime, "_start");
    if (!error) error = m3_CallV(start);
    if (error) fail("llama2.c", error);
    return 0;
}
