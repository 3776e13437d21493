// The proof of work that stands for a captcha: a text that begins with the server's challenge and whose SHA-256 begins
// with as many zero bits as the server asks for.

import { compress, INITIAL, lastBlocks } from './sha256.js';

/** Hashes between two looks at the clock. */
const BATCH = 4096;

/**
 * Searches for a counter such that SHA-256 of `challenge + "." + counter` (UTF-8) begins with `difficulty` zero bits.
 * A generator, so that whoever runs it decides when others have a turn: yields the share of the expected work that is
 * done (0..1, where luck can be worse than expected), returns the whole text.
 */
export function* search(challenge, difficulty) {
  const prefix = new TextEncoder().encode(`${challenge}.`);
  const whole = prefix.length - (prefix.length % 64);
  const start = INITIAL.slice();
  for (let at = 0; at < whole; at += 64) compress(start, prefix, at);
  const state = new Uint32Array(8);
  const expected = 2 ** difficulty;
  let tail = prefix.slice(whole);
  for (let first = 0, last = 10; ; first = last, last *= 10) {
    // All counters between two powers of ten have the same number of digits, and so the same padding.
    const digits = String(first).length;
    const text = new Uint8Array(tail.length + digits);
    text.set(tail);
    const blocks = lastBlocks(text, whole + text.length);
    for (let counter = first; counter < last; counter++) {
      for (let rest = counter, at = text.length - 1; at >= tail.length; at--) {
        blocks[at] = 48 + (rest % 10);
        rest = Math.floor(rest / 10);
      }
      state.set(start);
      for (let at = 0; at < blocks.length; at += 64) compress(state, blocks, at);
      if (zeroBits(state) >= difficulty) return `${challenge}.${counter}`;
      if (counter % BATCH === BATCH - 1) yield Math.min(counter / expected, 1);
    }
  }
}

/** How many zero bits a digest begins with. */
function zeroBits(state) {
  let bits = 0;
  for (const word of state) {
    const zeros = Math.clz32(word);
    bits += zeros;
    if (zeros < 32) break;
  }
  return bits;
}
