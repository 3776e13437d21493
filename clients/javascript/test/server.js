// A service in this process, as far as SRP goes, whose answers a test can bend. Its mathematics are its own.

import { createHash, randomBytes } from 'node:crypto';

import { N } from '../srp.js';

const digest = (...parts) => createHash('sha256').update(Buffer.concat(parts)).digest();
const number = (bytes) => BigInt(`0x0${Buffer.from(bytes).toString('hex')}`);
const padded = (value) => Buffer.from(value.toString(16).padStart(1024, '0'), 'hex');

export function minimal(value) {
  const hex = value.toString(16);
  return Buffer.from(hex.length % 2 ? `0${hex}` : hex, 'hex');
}

function power(base, exponent) {
  let result = 1n;
  for (const bit of exponent.toString(2)) {
    result = (result * result) % N;
    if (bit === '1') result = (result * base) % N;
  }
  return result;
}

export const TOKENS = {
  accessToken: 'the.access.token',
  tokenType: 'Bearer',
  state: 'authorized',
  clientId: 'the-client-id',
  refreshToken: 'the-refresh-token',
};

/**
 * `bend` changes the attributes of an answer: `bend.challenge(attributes)`, `bend.login(attributes)`; `bend.refuse(path, body)`
 * gives a `Response` in the place of an answer.
 */
export class Server {
  /** Every request: its address, what `fetch` was told, and the attributes. */
  requests = [];
  #accounts = new Map();
  #pending = new Map();
  #bend;

  constructor(bend = {}) {
    this.#bend = bend;
  }

  /** In the place of `fetch`. */
  fetch = async (url, request) => {
    const body = JSON.parse(request.body);
    this.requests.push({ url, request, body });
    const path = new URL(url).pathname;
    const refusal = this.#bend.refuse?.(path, body);
    if (refusal) return refusal;
    const routes = {
      '/api/v1/auth/srp/register': () => this.#register(body),
      '/api/v1/auth/srp/challenge': () => this.#challenge(body),
      '/api/v1/auth/srp/login': () => this.#login(body),
    };
    return routes[path]?.() ?? refused(404, 'NOT_FOUND');
  };

  /** What was sent to a path, in turn. */
  sent(path) {
    return this.requests.filter(({ url }) => url.endsWith(path)).map(({ body }) => body);
  }

  #register(body) {
    this.#accounts.set(body.email ?? body.phone, body);
    return answered('tokens', { ...TOKENS, state: 'pre_authorized', purpose: 'register' }, 201);
  }

  #challenge({ identity }) {
    const { srpIdentity, kdf, kdfSalt, srpSalt, verifier } = this.#accounts.get(identity);
    const v = BigInt(`0x${verifier}`);
    const secret = number(randomBytes(32));
    const k = number(digest(padded(N), padded(5n)));
    const serverPublicKey = (k * v + power(5n, secret)) % N;
    const sealed = randomBytes(9).toString('base64url');
    this.#pending.set(sealed, { secret, serverPublicKey });
    const attributes = { srpIdentity, kdf, kdfSalt, srpSalt, serverPublicKey: minimal(serverPublicKey).toString('hex'), sealed };
    return answered('srpChallenges', { ...attributes, ...this.#bend.challenge?.(attributes) });
  }

  #login({ identity, clientPublicKey, clientProof, sealed }) {
    const { srpIdentity, srpSalt, verifier } = this.#accounts.get(identity);
    const { secret, serverPublicKey } = this.#pending.get(sealed);
    const [a, v] = [BigInt(`0x${clientPublicKey}`), BigInt(`0x${verifier}`)];
    const u = number(digest(padded(a), padded(serverPublicKey)));
    const key = digest(minimal(power((a * power(v, u)) % N, secret)));
    const [ofN, ofG] = [digest(padded(N)), digest(padded(5n))];
    const group = Buffer.from(ofN.map((byte, at) => byte ^ ofG[at]));
    const salt = Buffer.from(srpSalt, 'hex');
    const proof = digest(group, digest(Buffer.from(srpIdentity)), salt, minimal(a), minimal(serverPublicKey), key);
    if (proof.toString('hex') !== clientProof) return refused(401, 'SRP_INVALID');
    const serverProof = digest(minimal(a), proof, key).toString('hex');
    return answered('tokens', { ...TOKENS, serverProof, ...this.#bend.login?.({ serverProof }) });
  }
}

function answered(type, attributes, status = 200) {
  return new Response(JSON.stringify({ data: { type, id: 'the-id', attributes } }), { status });
}

/** A refusal as the API words it. */
export function refused(status, code, headers = {}) {
  const error = { id: 'r1', status: String(status), code, title: 'Refused', detail: `Refused: ${code}.` };
  return new Response(JSON.stringify({ errors: [error] }), { status, headers: { 'x-request-id': 'r1', ...headers } });
}
