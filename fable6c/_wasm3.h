// What fable6c/engine.py uses of the wasm3 interpreter's C interface (wasm3.h of version 0.5.0), read by cffi only. The types are
// opaque, so a release of wasm3 that changes one of these functions does not compile instead of going wrong.

typedef struct M3Environment *IM3Environment;
typedef struct M3Runtime *IM3Runtime;
typedef struct M3Module *IM3Module;
typedef struct M3Function *IM3Function;

IM3Environment m3_NewEnvironment(void);
void m3_FreeEnvironment(IM3Environment environment);
IM3Runtime m3_NewRuntime(IM3Environment environment, uint32_t stack_bytes, void *userdata);
void m3_FreeRuntime(IM3Runtime runtime);
const char *m3_ParseModule(IM3Environment environment, IM3Module *module, const uint8_t *bytes, uint32_t size);
void m3_FreeModule(IM3Module module);
const char *m3_LoadModule(IM3Runtime runtime, IM3Module module);
const char *m3_FindFunction(IM3Function *function, IM3Runtime runtime, const char *name);
uint32_t m3_GetArgCount(IM3Function function);
uint32_t m3_GetRetCount(IM3Function function);
int m3_GetArgType(IM3Function function, uint32_t index);
const char *m3_Call(IM3Function function, uint32_t count, const void *arguments[]);
const char *m3_GetResults(IM3Function function, uint32_t count, const void *results[]);
uint8_t *m3_GetMemory(IM3Runtime runtime, uint32_t *size, uint32_t index);
