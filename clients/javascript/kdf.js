// Which scrypt parameters are taken. A server that could choose freely would choose what makes guessing cheap.

import { KeysteadError } from './errors.js';

/** For new credentials: 128 MiB and about half a second. */
export const DEFAULT_KDF = Object.freeze({ n: 2 ** 17, r: 8, p: 1 });

/** Pairs of N and the least p of new credentials: each costs whoever guesses the same (OWASP). */
const FLOOR = [
  [2 ** 17, 1],
  [2 ** 16, 2],
  [2 ** 15, 3],
  [2 ** 14, 5],
];

/** The least N of any credential: those imported from other systems have no more. */
const LEAST = 2 ** 14;

/** The largest N: 1 GiB of memory. */
const MOST = 2 ** 20;

/** The largest p. */
const MOST_PARALLEL = 16;

/** The parameters a login is to use: those of a credential that was made here or imported. */
export function checkKdf(kdf) {
  const { n, r, p } = kdf ?? {};
  const isPower = Number.isInteger(n) && n > 0 && Number.isInteger(Math.log2(n));
  if (!isPower || n < LEAST || n > MOST || r !== 8 || !Number.isInteger(p) || p < 1 || p > MOST_PARALLEL) {
    throw new KeysteadError('KDF_REFUSED', 'the scrypt parameters are out of range');
  }
  return { n, r, p };
}

/** The parameters of a new credential. */
export function checkNewKdf(kdf) {
  const { n, r, p } = checkKdf(kdf);
  if (!FLOOR.some(([least, parallel]) => n >= least && p >= parallel)) {
    throw new KeysteadError('KDF_REFUSED', 'the scrypt parameters make guessing too cheap');
  }
  return { n, r, p };
}
