// The mathematics: against vectors computed with nothing but Python's pow and hashlib, and against its package `srp`.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { fromHex, minimal, toHex, toNumber } from '../bytes.js';
import { answer, checkServerProof, G, multiplier, N, power, privateKey, serverKey, verifier } from '../srp.js';
import { startPeer } from './python.js';

const vectors = JSON.parse(readFileSync(new URL('vectors.json', import.meta.url), 'utf8'));
/** Logins that follow one another with the same peer. */
const ROUNDS = 100;

let peer;
before(() => {
  peer = startPeer();
});
after(() => peer.end());

const shown = (number) => toHex(minimal(number));

for (const vector of vectors) {
  test(`vector: ${vector.why}`, async () => {
    assert.deepEqual({ why: vector.why, ...(await peer.ask({ ...vector, do: 'vector' })) }, { ...vector, do: 'vector' });
    const salt = fromHex(vector.s);
    const x = await privateKey(salt, vector.I, vector.P);
    assert.equal(shown(await multiplier()), vector.k);
    assert.equal(shown(x), vector.x);
    assert.equal(shown(verifier(x)), vector.v);
    const { clientPublicKey, clientProof, expected } = await answer({
      identity: vector.I,
      salt,
      password: vector.P,
      serverPublicKey: vector.B,
      secret: fromHex(vector.a),
    });
    assert.equal(clientPublicKey, vector.A);
    assert.equal(clientProof, vector.M1);
    assert.equal(toHex(expected), vector.M2);
    checkServerProof(expected, vector.M2);
  });
}

test('every number that can begin with a zero byte does so in a vector', () => {
  const short = (name, width) => vectors.some((vector) => vector[name].length < width || vector[name].startsWith('00'));
  for (const name of ['A', 'B', 'S', 'v']) assert.ok(short(name, 1024), name);
  for (const name of ['x', 'u', 'K', 'M1', 'M2']) assert.ok(short(name, 64), name);
});

test('N is the safe prime of the group, and powers are powers', () => {
  assert.equal(N.toString(2).length, 4096);
  assert.equal(toHex(minimal(N)).slice(0, 32), 'ffffffffffffffffc90fdaa22168c234');
  // Fermat, of N and of (N - 1) / 2: both are prime but for a chance nobody has.
  const q = (N - 1n) / 2n;
  assert.equal(power(7n, N - 1n, 4096), 1n);
  assert.equal(powerModulo(7n, q - 1n, q), 1n);
  for (const exponent of [0n, 1n, 15n, 16n, 17n, 2n ** 256n - 1n, 2n ** 255n]) {
    assert.equal(power(G, exponent, 256), powerModulo(G, exponent, N), `${exponent}`);
  }
});

function powerModulo(base, exponent, modulus) {
  let result = 1n;
  for (const bit of exponent.toString(2)) {
    result = (result * result) % modulus;
    if (bit === '1') result = (result * base) % modulus;
  }
  return result;
}

test(`${ROUNDS} logins at a server of Python`, async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const [I, P] = [randomBytes(16).toString('hex'), randomBytes(32).toString('hex')];
    const salt = randomBytes(32);
    salt[0] ||= 1;
    const s = salt.toString('hex');
    const v = shown(verifier(await privateKey(salt, I, P)));
    const b = randomBytes(32).toString('hex');
    // Its B depends on nothing of ours.
    const { B } = await peer.ask({ do: 'serve', I, s, v, A: '02', b });
    const secret = randomBytes(32);
    const { clientPublicKey: A, clientProof, expected } = await answer({
      identity: I,
      salt,
      password: P,
      serverPublicKey: B,
      secret,
    });
    const { M2 } = await peer.ask({ do: 'serve', I, s, v, A, b, M1: clientProof });
    assert.equal(M2, toHex(expected), JSON.stringify({ I, P, s, b, a: secret.toString('hex') }));
    // Its client computes what ours does.
    const theirs = await peer.ask({ do: 'login', I, P, s, B, a: secret.toString('hex'), M2 });
    assert.deepEqual(theirs, { A, M1: clientProof, authenticated: true });
  }
});

test('a public key of the server that says the outcome is refused', () => {
  const hex = (number) => shown(number);
  for (const [name, key] of [
    ['0', ''],
    ['0', '00'],
    ['0', '00'.repeat(512)],
    ['N', hex(N)],
    ['2N', hex(2n * N)],
    ['7N', hex(7n * N)],
    ['N + 1', hex(N + 1n)],
    ['2^4096 - 1', 'ff'.repeat(512)],
    ['over-long', `00${'ab'.repeat(512)}`],
    ['odd', 'abc'],
    ['upper case', 'AB'],
    ['no hexadecimal', '0x12'],
    ['a number', 18],
    ['nothing', undefined],
    ['a list', ['02']],
  ]) {
    assert.throws(() => serverKey(key), { name: 'KeysteadError', code: 'SERVER_KEY_INVALID' }, name);
  }
  assert.equal(serverKey(hex(N - 1n)), N - 1n);
  assert.equal(serverKey('0002'), 2n);
});

test('a public key of the server without a secret part is refused', async () => {
  const [vector] = vectors;
  const lacking = (toNumber(fromHex(vector.k)) * toNumber(fromHex(vector.v))) % N;
  const answering = answer({
    identity: vector.I,
    salt: fromHex(vector.s),
    password: vector.P,
    serverPublicKey: shown(lacking),
    secret: fromHex(vector.a),
  });
  await assert.rejects(answering, { code: 'SERVER_KEY_INVALID' });
});

test('a proof of the server with any bit wrong is none', () => {
  const expected = randomBytes(32);
  checkServerProof(expected, expected.toString('hex'));
  for (let bit = 0; bit < 256; bit++) {
    const wrong = Buffer.from(expected);
    wrong[bit >> 3] ^= 1 << (bit & 7);
    assert.throws(() => checkServerProof(expected, wrong.toString('hex')), { code: 'SERVER_PROOF_INVALID' }, `${bit}`);
  }
  for (const wrong of [undefined, null, '', 7, {}, expected, expected.toString('hex').slice(2), `${expected.toString('hex')}00`]) {
    assert.throws(() => checkServerProof(expected, wrong), { code: 'SERVER_PROOF_INVALID' }, String(wrong));
  }
});
