// Passwords. The server never sees one, so that what it asks of passwords elsewhere is asked for here.

import { utf8 } from './bytes.js';
import { KeysteadError } from './errors.js';

/** Most code points of a password. */
const MOST = 128;

/** Fewest code points of a new one, unless the caller asks for more. */
const FEWEST = 8;

function refuse(message) {
  throw new KeysteadError('PASSWORD_REFUSED', message);
}

/** The bytes that are stretched: UTF-8 of NFC (NIST SP 800-63B-4 section 3.1.1.2). */
export function passwordBytes(password) {
  if (typeof password !== 'string') refuse('the password is no text');
  // UTF-8 has no surrogates: TextEncoder would write one replacement for all of them.
  if (/[\uD800-\uDFFF]/u.test(password)) refuse('the password is not well-formed text');
  const normal = password.normalize('NFC');
  if (length(normal) > MOST) refuse(`a password has at most ${MOST} characters`);
  return utf8(normal);
}

/**
 * Refuses what the server refuses of new passwords elsewhere, and what `isBreached` knows beyond the common ones. `ownWords`
 * are the address and the names of whose password it is.
 */
export async function checkNewPassword(password, { minLength = FEWEST, ownWords = [], isBreached } = {}) {
  passwordBytes(password).fill(0);
  const normal = password.normalize('NFC');
  if (length(normal) < minLength) refuse(`a password has at least ${minLength} characters`);
  const folded = normal.toLowerCase();
  if ((await isCommon(folded)) || (await isBreached?.(normal)) === true) {
    refuse('this password is among the commonly used ones; choose another');
  }
  if (isOwnWord(folded, ownWords)) refuse('a password must not be your own name or address');
}

async function isCommon(folded) {
  // Not on the way to a login, which needs no list.
  const { COMMON } = await import('./common-passwords.js');
  return !folded.includes('\n') && `\n${COMMON}\n`.includes(`\n${folded}\n`);
}

function length(text) {
  return [...text].length;
}

/** Nothing is left of the password but a word of its owner's, and digits or punctuation around it. */
function isOwnWord(folded, ownWords) {
  const words = [...ownWords.filter((word) => typeof word === 'string'), 'keystead'].flatMap((word) => {
    const whole = word.toLowerCase();
    const local = whole.includes('@') ? whole.slice(0, whole.lastIndexOf('@')) : whole;
    return [whole, local, ...local.split(/\s+/).filter((part) => length(part) >= 4)];
  });
  return words.some((word) => word !== '' && (folded === word || (squeeze(word) !== '' && squeeze(folded) === squeeze(word))));
}

function squeeze(text) {
  return text.replace(/[^\p{L}\p{N}]/gu, '').replace(/^\p{N}+|\p{N}+$/gu, '');
}
