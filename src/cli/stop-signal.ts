/**
 * Resolves at the first SIGTERM or SIGINT, from when it is called; neither ends the process by itself any more.
 *
 * @param again - called at each later one
 */
export function stopSignal(again: () => void): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let isStopping = false;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (isStopping) again();
        isStopping = true;
        resolve(signal);
      });
    }
  });
}
