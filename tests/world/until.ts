/** Bounded waits: when something breaks, a test fails and says what it waited for. */
import assert from "node:assert/strict";

/** How long to wait before a condition is looked at again, in milliseconds. */
const INTERVAL = 5;

/**
 * Waits for what another process does.
 *
 * @param condition is looked at until it holds
 * @param seconds how long it may take; only a failing test waits so long
 * @param what what is waited for, for the message: `"the status of app one"`
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  seconds: number,
  what: string,
): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (!await condition()) {
    assert.ok(performance.now() < end, `waited ${seconds} s in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, INTERVAL));
  }
}

/**
 * Waits for a promise.
 *
 * @param seconds how long it may take; only a failing test waits so long
 * @param what what is waited for, for the message
 */
export async function within<T>(promise: Promise<T>, seconds: number, what: string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const message = `waited ${seconds} s in vain for ${what}`;
  const timer = setTimeout(() => late.reject(new Error(message)), seconds * 1000);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
