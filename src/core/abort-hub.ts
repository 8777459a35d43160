/** Who wants to know when a signal fires. */
type Callbacks = Set<() => void>;

const hubs: WeakMap<AbortSignal, { readonly callbacks: Callbacks; readonly onAbort: () => void }> = new WeakMap();

/**
 * Calls back once when the signal fires. However many ask, the signal has one listener, since Node warns of more than
 * ten, and it is gone when nobody asks any more. Returns how to stop asking.
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  const hub = hubs.get(signal) ?? newHub(signal);
  // The same function may be given twice.
  const entry = (): void => callback();
  hub.callbacks.add(entry);
  return () => {
    if (!hub.callbacks.delete(entry) || hub.callbacks.size > 0) return;
    signal.removeEventListener('abort', hub.onAbort);
    hubs.delete(signal);
  };
}

function newHub(signal: AbortSignal): { readonly callbacks: Callbacks; readonly onAbort: () => void } {
  const callbacks: Callbacks = new Set();
  const hub = {
    callbacks,
    onAbort: () => {
      hubs.delete(signal);
      for (const entry of callbacks) {
        callbacks.delete(entry);
        entry();
      }
    },
  };
  signal.addEventListener('abort', hub.onAbort, { once: true });
  hubs.set(signal, hub);
  return hub;
}
