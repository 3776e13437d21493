// Bytes, their hexadecimal form, and numbers.

/** Lower-case hexadecimal. */
export function toHex(bytes) {
  let hex = '';
  for (const byte of bytes) hex += byte.toString(16).padStart(2, '0');
  return hex;
}

/** The bytes of lower-case hexadecimal; `null` when the text is something else. */
export function fromHex(hex) {
  if (typeof hex !== 'string' || hex.length % 2 !== 0 || !/^[0-9a-f]*$/.test(hex)) return null;
  const bytes = new Uint8Array(hex.length / 2);
  for (let at = 0; at < bytes.length; at++) bytes[at] = Number.parseInt(hex.slice(2 * at, 2 * at + 2), 16);
  return bytes;
}

/** The number big-endian bytes stand for. */
export function toNumber(bytes) {
  return bytes.length === 0 ? 0n : BigInt(`0x${toHex(bytes)}`);
}

/** The fewest big-endian bytes of a number: none for zero. */
export function minimal(number) {
  if (number === 0n) return new Uint8Array(0);
  const hex = number.toString(16);
  return fromHex(hex.length % 2 === 0 ? hex : `0${hex}`);
}

/** The big-endian bytes of a number at this width. */
export function padded(number, width) {
  const bytes = new Uint8Array(width);
  const short = minimal(number);
  bytes.set(short, width - short.length);
  return bytes;
}

/** Parts one after another. */
export function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** UTF-8. */
export function utf8(text) {
  return new TextEncoder().encode(text);
}

/** Whether both are the same, without saying by time where they differ. */
export function equal(one, other) {
  if (one.length !== other.length) return false;
  let difference = 0;
  for (let at = 0; at < one.length; at++) difference |= one[at] ^ other[at];
  return difference === 0;
}
