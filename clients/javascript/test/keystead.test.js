// Registration and login, at a service that is honest, and at ones that are not.

import assert from 'node:assert/strict';
import { scryptSync, webcrypto as crypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { inspect } from 'node:util';

import { COMMON } from '../common-passwords.js';
import { DEFAULT_KDF, KeysteadError, login, makeCredential, register, solveChallenge } from '../keystead.js';
import { innerHash, N } from '../srp.js';
import { minimal, refused, Server, TOKENS } from './server.js';

const baseUrl = 'https://id.example.com';
const email = 'ada@example.com';
const password = 'correct horse battery 17';
/** The cheapest new credentials may have, so that tests take half the time. */
const kdf = { n: 2 ** 14, r: 8, p: 5 };

/** A service that bends its answers so, with Ada's account. */
async function registered(bend) {
  const server = new Server(bend);
  await register({ baseUrl, fetch: server.fetch, email, password, kdf });
  return server;
}

function signIn(server, more = {}) {
  return login({ baseUrl, fetch: server.fetch, identity: email, password, ...more });
}

/** The refusal of a login, which shows nothing the server answered. */
async function refusal(server, more) {
  const error = await signIn(server, more).then(
    (tokens) => assert.fail(`signed in: ${inspect(tokens)}`),
    (error) => error,
  );
  const shown = inspect(error, { depth: null, showHidden: true });
  for (const secret of [TOKENS.accessToken, TOKENS.refreshToken, TOKENS.clientId, password]) {
    assert.ok(!shown.includes(secret), shown);
  }
  assert.ok(error instanceof KeysteadError, shown);
  return error;
}

test('a login answers the tokens once the server proved itself', async () => {
  const server = await registered();
  const told = [];
  const tokens = await signIn(server, { deviceToken: 'known', onProgress: (share) => told.push(share) });
  assert.deepEqual(tokens, { id: 'the-id', ...TOKENS });
  assert.deepEqual([told.at(0), told.at(-1)], [0, 1]);
  const [challenge] = server.sent('/challenge');
  assert.deepEqual(challenge, { identity: email, deviceToken: 'known' });
  const [answer] = server.sent('/login');
  assert.deepEqual(Object.keys(answer).sort(), ['clientProof', 'clientPublicKey', 'deviceToken', 'identity', 'sealed']);
  assert.match(answer.clientPublicKey, /^([0-9a-f]{2}){500,512}$/);
  assert.doesNotMatch(answer.clientPublicKey, /^00/);
  for (const { url, request } of server.requests) {
    assert.ok(url.startsWith(`${baseUrl}/api/v1/auth/srp/`), url);
    const { headers, credentials, redirect, cache } = request;
    assert.equal(headers['keystead-client'], 'native');
    assert.deepEqual({ credentials, redirect, cache }, { credentials: 'omit', redirect: 'error', cache: 'no-store' });
  }
});

test('every login has a secret of its own', async () => {
  const server = await registered();
  await Promise.all([signIn(server), signIn(server)]);
  const keys = server.sent('/login').map(({ clientPublicKey }) => clientPublicKey);
  assert.equal(new Set(keys).size, 2);
});

test('a password is the same in every form of Unicode, and in no other case', async () => {
  const server = new Server();
  await register({ baseUrl, fetch: server.fetch, email, password: 'Ångström Ωmega 17', kdf });
  const decomposed = 'A\u030angstro\u0308m \u2126mega 17';
  assert.equal((await signIn(server, { password: decomposed })).accessToken, TOKENS.accessToken);
  assert.equal((await refusal(server, { password: 'ångström ωmega 17' })).code, 'SRP_INVALID');
});

test('a server that does not prove itself gives nothing', async () => {
  const wrong = [
    { serverProof: undefined },
    { serverProof: null },
    { serverProof: '' },
    { serverProof: '00'.repeat(32) },
    { serverProof: 7 },
    { serverProof: ['a'] },
  ];
  for (const bent of wrong) {
    const server = await registered({ login: () => bent });
    assert.equal((await refusal(server)).code, 'SERVER_PROOF_INVALID', inspect(bent));
  }
  const flipped = ({ serverProof }) => ({ serverProof: serverProof.replace(/.$/, (digit) => (digit === '0' ? '1' : '0')) });
  assert.equal((await refusal(await registered({ login: flipped }))).code, 'SERVER_PROOF_INVALID');
  const loud = ({ serverProof }) => ({ serverProof: serverProof.toUpperCase() });
  assert.equal((await refusal(await registered({ login: loud }))).code, 'SERVER_PROOF_INVALID');
});

test('a server whose public key says the outcome learns nothing of the password', async () => {
  for (const key of [0n, N, 2n * N, 3n * N]) {
    const server = await registered({ challenge: () => ({ serverPublicKey: minimal(key).toString('hex') }) });
    assert.equal((await refusal(server)).code, 'SERVER_KEY_INVALID');
    assert.deepEqual(server.sent('/login'), []);
  }
});

test('a server cannot make guessing cheap, nor the page run out of memory', async () => {
  for (const bent of [
    { n: 2 ** 13, r: 8, p: 16 },
    { n: 2, r: 8, p: 1 },
    { n: 1, r: 8, p: 1 },
    { n: 0, r: 8, p: 1 },
    { n: -16384, r: 8, p: 1 },
    { n: 2 ** 21, r: 8, p: 1 },
    { n: 2 ** 32, r: 8, p: 1 },
    { n: 2 ** 14 + 1, r: 8, p: 1 },
    { n: 2 ** 14, r: 1, p: 1 },
    { n: 2 ** 14, r: 16, p: 1 },
    { n: 2 ** 14, r: 8, p: 0 },
    { n: 2 ** 14, r: 8, p: 17 },
    { n: 2 ** 14, r: 8, p: 1.5 },
    { n: '16384', r: 8, p: 1 },
    { n: Infinity, r: 8, p: 1 },
    {},
    null,
    undefined,
  ]) {
    const server = await registered({ challenge: () => ({ kdf: bent }) });
    assert.equal((await refusal(server)).code, 'KDF_REFUSED', inspect(bent));
    assert.deepEqual(server.sent('/login'), []);
  }
  for (const cheap of [{ n: 2 ** 14, r: 8, p: 1 }, { n: 2 ** 14, r: 8, p: 4 }, { n: 2 ** 15, r: 8, p: 2 }, { n: 2 ** 16, r: 8, p: 1 }]) {
    await assert.rejects(makeCredential(password, { kdf: cheap }), { code: 'KDF_REFUSED' }, inspect(cheap));
  }
});

test('a challenge that is none is refused', async () => {
  for (const bent of [
    { srpIdentity: 'ada@example.com' },
    { srpIdentity: undefined },
    { srpIdentity: 'AB'.repeat(16) },
    { kdfSalt: 'ab' },
    { kdfSalt: undefined },
    { srpSalt: `${'ab'.repeat(31)}zz` },
    { srpSalt: 'ab'.repeat(33) },
    { sealed: undefined },
    { sealed: {} },
  ]) {
    const server = await registered({ challenge: () => bent });
    assert.equal((await refusal(server)).code, 'ANSWER_INVALID', inspect(bent));
    assert.deepEqual(server.sent('/login'), []);
  }
});

test('a credential is what the protocol says', async () => {
  const credential = await makeCredential(password);
  assert.deepEqual(credential.kdf, DEFAULT_KDF);
  assert.deepEqual(Object.keys(credential), ['srpIdentity', 'kdf', 'kdfSalt', 'srpSalt', 'verifier']);
  assert.match(credential.srpIdentity, /^[0-9a-f]{32}$/);
  assert.match(credential.kdfSalt, /^[0-9a-f]{64}$/);
  assert.match(credential.srpSalt, /^[0-9a-f]{64}$/);
  assert.match(credential.verifier, /^([0-9a-f]{2}){500,512}$/);
  assert.doesNotMatch(credential.verifier, /^00/);
});

test('neither salts nor hashes of credentials begin with a zero byte', async (t) => {
  const draw = crypto.getRandomValues.bind(crypto);
  let zeros = 0;
  // Each second draw of a salt begins with zero: half of them would be taken, were they not looked at.
  t.mock.method(crypto, 'getRandomValues', (bytes) => {
    draw(bytes);
    if (bytes.length === 32 && ++zeros % 2 === 0) bytes[0] = 0;
    return bytes;
  });
  let kdfZeros = 0;
  for (let round = 0; round < 6; round++) {
    const credential = await makeCredential(password, { kdf });
    assert.doesNotMatch(credential.srpSalt, /^00/);
    if (credential.kdfSalt.startsWith('00')) kdfZeros++;
    const salt = Buffer.from(credential.kdfSalt, 'hex');
    const P = scryptSync(password, salt, 32, { N: kdf.n, r: kdf.r, p: kdf.p, maxmem: 2 ** 26 }).toString('hex');
    assert.notEqual((await innerHash(credential.srpIdentity, P))[0], 0);
  }
  assert.ok(kdfZeros > 0 && zeros > 12, `${kdfZeros} ${zeros}`);
});

test('an identity whose hash begins with a zero byte is drawn again', async (t) => {
  // What makes H(I ":" P) begin with zero depends on P, and so on the salt: both are fixed.
  const salt = Buffer.alloc(32, 7);
  const P = scryptSync(password, salt, 32, { N: kdf.n, r: kdf.r, p: kdf.p, maxmem: 2 ** 26 }).toString('hex');
  const identity = (counter) => {
    const bytes = Buffer.alloc(16);
    bytes.writeUInt32BE(counter, 12);
    return bytes;
  };
  let bad = 0;
  while ((await innerHash(identity(bad).toString('hex'), P))[0] !== 0) bad++;
  let next = bad;
  t.mock.method(crypto, 'getRandomValues', (bytes) => {
    bytes.set(bytes.length === 16 ? identity(next++) : salt);
    return bytes;
  });
  const { srpIdentity } = await makeCredential(password, { kdf });
  assert.equal(srpIdentity, identity(bad + 1).toString('hex'));
});

test('a password that must not be is not stretched', async () => {
  const server = new Server();
  const choose = (password, more) => register({ baseUrl, fetch: server.fetch, email, password, kdf, ...more });
  const isBreached = async (text) => text === 'hunter2 hunter2';
  for (const [bad, more] of [
    ['seven77'],
    ['fourteen chars', { minLength: 15 }],
    ['x'.repeat(129)],
    [email],
    ['Ada@Example.com'],
    ['ada_lovelace99', { username: 'ada_lovelace' }],
    ['Ada Lovelace!', { fullName: 'Ada Lovelace' }],
    ['lovelace1815', { fullName: 'Ada Lovelace' }],
    ['Keystead2026'],
    ['PassWord1'],
    ['hunter2 hunter2', { isBreached }],
    ['half a pair \ud800 of it'],
    [undefined],
    [12345678],
  ]) {
    await assert.rejects(choose(bad, more), { name: 'KeysteadError', code: 'PASSWORD_REFUSED' }, inspect(bad));
  }
  assert.deepEqual(server.requests, []);
  await choose('kürzer78', { isBreached });
  await choose('😀'.repeat(128));
});

test('the common passwords are those the server refuses', () => {
  const list = new URL('../../../crates/domain/src/common_passwords.txt', import.meta.url);
  const server = readFileSync(list, 'utf8').trimEnd().split('\n');
  assert.deepEqual(COMMON.split('\n'), server);
  assert.ok(server.length > 1000);
});

test('errors carry what the API said', async () => {
  const server = await registered({ refuse: (path) => path.endsWith('/challenge') && refused(429, 'RATE_LIMITED', { 'retry-after': '17' }) });
  const error = await refusal(server);
  assert.deepEqual(
    [error.code, error.status, error.retryAfter, error.requestId, error.message],
    ['RATE_LIMITED', 429, 17, 'r1', 'Refused: RATE_LIMITED.'],
  );
  assert.equal(error.errors[0].title, 'Refused');
  const wrong = await refusal(await registered(), { password: 'correct horse battery 18' });
  assert.deepEqual([wrong.code, wrong.status, wrong.retryAfter], ['SRP_INVALID', 401, null]);
});

test('answers that are none are errors', async () => {
  for (const answer of [() => new Response('<html>'), () => new Response('null'), () => new Response('{"data":{}}'), () => new Response('<html>', { status: 502 })]) {
    assert.equal((await refusal(await registered({ refuse: (path) => path.endsWith('/challenge') && answer() }))).code, 'ANSWER_INVALID');
  }
  const gone = new TypeError('fetch failed');
  const error = await refusal({ fetch: () => Promise.reject(gone) });
  assert.deepEqual([error.code, error.cause], ['NETWORK', gone]);
});

test('a service is reached over https or on this machine, and nowhere else', async () => {
  const at = (url, more) => refusal(new Server(), { baseUrl: url, ...more });
  for (const url of [undefined, '', 'id.example.com', 'http://id.example.com', 'http://localhost.example.com', 'ftp://localhost', 'https://a:b@id.example.com', 'https://id.example.com/?a=b', 'https://id.example.com/#a', 'javascript:1']) {
    assert.equal((await at(url)).code, 'ORIGIN_REFUSED', url);
  }
  for (const url of ['http://localhost:1', 'http://127.0.0.1:1', 'http://[::1]:1', 'https://id.example.com/below']) {
    const server = new Server({ refuse: () => refused(404, 'NOT_FOUND') });
    assert.equal((await refusal(server, { baseUrl: url })).code, 'NOT_FOUND', url);
    assert.equal(server.requests[0].url, `${url}/api/v1/auth/srp/challenge`);
  }
});

test('a page speaks to its own origin unless it says otherwise', async (t) => {
  globalThis.location = { origin: 'https://app.example.com' };
  t.after(() => delete globalThis.location);
  const asked = async (more) => {
    const server = new Server({ refuse: () => refused(404, 'NOT_FOUND') });
    const { code } = await refusal(server, { baseUrl: undefined, ...more });
    return [code, server.requests[0]?.url, server.requests[0]?.request.credentials];
  };
  const path = 'api/v1/auth/srp/challenge';
  assert.deepEqual(await asked({}), ['NOT_FOUND', `https://app.example.com/${path}`, 'omit']);
  assert.deepEqual(await asked({ client: 'browser' }), ['NOT_FOUND', `https://app.example.com/${path}`, 'same-origin']);
  assert.deepEqual(await asked({ baseUrl: '/auth' }), ['NOT_FOUND', `https://app.example.com/auth/${path}`, 'omit']);
  assert.deepEqual(await asked({ baseUrl }), ['ORIGIN_REFUSED', undefined, undefined]);
  const meant = { baseUrl, crossOrigin: true, client: 'browser' };
  assert.deepEqual(await asked(meant), ['NOT_FOUND', `${baseUrl}/${path}`, 'include']);
});

test('a captcha is solved when one is asked for, and the same proof is sent again', async () => {
  const refuse = (path, { captcha }) => {
    const action = { '/api/v1/auth/srp/challenge': 'srp-challenge', '/api/v1/auth/srp/login': 'login' }[path];
    return action && captcha !== `solved ${action}` && refused(422, 'CAPTCHA_REQUIRED');
  };
  const server = await registered({ refuse });
  const tokens = await signIn(server, { captcha: async (action) => `solved ${action}` });
  assert.equal(tokens.accessToken, TOKENS.accessToken);
  const [first, second] = server.sent('/login');
  assert.deepEqual(second, { ...first, captcha: 'solved login' });
  assert.equal(server.sent('/challenge').length, 2);
  // A text counts once, for what it was solved for.
  assert.equal((await refusal(server, { captcha: 'solved srp-challenge' })).code, 'CAPTCHA_REQUIRED');
  assert.equal(server.sent('/challenge').at(-1).captcha, 'solved srp-challenge');
  assert.equal(server.sent('/login').at(-1).captcha, undefined);
});

test('a login that is not known to need a captcha solves none', async () => {
  const server = await registered();
  await signIn(server, { captcha: () => assert.fail('nobody asked') });
});

test('a registration brings its captcha along', async () => {
  const server = new Server();
  const asked = [];
  await register({ baseUrl, fetch: server.fetch, email, password, kdf, captcha: (action) => `solved ${asked.push(action)}` });
  assert.deepEqual([asked, server.sent('/register')[0].captcha], [['register'], 'solved 1']);
});

test('a login ends when it is no longer wanted, at every point', async () => {
  for (const when of ['/challenge', '/login']) {
    const controller = new AbortController();
    const server = await registered({ refuse: (path) => void (path.endsWith(when) && controller.abort()) });
    const fetch = async (url, request) => {
      const answer = await server.fetch(url, request);
      request.signal.throwIfAborted();
      return answer;
    };
    await assert.rejects(signIn(server, { fetch, signal: controller.signal }), { name: 'AbortError' });
  }
  const controller = new AbortController();
  const server = await registered();
  const stretching = signIn(server, { signal: controller.signal, onProgress: () => controller.abort() });
  await assert.rejects(stretching, { name: 'AbortError' });
  assert.deepEqual(server.sent('/login'), []);
});

test('a challenge can be answered by itself', async () => {
  const server = await registered();
  const answer = await server.fetch(`${baseUrl}/api/v1/auth/srp/challenge`, { body: JSON.stringify({ identity: email }) });
  const { attributes } = (await answer.json()).data;
  const { checkServerProof, ...srp } = await solveChallenge(attributes, password);
  assert.equal(srp.sealed, attributes.sealed);
  const body = JSON.stringify({ identity: email, ...srp });
  const proved = await server.fetch(`${baseUrl}/api/v1/auth/srp/login`, { body });
  checkServerProof((await proved.json()).data.attributes.serverProof);
  assert.throws(() => checkServerProof('00'.repeat(32)), { code: 'SERVER_PROOF_INVALID' });
});

test('an answer changes no prototype, whatever its attributes are called', async () => {
  const hostile = JSON.parse('{"__proto__": {"isAdmin": true}, "constructor": {"prototype": {"isAdmin": true}}}');
  // A spread makes a member called `__proto__` an own one, and so does JSON.
  const bent = (attributes) => ({ ...attributes, ...hostile });
  const server = await registered({ challenge: bent, login: bent });
  const tokens = await signIn(server);
  assert.match(JSON.stringify(bent({})), /"__proto__":\{"isAdmin":true\}/);
  assert.equal(tokens.accessToken, TOKENS.accessToken);
  assert.equal(Object.getPrototypeOf(tokens), Object.prototype);
  for (const one of [{}, [], () => {}, tokens]) assert.equal(one.isAdmin, undefined);
});
