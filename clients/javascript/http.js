// Requests to the API.

import { KeysteadError } from './errors.js';
import { isNode } from './platform.js';

/** The origin of the page; nothing in Node. */
function pageOrigin() {
  const origin = globalThis.location?.origin;
  return typeof origin === 'string' && origin !== 'null' ? origin : null;
}

function refuse(message) {
  throw new KeysteadError('ORIGIN_REFUSED', message);
}

/** Names of this machine: what is sent there leaves it not. */
function isLocal(hostname) {
  return hostname === 'localhost' || hostname.endsWith('.localhost') || hostname === '127.0.0.1' || hostname === '[::1]';
}

/**
 * Where the service is. A page talks to where it came from; to another origin it does when it says so with `crossOrigin`.
 * A password's proof and the tokens it earns go over https, or do not leave the machine.
 */
export function serviceUrl({ baseUrl, crossOrigin = false }) {
  const page = pageOrigin();
  const given = baseUrl ?? page;
  if (given === null) refuse('baseUrl is needed: there is no page whose origin could be the service');
  let url;
  try {
    url = new URL(given, page ?? undefined);
  } catch {
    refuse('baseUrl is no URL');
  }
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLocal(url.hostname))) {
    refuse('the service must be reached over https, unless it is on this machine');
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    refuse('baseUrl has more than an origin and a path');
  }
  if (page !== null && url.origin !== page && crossOrigin !== true) {
    refuse('the service is at another origin than the page; say crossOrigin: true when that is meant');
  }
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url;
}

/** A client of the service that these options describe. */
export function client(options) {
  const url = serviceUrl(options);
  const kind = options.client ?? (isNode ? 'native' : 'browser');
  if (kind !== 'browser' && kind !== 'native') throw new TypeError("client is 'browser' or 'native'");
  const send = options.fetch ?? globalThis.fetch;
  return {
    /** Sends attributes; the attributes of the answer, `id` beside them. */
    post: async (path, body) => {
      const request = {
        method: 'POST',
        headers: {
          accept: 'application/vnd.api+json',
          'content-type': 'application/json',
          'keystead-client': kind,
          ...(options.headers ?? {}),
        },
        body: JSON.stringify(body),
        // A browser's secrets are cookies; a native client has none.
        credentials: kind === 'browser' ? (options.crossOrigin ? 'include' : 'same-origin') : 'omit',
        cache: 'no-store',
        redirect: 'error',
        referrerPolicy: 'no-referrer',
        signal: options.signal,
      };
      let response;
      let text;
      try {
        response = await send(new URL(`api/v1/${path}`, url).href, request);
        text = await response.text();
      } catch (cause) {
        options.signal?.throwIfAborted();
        throw new KeysteadError('NETWORK', 'no answer came', { cause });
      }
      return read(response, text);
    },
  };
}

function read(response, text) {
  let document = null;
  try {
    document = JSON.parse(text);
  } catch {
    // Told below: it has neither errors nor data.
  }
  if (!response.ok) throw apiError(response, document);
  const { id, attributes } = document?.data ?? {};
  if (attributes === null || typeof attributes !== 'object') {
    throw new KeysteadError('ANSWER_INVALID', 'the answer is no document of the API', { status: response.status });
  }
  return { id, ...attributes };
}

function apiError(response, document) {
  const errors = Array.isArray(document?.errors) ? document.errors : [];
  const [first = {}] = errors;
  const text = (value, otherwise) => (typeof value === 'string' ? value : otherwise);
  const wait = Number.parseInt(response.headers.get('retry-after') ?? '', 10);
  return new KeysteadError(
    text(first.code, 'ANSWER_INVALID'),
    text(first.detail, text(first.title, `the service answered ${response.status}`)),
    {
      status: response.status,
      errors,
      requestId: response.headers.get('x-request-id'),
      retryAfter: Number.isNaN(wait) ? null : wait,
    },
  );
}
