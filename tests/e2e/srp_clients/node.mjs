// The calls, in Node: one a line of standard input, one answer a line of standard output.

import { createInterface } from 'node:readline';

import { call } from './calls.mjs';

for await (const line of createInterface({ input: process.stdin })) {
  const { name, given } = JSON.parse(line);
  process.stdout.write(`${JSON.stringify(await call(name, given))}\n`);
}
