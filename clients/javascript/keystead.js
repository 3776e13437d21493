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

/**
 * Sends what may need a captcha. One that costs work is made only when it is asked for: a device that is known needs none.
 * A refusal for want of it changes nothing, so that the same answer to a challenge can be sent again.
 */
async function postWithCaptcha(api, path, body, action, captcha) {
  if (typeof captcha !== 'function') return api.post(path, present({ ...body, captcha }));
  try {
    return await api.post(path, present(body));
  } catch (error) {
    if (error.code !== 'CAPTCHA_REQUIRED') throw error;
    return api.post(path, present({ ...body, captcha: await captcha(action) }));
  }
}

/**
 * Registers an account. Answers the tokens for `/auth/register/verify`, for which a code was sent.
 */
export async function register(options) {
  const { email, phone, username, fullName, password, captcha } = options;
  const api = client(options);
  const ownWords = [email, phone, username, fullName, ...(options.ownWords ?? [])].filter(Boolean);
  const credential = await makeCredential(password, { ...options, ownWords });
  // Asked first: everybody who registers is a stranger, and each try counts.
  const solved = typeof captcha === 'function' ? await captcha('register') : captcha;
  return api.post('auth/srp/register', present({ email, phone, username, fullName, captcha: solved, ...credential }));
}

/**
 * Signs in. Answers the tokens, `authorized` or `pre_authorized` with the second factors to offer, once the server proved
 * that it knows the verifier; throws otherwise, and then nothing of its answer is to be had.
 */
export async function login(options) {
  const { identity, password, deviceToken, captcha } = options;
  const api = client(options);
  const who = { identity, deviceToken };
  const challenge = await postWithCaptcha(api, 'auth/srp/challenge', who, 'srp-challenge', captcha);
  const { checkServerProof: check, ...proof } = await solveChallenge(challenge, password, options);
  // A captcha's solution counts once.
  const again = typeof captcha === 'function' ? captcha : undefined;
  const answered = await postWithCaptcha(api, 'auth/srp/login', { ...who, ...proof }, 'login', again);
  const { serverProof, ...tokens } = answered;
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

/**
 * What fetches a proof of work for an action and solves it: for `captcha` of the other functions. It gives nothing where the
 * service asks for none.
 */
export function proofOfWork(options = {}) {
  return async (action) => {
    try {
      return await solveCaptcha(await client(options).post('captcha/challenge', { action }), options);
    } catch (error) {
      if (error.code === 'CAPTCHA_NOT_USED') return undefined;
      throw error;
    }
  };
}
