/** Events as the Snowplow tracker makes them, all of one size. */

import { buildPageView, buildStructEvent, newTracker } from '@snowplow/node-tracker';
import { randomNumbers } from './loads.mjs';

/** The bytes of each as JSON. */
export const EVENT_BYTES = 450;

/** What pads them differs, so that a disk or a codec that compresses has no easy game. */
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789';
const noise = randomNumbers(50_000)
  .map((number) => ALPHABET[number % ALPHABET.length])
  .join('');

/** Page views and structured events in turn, built by the tracker; each has an `eid` of its own. */
export function trackedEvents(count) {
  const events = [];
  const tracker = trackerInto(events);
  // A page view and a structured event show how much padding each needs.
  const paddings = [0, 1].map((kind) => EVENT_BYTES + 1 - sizeOf(trackOne(tracker, events, kind, '.')));
  for (let index = 0; index < count; index++) {
    const length = paddings[index % 2];
    const from = (index * 31) % (noise.length - length);
    trackOne(tracker, events, index, noise.slice(from, from + length));
  }
  events.splice(0, 2);
  const odd = events.find((event) => sizeOf(event) !== EVENT_BYTES);
  if (odd) throw new Error(`an event has ${sizeOf(odd)} bytes: ${JSON.stringify(odd)}`);
  return events;
}

/** A tracker whose emitter keeps what it is given. */
function trackerInto(events) {
  const emitter = {
    input: async (payload) => void events.push(payload),
    flush: async () => {},
    setCollectorUrl() {},
    setAnonymousTracking() {},
    setBufferSize() {},
  };
  const tracker = newTracker({ namespace: 'shop', appId: 'storefront' }, { customEmitter: () => emitter });
  tracker.setUserId('customer-4711');
  tracker.setLang('en-GB');
  tracker.setTimezone('Europe/London');
  tracker.setScreenResolution(1920, 1080);
  tracker.setIpAddress('203.0.113.7');
  return tracker;
}

function trackOne(tracker, events, index, padding) {
  const product = String(index).padStart(7, '0');
  const event =
    index % 2 === 0
      ? buildPageView({
          pageUrl: `https://shop.example.com/products/${product}`,
          pageTitle: `Product ${product}`,
          referrer: `https://www.example.com/search?q=${padding}`,
        })
      : buildStructEvent({ category: 'shop', action: 'add-to-basket', label: product, property: padding, value: 2 });
  tracker.track(event);
  return events.at(-1);
}

function sizeOf(event) {
  return Buffer.byteLength(JSON.stringify(event));
}
