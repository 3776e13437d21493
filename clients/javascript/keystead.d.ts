/** Keystead for pages and for Node: accounts whose password never leaves the client (SRP-6a), and proofs of work. */

/** Parameters of scrypt (RFC 7914): N a power of two, r = 8, p at most 16. */
export interface Kdf {
  n: number;
  r: number;
  p: number;
}

/** What new credentials use: N = 2^17, r = 8, p = 1. */
export const DEFAULT_KDF: Readonly<Kdf>;

/** What the server keeps of a password: `srp` of a reset or a change. Numbers and salts in lower-case hexadecimal. */
export interface Credential {
  srpIdentity: string;
  kdf: Kdf;
  kdfSalt: string;
  srpSalt: string;
  verifier: string;
}

/** What `/auth/srp/challenge` answers. */
export interface Challenge {
  srpIdentity: string;
  kdf: Kdf;
  kdfSalt: string;
  srpSalt: string;
  serverPublicKey: string;
  sealed: string;
}

/** What is sent for a challenge. */
export interface SolvedChallenge {
  clientPublicKey: string;
  clientProof: string;
  sealed: string;
  /**
   * Throws `SERVER_PROOF_INVALID` unless the server proves that it knows the verifier. MUST be called before anything the
   * server answered is used.
   */
  checkServerProof(serverProof: unknown): void;
}

/** Second factors, by the names the API gives them. */
export type Factor = 'email' | 'phone' | 'device' | 'totp' | 'recovery' | (string & {});

/** Tokens, as the API describes them. The last three are there for native clients only; a browser has them in cookies. */
export interface Tokens {
  id?: string;
  accessToken: string;
  tokenType: 'Bearer';
  /** Seconds. */
  expiresIn: number;
  /** RFC 3339. */
  expiresAt: string;
  state: 'authorized' | 'pre_authorized';
  purpose?: string;
  tfaOptions?: Factor[];
  defaultTfa?: Factor;
  otpSession?: string;
  otpSessionExpiresAt?: string;
  clientId?: string;
  refreshToken?: string;
  deviceToken?: string;
}

/** How long work is done. */
export interface WorkOptions {
  /** Ends the work; the promise is rejected with the signal's reason. */
  signal?: AbortSignal;
  /** Called with the share of the work that is done, 0 to 1. */
  onProgress?(share: number): void;
}

/** What new passwords must be; the server never sees one and cannot check. */
export interface PasswordOptions {
  /** Fewest characters; 8 unless given. */
  minLength?: number;
  /** Address and names of whose password it is: none of them may be the password. */
  ownWords?: string[];
  /** Whether a password is among those known from breaches. */
  isBreached?(password: string): Awaitable<boolean>;
}

/** Which service is spoken to, and how. */
export interface ServiceOptions extends WorkOptions {
  /** Where the service is. A page's own origin unless given; needed in Node. */
  baseUrl?: string | URL;
  /** A page says so when the service is at another origin than its own. */
  crossOrigin?: boolean;
  /** Where the session's secrets go: cookies, or the answer. `browser` in pages and `native` in Node unless given. */
  client?: 'browser' | 'native';
  /** Sent with every request. */
  headers?: Record<string, string>;
  /** In the place of `fetch`. */
  fetch?: typeof fetch;
}

/** What a captcha is solved for. */
export type CaptchaAction = 'register' | 'forgot' | 'srp-challenge' | 'login';

/** A captcha's solution, or what finds one when it is needed. */
export type Captcha = string | ((action: CaptchaAction) => Awaitable<string | undefined>);

type Awaitable<T> = T | Promise<T>;

export interface RegisterOptions extends ServiceOptions, PasswordOptions {
  /** Where the code is sent: either this or `phone`. */
  email?: string;
  phone?: string;
  username?: string;
  fullName?: string;
  password: string;
  captcha?: Captcha;
  kdf?: Kdf;
}

export interface LoginOptions extends ServiceOptions {
  /** E-mail address, phone number or username. */
  identity: string;
  password: string;
  captcha?: Captcha;
  /** Native clients: the device token of an earlier login. */
  deviceToken?: string;
}

/** Registers an account. Answers the tokens for `/auth/register/verify`, for which a code was sent. */
export function register(options: RegisterOptions): Promise<Tokens>;

/**
 * Signs in. Answers the tokens once the server proved itself; otherwise it throws, and nothing of the server's answer is to
 * be had. With `state` `pre_authorized` a second factor is asked for.
 */
export function login(options: LoginOptions): Promise<Tokens>;

/** Makes what the server keeps of a password: `srp` of a reset or a change. */
export function makeCredential(
  password: string,
  options?: { kdf?: Kdf } & PasswordOptions & WorkOptions,
): Promise<Credential>;

/** Answers a challenge of the server; for routes other than login that take an SRP proof. */
export function solveChallenge(challenge: Challenge, password: string, options?: WorkOptions): Promise<SolvedChallenge>;

/** Solves a proof of work: a text that begins with `challenge` and whose SHA-256 begins with `difficulty` zero bits. */
export function solveCaptcha(
  work: { challenge: string; difficulty: number },
  options?: WorkOptions,
): Promise<string>;

/**
 * What fetches a proof of work for an action and solves it, for `captcha` of the other functions. It gives nothing where the
 * service asks for none.
 */
export function proofOfWork(options?: ServiceOptions): (action: CaptchaAction) => Promise<string | undefined>;

/** An error as the API describes it. */
export interface ApiError {
  id?: string;
  status?: string;
  code: string;
  title?: string;
  detail?: string;
  source?: { pointer?: string; parameter?: string; header?: string };
  meta?: Record<string, unknown>;
}

/** The codes of this module's own errors, which have the status 0. */
export type OwnCode =
  | 'ANSWER_INVALID'
  | 'CRYPTO_UNAVAILABLE'
  | 'KDF_REFUSED'
  | 'NETWORK'
  | 'ORIGIN_REFUSED'
  | 'PASSWORD_REFUSED'
  | 'SERVER_KEY_INVALID'
  | 'SERVER_PROOF_INVALID'
  | 'WORK_REFUSED';

/** Why something did not work. */
export class KeysteadError extends Error {
  /** The API's code, or this module's own. */
  readonly code: OwnCode | (string & {});
  /** The status of the answer; 0 when the error is this module's own. */
  readonly status: number;
  /** Every error of the answer. */
  readonly errors: ApiError[];
  /** What to ask the operator about. */
  readonly requestId: string | null;
  /** Seconds to wait, when the service said so. */
  readonly retryAfter: number | null;
}
