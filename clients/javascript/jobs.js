// What takes long, in steps: scrypt and proofs of work.

import { webCrypto } from './platform.js';
import { search } from './proof-of-work.js';
import { scrypt } from './scrypt.js';

/** Begins a job. The iterator's values say how far it is (0..1); what it returns is the result. */
export function begin(job) {
  return job.kind === 'scrypt' ? stretch(job) : search(job.challenge, job.difficulty);
}

async function* stretch({ password, salt, kdf }) {
  const { subtle } = await webCrypto();
  const key = yield* scrypt(subtle, password, salt, kdf);
  password.fill(0);
  return key;
}
