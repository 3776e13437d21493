/**
 * Why something did not work. `code` is the API's own (`INVALID_CREDENTIALS`, …) with the HTTP `status`, or, with status
 * 0, one of this module's: `ANSWER_INVALID`, `CRYPTO_UNAVAILABLE`, `KDF_REFUSED`, `NETWORK`, `ORIGIN_REFUSED`,
 * `PASSWORD_REFUSED`, `SERVER_KEY_INVALID`, `SERVER_PROOF_INVALID`, `WORK_REFUSED`.
 */
export class KeysteadError extends Error {
  constructor(code, message, { status = 0, errors = [], requestId = null, retryAfter = null, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'KeysteadError';
    this.code = code;
    this.status = status;
    this.errors = errors;
    this.requestId = requestId;
    this.retryAfter = retryAfter;
  }
}
