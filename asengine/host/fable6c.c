/* fable6c, the native program: the WASI command fable6c-wasi.wasm inside the wasm3 interpreter.

   Options, messages, chat and the model itself are the command's (../assembly/wasi.ts), the same in every WASI runtime.
   Here are the module as an array and the interpreter; wasi.c has the functions that the module imports. wasm3's own WASI is
   not used: it does not compile for 32-bit x86. */

#include "wasi.h"
#include "wasm3.h"

static const unsigned char module_bytes[] = {
#include "module.inc" /* fable6c-wasi.wasm, one 0x.., for each byte; made by the Makefile */
};

enum { STACK_BYTES = 64 * 1024 }; /* wasm3's own stack for locals; the engine's calls are a dozen deep and never recurse */

/* A WASI function in wasm3's raw calling convention: the result's slot comes first, then the arguments, eight bytes each. */
#define WASI(name, ...)                               \
    static m3ApiRawFunction(name) {                   \
        const uint64_t *arg = _sp + 1;                \
        (void)_ctx;                                   \
        wasi_memory(_mem, m3_GetMemorySize(runtime)); \
        *(uint32_t *)_sp = wasi_##name(__VA_ARGS__);  \
        return m3Err_none;                            \
    }
#define U32(i) (*(const uint32_t *)(arg + (i)))
#define U64(i) (arg[i])

WASI(args_sizes_get, U32(0), U32(1))
WASI(args_get, U32(0), U32(1))
WASI(clock_time_get, U32(0), U64(1), U32(2))
WASI(fd_prestat_get, U32(0), U32(1))
WASI(fd_prestat_dir_name, U32(0), U32(1), U32(2))
WASI(path_open, U32(0), U32(1), U32(2), U32(3), U32(4), U64(5), U64(6), U32(7), U32(8))
WASI(fd_fdstat_get, U32(0), U32(1))
WASI(fd_seek, U32(0), U64(1), U32(2), U32(3))
WASI(fd_read, U32(0), U32(1), U32(2), U32(3))
WASI(fd_write, U32(0), U32(1), U32(2), U32(3))

static m3ApiRawFunction(proc_exit) {
    (void)runtime, (void)_ctx, (void)_mem;
    wasi_proc_exit(*(uint32_t *)_sp);
    return m3Err_none;
}

void run_module(void) {
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

    IM3Environment environment = m3_NewEnvironment();
    IM3Runtime runtime = environment ? m3_NewRuntime(environment, STACK_BYTES, NULL) : NULL;
    if (!runtime) system_fail("the interpreter does not start", "not enough memory");
    IM3Module module;
    M3Result error = m3_ParseModule(environment, &module, module_bytes, sizeof module_bytes);
    if (!error) error = m3_LoadModule(runtime, module);
    for (size_t i = 0; !error && i < sizeof imports / sizeof *imports; i++) {
        error = m3_LinkRawFunction(module, "wasi_snapshot_preview1", imports[i].name, imports[i].signature, imports[i].function);
        if (error == m3Err_functionLookupFailed) error = NULL; /* the module does without it */
    }
    IM3Function start = NULL;
    if (!error) error = m3_FindFunction(&start, runtime, "_start");
    if (error) system_fail("the built-in engine does not load", error);
    error = m3_CallV(start);
    if (error) system_fail("engine trap", error);
}
