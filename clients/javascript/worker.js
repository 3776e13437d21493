// Does one job that takes long, beside the page: a module worker of a browser, or a worker thread of Node. It says
// `{ ready }`, takes a job, tells `{ progress }` and ends with `{ result }` or `{ failed }`. Whoever started it ends it.

import { begin } from './jobs.js';
import { isNode, nodeModule } from './platform.js';

/** Longest time between two messages that tell how far it is, in milliseconds. */
const TELL_EVERY = 50;

function serve(listen, post) {
  listen(async (job) => {
    try {
      const steps = begin(job);
      let told = 0;
      for (;;) {
        const { done, value } = await steps.next();
        if (done) {
          post({ result: value });
          return;
        }
        if (performance.now() - told >= TELL_EVERY) {
          told = performance.now();
          post({ progress: value });
        }
      }
    } catch (error) {
      post({ failed: String(error?.message ?? error) });
    }
  });
  post({ ready: true });
}

if (isNode) {
  const { parentPort } = await nodeModule('worker_threads');
  serve(
    (take) => parentPort.once('message', take),
    (message) => parentPort.postMessage(message),
  );
} else {
  serve(
    (take) => globalThis.addEventListener('message', ({ data }) => take(data), { once: true }),
    (message) => globalThis.postMessage(message),
  );
}
