/** Events for the benchmark of the spool, all of one size; each has an `eid` of its own within its process. */

import { randomUUID } from 'node:crypto';
import { randomNumbers } from './loads.mjs';

/** The bytes of each as JSON. */
export const SPOOLED_BYTES = 300;

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789';
/** What pads them differs, so that a disk that compresses has no easy game. */
const noise = randomNumbers(20_000)
  .map((number) => ALPHABET[number % ALPHABET.length])
  .join('');

export function spooledEvents(count) {
  const padding = SPOOLED_BYTES - Buffer.byteLength(JSON.stringify(eventOf(0, '')));
  return Array.from({ length: count }, (_, index) => {
    const from = (index * 31) % (noise.length - padding);
    return eventOf(index, noise.slice(from, from + padding));
  });
}

function eventOf(index, label) {
  const product = String(index).padStart(7, '0');
  return {
    e: 'se',
    eid: randomUUID(),
    p: 'srv',
    tv: 'bench-1.0.0',
    aid: 'storefront',
    uid: 'customer-4711',
    se_ca: 'shop',
    se_ac: 'add-to-basket',
    se_pr: product,
    se_la: label,
    dtm: '1795269600000',
  };
}
