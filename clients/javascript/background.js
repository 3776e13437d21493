// Runs jobs so that the page stays alive: in a worker, or, where there can be none, in slices between which everybody else
// has a turn.

import { begin } from './jobs.js';
import { isNode, nodeModule } from './platform.js';

/** Longest slice without a worker, in milliseconds. */
const SLICE = 12;

/** scrypt of a password in UTF-8. The bytes of the password are overwritten. */
export function stretch(password, salt, kdf, options) {
  // Node's own, on a thread of its own, takes two thirds of the time.
  return isNode ? nodeScrypt(password, salt, kdf, options) : run({ kind: 'scrypt', password, salt, kdf }, options);
}

/** The solution of a proof of work. */
export function proveWork(challenge, difficulty, options) {
  return run({ kind: 'work', challenge, difficulty }, options);
}

async function nodeScrypt(password, salt, { n, r, p }, { signal, onProgress } = {}) {
  const { scrypt } = await nodeModule('crypto');
  onProgress?.(0);
  const key = await abortable(signal, (resolve, reject) => {
    // 128 N r bytes for the table, and some for the blocks.
    const maxmem = 128 * r * (n + p + 2);
    scrypt(password, salt, 32, { N: n, r, p, maxmem }, (error, key) => (error ? reject(error) : resolve(key)));
  });
  password.fill(0);
  onProgress?.(1);
  return new Uint8Array(key);
}

async function run(job, options = {}) {
  options.signal?.throwIfAborted();
  const worker = await startWorker();
  const result = await (worker === null ? inSlices(job, options) : inWorker(worker, job, options));
  options.onProgress?.(1);
  return result;
}

/** A worker that said it is ready, or `null`. */
async function startWorker() {
  // Bundlers know exactly this form.
  try {
    if (isNode) {
      const { Worker } = await nodeModule('worker_threads');
      return await ready(nodeWorker(new Worker(new URL('./worker.js', import.meta.url))));
    }
    return await ready(pageWorker(new Worker(new URL('./worker.js', import.meta.url), { type: 'module' })));
  } catch {
    // No workers here, or the page's policy (CSP worker-src) forbids this one, or the module came from elsewhere.
    return null;
  }
}

function pageWorker(worker) {
  return {
    post: (message) => worker.postMessage(message),
    listen: (take, fail) => {
      worker.onmessage = ({ data }) => take(data);
      worker.onerror = (event) => {
        event.preventDefault();
        fail(new Error(event.message || 'the worker did not start'));
      };
    },
    end: () => worker.terminate(),
  };
}

function nodeWorker(worker) {
  return {
    post: (message) => worker.postMessage(message),
    listen: (take, fail) => {
      worker.removeAllListeners();
      worker.on('message', take).on('error', fail);
    },
    end: () => worker.terminate(),
  };
}

async function ready(worker) {
  try {
    await new Promise((resolve, reject) => worker.listen(resolve, reject));
    return worker;
  } catch (error) {
    worker.end();
    throw error;
  }
}

async function inWorker(worker, job, { signal, onProgress }) {
  try {
    return await abortable(signal, (resolve, reject) => {
      worker.listen(({ progress, result, failed }) => {
        if (failed !== undefined) reject(new Error(failed));
        else if (result !== undefined) resolve(result);
        else onProgress?.(progress);
      }, reject);
      worker.post(job);
      job.password?.fill(0);
    });
  } finally {
    // Its memory, and with it what was computed, goes at once.
    worker.end();
  }
}

async function inSlices(job, { signal, onProgress }) {
  const steps = begin(job);
  let since = performance.now();
  for (;;) {
    const { done, value } = await steps.next();
    if (done) return value;
    if (performance.now() - since >= SLICE) {
      onProgress?.(value);
      await new Promise((resolve) => setTimeout(resolve));
      signal?.throwIfAborted();
      since = performance.now();
    }
  }
}

/** A promise that a signal can end. */
function abortable(signal, executor) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) throw signal.reason;
    const abort = () => reject(signal.reason);
    const settle = (end) => (value) => {
      signal?.removeEventListener('abort', abort);
      end(value);
    };
    signal?.addEventListener('abort', abort, { once: true });
    executor(settle(resolve), settle(reject));
  });
}
