// scrypt (RFC 7914) in plain JavaScript: browsers have PBKDF2, and nothing that needs memory.

/** Steps of ROMix between two turns of others. */
const BATCH = 1024;

/**
 * scrypt of `password` (bytes) with `salt` (bytes). An asynchronous generator, so that whoever runs it decides when
 * others have a turn: yields the share of the work that is done (0..1), returns the derived key.
 *
 * `subtle` is WebCrypto's SubtleCrypto, for the two rounds of PBKDF2-HMAC-SHA-256 around the work.
 */
export async function* scrypt(subtle, password, salt, { n, r, p, length = 32 }) {
  const key = await subtle.importKey('raw', password, 'PBKDF2', false, ['deriveBits']);
  const pbkdf2 = (salt, bytes) =>
    subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-256', salt, iterations: 1 }, key, 8 * bytes);
  const width = 32 * r;
  const bytes = await pbkdf2(salt, 4 * width * p);
  const view = new DataView(bytes);
  const blocks = new Uint32Array(width * p);
  for (let at = 0; at < blocks.length; at++) blocks[at] = view.getUint32(4 * at, true);
  // One table serves all p blocks: nothing of it outlives its block.
  const table = new Uint32Array(width * n);
  for (let nth = 0; nth < p; nth++) {
    const block = blocks.subarray(nth * width, (nth + 1) * width);
    for (const share of roMix(block, table, n, r)) yield (nth + share) / p;
  }
  table.fill(0);
  for (let at = 0; at < blocks.length; at++) view.setUint32(4 * at, blocks[at], true);
  blocks.fill(0);
  const derived = new Uint8Array(await pbkdf2(bytes, length));
  new Uint8Array(bytes).fill(0);
  return derived;
}

/** scryptROMix (section 5) of one block, in place. Yields the share of the work that is done. */
function* roMix(block, table, n, r) {
  const width = 32 * r;
  let x = block.slice();
  let y = new Uint32Array(width);
  for (let i = 0; i < n; i++) {
    table.set(x, i * width);
    blockMix(x, y, r);
    [x, y] = [y, x];
    if (i % BATCH === BATCH - 1) yield (i + 1) / (2 * n);
  }
  for (let i = 0; i < n; i++) {
    // Integerify: the last 64-byte block as a number modulo N, a power of two of at most 32 bits.
    const from = (x[width - 16] & (n - 1)) * width;
    for (let at = 0; at < width; at++) x[at] ^= table[from + at];
    blockMix(x, y, r);
    [x, y] = [y, x];
    if (i % BATCH === BATCH - 1) yield (n + i + 1) / (2 * n);
  }
  block.set(x);
  x.fill(0);
  y.fill(0);
}

/** scryptBlockMix (section 4): the 2r blocks of `x` into `y`, the even ones first. */
function blockMix(x, y, r) {
  const last = 32 * r - 16;
  scratch.set(x.subarray(last, last + 16));
  for (let i = 0; i < 2 * r; i++) {
    salsa(x, 16 * i);
    y.set(scratch, 16 * ((i >> 1) + (i & 1) * r));
  }
}

const scratch = new Uint32Array(16);

