// What tests call, in a page and in Node alike: the client's own functions, and logins by the thousand.

import * as keystead from '../../../clients/javascript/keystead.js';
import { rounds } from './rounds.mjs';

const calls = {
  register: keystead.register,
  login: keystead.login,
  makeCredential: keystead.makeCredential,
  solveCaptcha: keystead.solveCaptcha,
  rounds,

  /** Answers a challenge that was fetched elsewhere; what is to be sent. */
  async solveChallenge(challenge, password) {
    const { checkServerProof: _, ...srp } = await keystead.solveChallenge(challenge, password);
    return srp;
  },

  /** Another call while a timer ticks: how long it took and the longest the timer had to wait, in milliseconds. */
  async aliveDuring(name, ...given) {
    const from = performance.now();
    let last = from;
    let ticks = 0;
    let longest = 0;
    const tick = () => {
      const now = performance.now();
      longest = Math.max(longest, now - last);
      last = now;
      ticks += 1;
    };
    const timer = setInterval(tick, 5);
    const shares = [];
    const options = { onProgress: (share) => shares.push(share) };
    const value = await calls[name](...given, options);
    tick();
    clearInterval(timer);
    const workers = performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('/worker.js')).length;
    return { value, took: last - from, longest, ticks, shares: shares.length, workers };
  },
};

/** The result of a call, or the error it ended with, in a form that can be told to another process. */
export async function call(name, given) {
  try {
    return { value: await calls[name](...given) };
  } catch (error) {
    const { code = null, status = null, message } = error;
    return { error: { name: error.name, code, status, message } };
  }
}
