// SHA-256 and scrypt against what is published, and against Node's own.

import assert from 'node:assert/strict';
import { createHash, randomBytes, scryptSync, webcrypto as crypto } from 'node:crypto';
import test from 'node:test';

import { toHex, utf8 } from '../bytes.js';
import { scrypt } from '../scrypt.js';
import { sha256 } from '../sha256.js';

/** Runs to the end; the result and the shares that were told. */
async function derive(password, salt, parameters) {
  const steps = scrypt(crypto.subtle, password, salt, parameters);
  const shares = [];
  for (;;) {
    const { done, value } = await steps.next();
    if (done) return { key: toHex(value), shares };
    shares.push(value);
  }
}

test('scrypt is that of RFC 7914 section 12', async () => {
  const vectors = [
    ['', '', 16, 1, 1, '77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906'],
    ['password', 'NaCl', 1024, 8, 16, 'fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640'],
    ['pleaseletmein', 'SodiumChloride', 16384, 8, 1, '7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887'],
  ];
  for (const [password, salt, n, r, p, expected] of vectors) {
    const { key } = await derive(utf8(password), utf8(salt), { n, r, p, length: 64 });
    assert.equal(key, expected, `${password} ${n} ${r} ${p}`);
  }
});

test('scrypt is that of Node, whatever goes in', async () => {
  for (const [n, r, p] of [[2, 1, 1], [64, 3, 2], [2048, 8, 5], [2 ** 14, 8, 5]]) {
    const [password, salt] = [randomBytes(n % 90), randomBytes(32)];
    const expected = scryptSync(password, salt, 32, { N: n, r, p, maxmem: 2 ** 28 }).toString('hex');
    const { key } = await derive(password, salt, { n, r, p });
    assert.equal(key, expected, `${n} ${r} ${p} ${password.toString('hex')} ${salt.toString('hex')}`);
  }
});

test('scrypt tells how far it is', async () => {
  const { shares } = await derive(utf8('a'), utf8('b'), { n: 4096, r: 1, p: 2 });
  assert.ok(shares.length >= 8, `${shares.length}`);
  assert.ok(shares.every((share, at) => share > (shares[at - 1] ?? 0)), `${shares}`);
  assert.equal(shares.at(-1), 1);
});

test('SHA-256 is that of Node at every length around a block', () => {
  for (let length = 0; length < 260; length++) {
    const message = randomBytes(length);
    assert.equal(toHex(sha256(message)), createHash('sha256').update(message).digest('hex'), message.toString('hex'));
  }
});