/** Salsa20/8 (section 3) of `scratch` xor the 64 bytes of `x` at `at`, into `scratch`. */
function salsa(x, at) {
  const b0 = scratch[0] ^ x[at];
  const b1 = scratch[1] ^ x[at + 1];
  const b2 = scratch[2] ^ x[at + 2];
  const b3 = scratch[3] ^ x[at + 3];
  const b4 = scratch[4] ^ x[at + 4];
  const b5 = scratch[5] ^ x[at + 5];
  const b6 = scratch[6] ^ x[at + 6];
  const b7 = scratch[7] ^ x[at + 7];
  const b8 = scratch[8] ^ x[at + 8];
  const b9 = scratch[9] ^ x[at + 9];
  const b10 = scratch[10] ^ x[at + 10];
  const b11 = scratch[11] ^ x[at + 11];
  const b12 = scratch[12] ^ x[at + 12];
  const b13 = scratch[13] ^ x[at + 13];
  const b14 = scratch[14] ^ x[at + 14];
  const b15 = scratch[15] ^ x[at + 15];
  let x0 = b0;
  let x1 = b1;
  let x2 = b2;
  let x3 = b3;
  let x4 = b4;
  let x5 = b5;
  let x6 = b6;
  let x7 = b7;
  let x8 = b8;
  let x9 = b9;
  let x10 = b10;
  let x11 = b11;
  let x12 = b12;
  let x13 = b13;
  let x14 = b14;
  let x15 = b15;
  let t;
  for (let round = 0; round < 8; round += 2) {
    t = (x0 + x12) | 0;
    x4 ^= (t << 7) | (t >>> 25);
    t = (x4 + x0) | 0;
    x8 ^= (t << 9) | (t >>> 23);
    t = (x8 + x4) | 0;
    x12 ^= (t << 13) | (t >>> 19);
    t = (x12 + x8) | 0;
    x0 ^= (t << 18) | (t >>> 14);
    t = (x5 + x1) | 0;
    x9 ^= (t << 7) | (t >>> 25);
    t = (x9 + x5) | 0;
    x13 ^= (t << 9) | (t >>> 23);
    t = (x13 + x9) | 0;
    x1 ^= (t << 13) | (t >>> 19);
    t = (x1 + x13) | 0;
    x5 ^= (t << 18) | (t >>> 14);
    t = (x10 + x6) | 0;
    x14 ^= (t << 7) | (t >>> 25);
    t = (x14 + x10) | 0;
    x2 ^= (t << 9) | (t >>> 23);
    t = (x2 + x14) | 0;
    x6 ^= (t << 13) | (t >>> 19);
    t = (x6 + x2) | 0;
    x10 ^= (t << 18) | (t >>> 14);
    t = (x15 + x11) | 0;
    x3 ^= (t << 7) | (t >>> 25);
    t = (x3 + x15) | 0;
    x7 ^= (t << 9) | (t >>> 23);
    t = (x7 + x3) | 0;
    x11 ^= (t << 13) | (t >>> 19);
    t = (x11 + x7) | 0;
    x15 ^= (t << 18) | (t >>> 14);
    t = (x0 + x3) | 0;
    x1 ^= (t << 7) | (t >>> 25);
    t = (x1 + x0) | 0;
    x2 ^= (t << 9) | (t >>> 23);
    t = (x2 + x1) | 0;
    x3 ^= (t << 13) | (t >>> 19);
    t = (x3 + x2) | 0;
    x0 ^= (t << 18) | (t >>> 14);
    t = (x5 + x4) | 0;
    x6 ^= (t << 7) | (t >>> 25);
    t = (x6 + x5) | 0;
    x7 ^= (t << 9) | (t >>> 23);
    t = (x7 + x6) | 0;
    x4 ^= (t << 13) | (t >>> 19);
    t = (x4 + x7) | 0;
    x5 ^= (t << 18) | (t >>> 14);
    t = (x10 + x9) | 0;
    x11 ^= (t << 7) | (t >>> 25);
    t = (x11 + x10) | 0;
    x8 ^= (t << 9) | (t >>> 23);
    t = (x8 + x11) | 0;
    x9 ^= (t << 13) | (t >>> 19);
    t = (x9 + x8) | 0;
    x10 ^= (t << 18) | (t >>> 14);
    t = (x15 + x14) | 0;
    x12 ^= (t << 7) | (t >>> 25);
    t = (x12 + x15) | 0;
    x13 ^= (t << 9) | (t >>> 23);
    t = (x13 + x12) | 0;
    x14 ^= (t << 13) | (t >>> 19);
    t = (x14 + x13) | 0;
    x15 ^= (t << 18) | (t >>> 14);
  }
  scratch[0] = b0 + x0;
  scratch[1] = b1 + x1;
  scratch[2] = b2 + x2;
  scratch[3] = b3 + x3;
  scratch[4] = b4 + x4;
  scratch[5] = b5 + x5;
  scratch[6] = b6 + x6;
  scratch[7] = b7 + x7;
  scratch[8] = b8 + x8;
  scratch[9] = b9 + x9;
  scratch[10] = b10 + x10;
  scratch[11] = b11 + x11;
  scratch[12] = b12 + x12;
  scratch[13] = b13 + x13;
  scratch[14] = b14 + x14;
  scratch[15] = b15 + x15;
}
