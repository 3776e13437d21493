// Keystead for pages and for Node: accounts whose password never leaves the client (SRP-6a), and proofs of work.
// No dependencies: BigInt, WebCrypto, and scrypt in a worker beside the page.

import { proveWork, stretch } from './background.js';
import { fromHex, minimal, toHex } from './bytes.js';
import { KeysteadError } from './errors.js';
import { client } from './http.js';
import { checkKdf, checkNewKdf, DEFAULT_KDF } from './kdf.js';
import { checkNewPassword, passwordBytes } from './password.js';
import { answer, checkServerProof, innerHash, privateKey, random, serverKey, verifier } from './srp.js';

export { DEFAULT_KDF, KeysteadError };

/** Most zero bits a proof of work may ask for: some minutes of one core. */
const MOST_WORK = 28;

/** Bytes of a salt, of I, and of the secret exponent a. */
const [SALT, IDENTITY, SECRET] = [32, 16, 32];

/** Draws until it is accepted. */
async function draw(length, accept) {
  for (;;) {
    const bytes = await random(length);
    if (await accept(bytes)) return bytes;
  }
}

/** P: what scrypt made of the password, in lower-case hexadecimal. */
async function stretched(password, salt, kdf, options) {
  const key = await stretch(passwordBytes(password), salt, kdf, options);
  const hex = toHex(key);
  key.fill(0);
  return hex;
}

/**
 * Makes what the server keeps of a password: the `srp` of a reset or a change, and the core of a registration.
 */
export async function makeCredential(password, options = {}) {
  const kdf = checkNewKdf(options.kdf ?? DEFAULT_KDF);
  await checkNewPassword(password, options);
  const kdfSalt = await random(SALT);
  const derived = await stretched(password, kdfSalt, kdf, options);
  // Common libraries drop leading zeros, of salts and of hashes: neither is to have any.
  const salt = await draw(SALT, (bytes) => bytes[0] !== 0);
  const identity = toHex(await draw(IDENTITY, async (bytes) => (await innerHash(toHex(bytes), derived))[0] !== 0));
  const v = verifier(await privateKey(salt, identity, derived));
  return {
    srpIdentity: identity,
    kdf,
    kdfSalt: toHex(kdfSalt),
    srpSalt: toHex(salt),
    verifier: toHex(minimal(v)),
  };
}

/** 32 bytes in lower-case hexadecimal. */
function salt(hex) {
  const bytes = fromHex(hex);
  if (bytes?.length !== SALT) throw new KeysteadError('ANSWER_INVALID', 'a salt is not 32 bytes');
  return bytes;
}

/**
 * Answers the server's challenge: the `clientPublicKey`, `clientProof` and `sealed` to send, and `checkServerProof`, which
 * throws unless the server proves itself. Nothing the server answers may be used before that.
 */
export async function solveChallenge(challenge, password, options = {}) {
  const { srpIdentity, serverPublicKey, sealed } = challenge;
  if (!/^[0-9a-f]{32}$/.test(srpIdentity) || typeof sealed !== 'string') {
    throw new KeysteadError('ANSWER_INVALID', 'the challenge is incomplete');
  }
  const kdf = checkKdf(challenge.kdf);
  const [kdfSalt, srpSalt] = [salt(challenge.kdfSalt), salt(challenge.srpSalt)];
  // Refused before the password is touched.
  serverKey(serverPublicKey);
  const derived = await stretched(password, kdfSalt, kdf, options);
  const { clientPublicKey, clientProof, expected } = await answer({
    identity: srpIdentity,
    salt: srpSalt,
    password: derived,
    serverPublicKey,
    secret: await random(SECRET),
  });
  return {
    clientPublicKey,
    clientProof,
    sealed,
    checkServerProof: (proof) => checkServerProof(expected, proof),
  };
}

/** Attributes without those that are not there. */
function present(attributes) {
  return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined && value !== null));
}

/** What a request says of a captcha: the caller's text, or what the caller's function makes of the action. */
async function captchaOf({ captcha }, action) {
  return typeof captcha === 'function' ? captcha(action) : captcha;
}

/**
 * Registers an account. Answers the tokens for `/auth/register/verify`, for which a code was sent.
 */
export async function register(options) {
  const { email, phone, username, fullName, password } = options;
  const api = client(options);
  const ownWords = [email, phone, username, fullName, ...(options.ownWords ?? [])].filter(Boolean);
  const credential = await makeCredential(password, { ...options, ownWords });
  const captcha = await captchaOf(options, 'register');
  return api.post('auth/srp/register', present({ email, phone, username, fullName, captcha, ...credential }));
}

/**
 * Signs in. Answers the tokens, `authorized` or `pre_authorized` with the second factors to offer, once the server proved
 * that it knows the verifier; throws otherwise, and then nothing of its answer is to be had.
 */
export async function login(options) {
  const { identity, password, deviceToken } = options;
  const api = client(options);
  const captcha = await captchaOf(options, 'srp-challenge');
  const challenge = await api.post('auth/srp/challenge', present({ identity, captcha, deviceToken }));
  const { checkServerProof: check, ...proof } = await solveChallenge(challenge, password, options);
  const { serverProof, ...tokens } = await api.post('auth/srp/login', present({ identity, deviceToken, ...proof }));
  check(serverProof);
  return tokens;
}

/**
 * Solves the proof of work that stands for a captcha: a text that begins with `challenge` and whose SHA-256 begins with
 * `difficulty` zero bits.
 */
export async function solveCaptcha({ challenge, difficulty }, options = {}) {
  if (typeof challenge !== 'string' || challenge === '' || challenge.length > 4096) {
    throw new KeysteadError('ANSWER_INVALID', 'there is no challenge to work on');
  }
  if (!Number.isInteger(difficulty) || difficulty < 0 || difficulty > MOST_WORK) {
    throw new KeysteadError('WORK_REFUSED', `a proof of work of more than ${MOST_WORK} bits is asked for`);
  }
  return proveWork(challenge, difficulty, options);
}

/** Fetches a proof of work for an action and solves it: what `captcha` of the other functions takes. */
export function proofOfWork(options = {}) {
  return async (action) => {
    const { challenge, difficulty } = await client(options).post('captcha/challenge', { action });
    return solveCaptcha({ challenge, difficulty }, options);
  };
}
