# Makes of wasm2c's output (module name: engine) what aot.c includes. Fits wabt 1.0.32 (Debian 12), 1.0.36 and 1.0.39 (npm),
# whose names differ. native.mk leaves out what stands before the first function's
# declaration, which is wasm2c's run time too, and checks that the script fits.

# Checks by assert, and the types of functions for indirect calls, which the module does not have, belong to wasm2c's run time. Ours
# is in aot.c: it is smaller, needs no signals for traps and counts addresses in 32 bits.
/^FUNC_TYPE_T/d
/^wasm_rt_func_type_t .*{$/,/^}/d
/^void Z_engine_init_module.*{$/,/^}/d
/^  assert(/d

# One name for each thing.
s/struct Z_wasi_snapshot_preview1_instance_t/struct wasi/g
s/struct w2c_wasi__snapshot__preview1\>/struct wasi/g
s/Z_wasi_snapshot_preview1Z_/import_/g
s/w2c_wasi__snapshot__preview1_\([a-z]*_\)/import_\1/g
s/(\*\(import_[a-z_]*\))(/\1(/g
s/\<Z_engine_instance_t\>/engine/g
s/\<w2c_engine\>/engine/g
s/\<Z_engineZ__start\>/engine_start/g
s/\<w2c_engine_0x5Fstart\>/engine_start/g
s/\<Z_engine_instantiate\>/engine_instantiate/g
s/\<wasm2c_engine_instantiate\>/engine_instantiate/g

# Nothing is called from outside, so that the compiler knows the only instance.
s/^void engine_/static void engine_/

# A load or store gets its address in two parts, the variable and the constant one, so that a bounds check of the first serves many.
s/_default32(/(/g
s/(&instance->w2c_memory, (u64)(\([a-z0-9_]*\)) + \([0-9]*\)u\{0,1\}/(\1, \2u/g
s/(&instance->w2c_memory, (u64)(\([a-z0-9_]*\))/(\1, 0/g
