/** SHA-256 (FIPS 180-4), in pieces: add(bytes, from, to) as often as needed, then digest(), 64 hex digits.
    crypto.subtle would be faster, but browsers withhold it from pages opened as files or served without TLS. */
function Sha256() {
  var constants = [],
    state = [],
    words = new Int32Array(64);
  var block = new Uint8Array(64),
    filled = 0,
    total = 0;

  // The first 32 bits of the fractions of the cube roots (constants) and square roots (state) of the first primes.
  for (var candidate = 2; constants.length < 64; candidate++) {
    var divisor = 2;
    while (candidate % divisor !== 0) divisor++;
    if (divisor < candidate) continue;
    if (state.length < 8) state.push(fraction(Math.sqrt(candidate)));
    constants.push(fraction(Math.pow(candidate, 1 / 3)));
  }

  function fraction(x) {
    return ((x - Math.floor(x)) * 4294967296) | 0;
  }

  function rotate(x, n) {
    return (x >>> n) | (x << (32 - n));
  }

  function mix(bytes, at) {
    var i, x, y;
    for (i = 0; i < 16; i++, at += 4) {
      words[i] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
    }
    for (; i < 64; i++) {
      x = words[i - 15];
      y = words[i - 2];
      x = rotate(x, 7) ^ rotate(x, 18) ^ (x >>> 3);
      y = rotate(y, 17) ^ rotate(y, 19) ^ (y >>> 10);
      words[i] = words[i - 16] + x + words[i - 7] + y;
    }
    var a = state[0],
      b = state[1],
      c = state[2],
      d = state[3],
      e = state[4],
      f = state[5],
      g = state[6],
      h = state[7];
    for (i = 0; i < 64; i++) {
      x = (h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + constants[i] + words[i]) | 0;
      y = ((rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + x) | 0;
      d = c;
      c = b;
      b = a;
      a = (x + y) | 0;
    }
    var next = [a, b, c, d, e, f, g, h];
    for (i = 0; i < 8; i++) state[i] = (state[i] + next[i]) | 0;
  }

  this.add = function (bytes, from, to) {
    total += to - from;
    while (from < to) {
      if (filled === 0 && to - from >= 64) {
        mix(bytes, from);
        from += 64;
        continue;
      }
      block[filled++] = bytes[from++];
      if (filled === 64) {
        mix(block, 0);
        filled = 0;
      }
    }
  };

  this.digest = function () {
    var bits = [Math.floor(total / 536870912), total << 3];
    var padding = new Uint8Array((filled < 56 ? 64 : 128) - filled),
      last = padding.length - 8;
    padding[0] = 0x80;
    for (var i = 0; i < 8; i++) padding[last + i] = bits[i >> 2] >>> (24 - 8 * (i & 3));
    this.add(padding, 0, padding.length);
    var hex = "";
    for (i = 0; i < 8; i++) hex += ("0000000" + (state[i] >>> 0).toString(16)).slice(-8);
    return hex;
  };
}
