// The Python package `srp` as a process of its own: see peer.py.

import { execFileSync, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { N } from '../srp.js';

/** Debian's Python, for which `cargo xtask setup` installs `python3-srp`, or any other that has the package. */
const CANDIDATES = ['/usr/bin/python3', 'python3'];

function interpreter() {
  const found = CANDIDATES.find((python) => {
    try {
      execFileSync(python, ['-c', 'import srp'], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  });
  if (found === undefined) throw new Error('no Python with the package srp: `cargo xtask setup` installs it');
  return found;
}

/** Starts the peer; `ask` sends one document and gives the answer to it. */
export function startPeer() {
  const script = fileURLToPath(new URL('peer.py', import.meta.url));
  const child = spawn(interpreter(), [script, N.toString(16)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    ask: async (document) => {
      child.stdin.write(`${JSON.stringify(document)}\n`);
      const { done, value } = await lines.next();
      if (done) throw new Error('the peer ended');
      return JSON.parse(value);
    },
    end: () => child.stdin.end(),
  };
}
