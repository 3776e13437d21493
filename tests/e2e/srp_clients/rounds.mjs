// Logins by the hundred, with the client's own mathematics and HTTP, but scrypt once: the password and its salt do not
// change. Every tenth login has a value chosen to begin with a zero byte, where the client has the choice.

import { stretch } from '../../../clients/javascript/background.js';
import { concat, fromHex, padded, toHex, toNumber } from '../../../clients/javascript/bytes.js';
import { client } from '../../../clients/javascript/http.js';
import { passwordBytes } from '../../../clients/javascript/password.js';
import { webCrypto } from '../../../clients/javascript/platform.js';
import { answer, checkServerProof, G, multiplier, N, power, privateKey, random, verifier } from '../../../clients/javascript/srp.js';

/** By salt. */
const stretched = new Map();

/** The least number of 512 bytes. */
const FULL = 1n << 4088n;

async function passwordOf(password, { kdf, kdfSalt }) {
  if (!stretched.has(kdfSalt)) stretched.set(kdfSalt, toHex(await stretch(passwordBytes(password), fromHex(kdfSalt), kdf)));
  return stretched.get(kdfSalt);
}

/** a such that A begins with a zero byte. */
async function shortKey() {
  // A follows a: each step of one multiplies the other by g.
  for (let a = toNumber(await random(31)), key = power(G, a, 256); ; a += 1n, key = (key * G) % N) {
    if (key < FULL) return padded(a, 32);
  }
}

/** a such that S begins with a zero byte. */
async function shortPremaster({ serverPublicKey, srpIdentity, srpSalt }, password) {
  const { subtle } = await webCrypto();
  const b = toNumber(fromHex(serverPublicKey));
  const x = await privateKey(fromHex(srpSalt), srpIdentity, password);
  const base = (b + N - (((await multiplier()) * verifier(x)) % N)) % N;
  for (let a = toNumber(await random(31)), key = power(G, a, 256); ; a += 1n, key = (key * G) % N) {
    const u = toNumber(new Uint8Array(await subtle.digest('SHA-256', concat(padded(key, 512), padded(b, 512)))));
    if (power(base, a + u * x, 516) < FULL) return padded(a, 32);
  }
}

/** Solves a challenge; with `force` until the hash of that name begins with a zero byte. */
async function solve(challenge, password, force) {
  for (;;) {
    let secret = await random(32);
    if (force === 'A') secret = await shortKey();
    if (force === 'S') secret = await shortPremaster(challenge, password);
    const solved = await answer({
      identity: challenge.srpIdentity,
      salt: fromHex(challenge.srpSalt),
      password,
      serverPublicKey: challenge.serverPublicKey,
      secret,
    });
    if (force === 'M1' && !solved.clientProof.startsWith('00')) continue;
    if (force === 'M2' && solved.expected[0] !== 0) continue;
    return solved;
  }
}

/**
 * `count` logins of one account, each with a challenge of its own and the server's proof checked. How many there were, and
 * of how many each value began with a zero byte. `forced` names the values to force, in turn, one in ten logins.
 */
export async function rounds({ identity, password, deviceToken, count, forced = ['A'], ...service }) {
  const api = client(service);
  const zeros = { A: 0, B: 0, M1: 0, M2: 0, S: 0 };
  let done = 0;
  while (done < count) {
    const force = done % 10 === 0 ? forced[(done / 10) % forced.length] : undefined;
    const challenge = await api.post('auth/srp/challenge', { identity, deviceToken });
    const P = await passwordOf(password, challenge);
    const { expected, ...proof } = await solve(challenge, P, force);
    const login = { identity, deviceToken, sealed: challenge.sealed, ...proof };
    const { serverProof, accessToken } = await api.post('auth/srp/login', login);
    checkServerProof(expected, serverProof);
    if (typeof accessToken !== 'string') throw new Error('no token');
    done += 1;
    zeros.A += proof.clientPublicKey.length < 1024;
    zeros.B += challenge.serverPublicKey.length < 1024;
    zeros.M1 += proof.clientProof.startsWith('00');
    zeros.M2 += serverProof.startsWith('00');
    zeros.S += force === 'S';
  }
  return { done, zeros };
}
