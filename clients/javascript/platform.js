// What this runs in: a page, a worker, or Node.

import { KeysteadError } from './errors.js';

/** Whether this is Node, or something that is like it. */
export const isNode = typeof globalThis.process?.versions?.node === 'string' && typeof globalThis.window === 'undefined';

/** A module of Node. Bundlers for pages must not look for it. */
export function nodeModule(name) {
  return import(/* webpackIgnore: true */ /* @vite-ignore */ `node:${name}`);
}

/** WebCrypto. Pages have it when they came over https or from this machine. */
export async function webCrypto() {
  // Node 18 keeps it in a module.
  const crypto = globalThis.crypto ?? (isNode ? (await nodeModule('crypto')).webcrypto : undefined);
  if (crypto?.subtle === undefined) {
    throw new KeysteadError('CRYPTO_UNAVAILABLE', 'WebCrypto needs a secure context: https, or localhost');
  }
  return crypto;
}
