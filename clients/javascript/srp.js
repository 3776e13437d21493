// SRP-6a (RFC 5054, RFC 2945) in the 4096-bit group with SHA-256: the numbers, and nothing else.

import { concat, equal, fromHex, minimal, padded, toHex, toNumber, utf8 } from './bytes.js';
import { KeysteadError } from './errors.js';
import { webCrypto } from './platform.js';

/** Bytes of a number of the group. */
const WIDTH = 512;

/** N (RFC 5054 appendix A, 4096 bits): a safe prime. */
export const N = BigInt(
  '0x' +
    'ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd' +
    'ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed' +
    'ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf0598da48361c55d39a69163fa8fd24cf5f' +
    '83655d23dca3ad961c62f356208552bb9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3b' +
    'e39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf6955817183995497cea956ae515d2261898fa0510' +
    '15728e5a8aaac42dad33170d04507a33a85521abdf1cba64ecfb850458dbef0a8aea71575d060c7db3970f85a6e1e4c7' +
    'abf5ae8cdb0933d71e8c94e04a25619dcee3d2261ad2ee6bf12ffa06d98a0864d87602733ec86a64521f2b18177b200c' +
    'bbe117577a615d6c770988c0bad946e208e24fa074e5ab3143db5bfce0fd108e4b82d120a92108011a723c12a787e6d7' +
    '88719a10bdba5b2699c327186af4e23c1a946834b6150bda2583e9ca2ad44ce8dbbbc2db04de8ef92e8efc141fbecaa6' +
    '287c59474e6bc05d99b2964fa090c3a2233ba186515be7ed1f612970cee2d7afb81bdd762170481cd0069127d5b05aa9' +
    '93b4ea988d8fddc186ffb7dc90a6c08f4df435c934063199ffffffffffffffff',
);

/** g, its generator. */
export const G = 5n;

async function hash(...parts) {
  const { subtle } = await webCrypto();
  return new Uint8Array(await subtle.digest('SHA-256', concat(...parts)));
}

/** Random bytes. */
export async function random(length) {
  return (await webCrypto()).getRandomValues(new Uint8Array(length));
}

/** Bits of an exponent that are used at once. */
const WINDOW = 4n;

/**
 * base^exponent mod N. Every exponent of `bits` bits takes the same squarings and multiplications, whatever it is; how
 * long one of them takes is up to the engine's BigInt, which makes no promise.
 */
export function power(base, exponent, bits) {
  const table = [1n];
  for (let nth = 1; nth < 1 << Number(WINDOW); nth++) table.push((table[nth - 1] * base) % N);
  let result = 1n;
  for (let at = BigInt(Math.ceil(bits / Number(WINDOW))) * WINDOW; at > 0n; ) {
    at -= WINDOW;
    for (let square = 0n; square < WINDOW; square++) result = (result * result) % N;
    result = (result * table[Number((exponent >> at) & ((1n << WINDOW) - 1n))]) % N;
  }
  return result;
}

/** H(I ":" P). It is not to begin with a zero byte: common libraries drop leading zeros. */
export function innerHash(identity, password) {
  return hash(utf8(`${identity}:`), utf8(password));
}

/** x = H(s | H(I ":" P)), as a number. */
export async function privateKey(salt, identity, password) {
  return toNumber(await hash(salt, await innerHash(identity, password)));
}

/** v = g^x mod N. */
export function verifier(x) {
  return power(G, x, 256);
}

/** k = H(N | PAD(g)). */
export async function multiplier() {
  return toNumber(await hash(padded(N, WIDTH), padded(G, WIDTH)));
}

/** B of the server, in hexadecimal: 0 < B < N. */
export function serverKey(hex) {
  const bytes = typeof hex === 'string' && hex.length <= 2 * WIDTH ? fromHex(hex) : null;
  const key = bytes === null ? 0n : toNumber(bytes);
  // RFC 5054 section 2.5.4: who sends a multiple of N knows the outcome.
  if (key === 0n || key >= N) throw new KeysteadError('SERVER_KEY_INVALID', "the server's public key is out of range");
  return key;
}

/**
 * The client's side of one login: A, M1, and the M2 that only a server that knows the verifier can send.
 *
 * `identity` is I, `salt` s, `password` P, `serverPublicKey` B in hexadecimal. `secret` is a, 32 random bytes.
 */
export async function answer({ identity, salt, password, serverPublicKey, secret }) {
  const b = serverKey(serverPublicKey);
  const x = await privateKey(salt, identity, password);
  const a = toNumber(secret);
  const publicKey = power(G, a, 256);
  const u = toNumber(await hash(padded(publicKey, WIDTH), padded(b, WIDTH)));
  if (u === 0n) throw new KeysteadError('SERVER_KEY_INVALID', 'the scrambling parameter is zero');
  const k = await multiplier();
  // k v mod N is less than N.
  const base = (b + N - ((k * verifier(x)) % N)) % N;
  if (base === 0n) throw new KeysteadError('SERVER_KEY_INVALID', "the server's public key has no secret part");
  // a + u x has at most 513 bits.
  const premaster = power(base, a + u * x, 516);
  const key = await hash(minimal(premaster));
  const [ofN, ofG] = [await hash(padded(N, WIDTH)), await hash(padded(G, WIDTH))];
  const [wireA, wireB] = [minimal(publicKey), minimal(b)];
  const proof = await hash(
    ofN.map((byte, at) => byte ^ ofG[at]),
    await hash(utf8(identity)),
    salt,
    wireA,
    wireB,
    key,
  );
  const expected = await hash(wireA, proof, key);
  key.fill(0);
  return { clientPublicKey: toHex(wireA), clientProof: toHex(proof), expected };
}

/** Throws unless `proof` is M2 in hexadecimal. */
export function checkServerProof(expected, proof) {
  const bytes = fromHex(proof);
  if (bytes === null || !equal(bytes, expected)) {
    throw new KeysteadError('SERVER_PROOF_INVALID', 'the server did not prove that it knows the verifier');
  }
}
