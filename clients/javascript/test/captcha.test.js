// Proofs of work.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';

import { KeysteadError, proofOfWork, solveCaptcha } from '../keystead.js';
import { search } from '../proof-of-work.js';

/** The zero bits the SHA-256 of a text begins with. */
function zeros(text) {
  const digest = createHash('sha256').update(text, 'utf8').digest();
  const bits = [...digest].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return bits.indexOf('1');
}

test('a solution has the bits it was asked for, and begins with its challenge', async () => {
  for (const challenge of ['a', 'ä.€', 'x'.repeat(53), 'x'.repeat(54), 'x'.repeat(55), 'x'.repeat(63), 'y'.repeat(700)]) {
    const solution = await solveCaptcha({ challenge, difficulty: 11 });
    assert.match(solution.slice(challenge.length), /^\.\d+$/);
    assert.ok(solution.startsWith(challenge) && zeros(solution) >= 11, solution);
  }
});

test('the first counter that will do is found', () => {
  const steps = search('first', 8);
  let step = steps.next();
  while (!step.done) step = steps.next();
  let counter = 0;
  while (zeros(`first.${counter}`) < 8) counter++;
  assert.equal(step.value, `first.${counter}`);
});

test('no work is a solution as well', async () => {
  assert.equal(await solveCaptcha({ challenge: 'nothing', difficulty: 0 }), 'nothing.0');
});

test('work beyond reason is refused', async () => {
  for (const difficulty of [-1, 29, 256, 1.5, '8', undefined, NaN]) {
    await assert.rejects(solveCaptcha({ challenge: 'a', difficulty }), { name: 'KeysteadError', code: 'WORK_REFUSED' });
  }
  for (const challenge of [undefined, '', 7, 'x'.repeat(5000)]) {
    await assert.rejects(solveCaptcha({ challenge, difficulty: 1 }), { code: 'ANSWER_INVALID' });
  }
});

test('work ends when it is no longer wanted', async () => {
  const controller = new AbortController();
  const onProgress = () => controller.abort();
  const working = solveCaptcha({ challenge: 'a', difficulty: 28 }, { signal: controller.signal, onProgress });
  await assert.rejects(working, { name: 'AbortError' });
  const asked = solveCaptcha({ challenge: 'a', difficulty: 1 }, { signal: AbortSignal.abort() });
  await assert.rejects(asked, { name: 'AbortError' });
});

test('a proof of work is fetched for its action', async () => {
  const asked = [];
  const fetch = async (url, { body }) => {
    asked.push([url, JSON.parse(body)]);
    const document = { data: { type: 'captchaChallenges', id: '1', attributes: { challenge: 'c', difficulty: 9 } } };
    return new Response(JSON.stringify(document));
  };
  const solution = await proofOfWork({ baseUrl: 'https://id.example.com', fetch })('register');
  assert.deepEqual(asked, [['https://id.example.com/api/v1/captcha/challenge', { action: 'register' }]]);
  assert.ok(solution.startsWith('c.') && zeros(solution) >= 9, solution);
  assert.ok(new KeysteadError('A', 'b') instanceof Error);
});
