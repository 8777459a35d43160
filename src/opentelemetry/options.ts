import { checkBoolean, checkInteger, checkOneOf, checkOptions } from '../core/checks.ts';

/** Options of a {@link CollectorQueueInstrumentation}. */
export interface InstrumentationOptions {
  /**
   * Whether it is enabled from the beginning.
   * @default true
   */
  readonly enabled?: boolean | undefined;
  /**
   * How the span of an attempt belongs to its sender. With `link` it begins a trace of its own and has a link to the span of the
   * send, as the conventions have it by default. With `child` it is also a child of that span, and in its trace; that of a
   * batch has links only.
   * @default 'link'
   */
  readonly processSpans?: 'link' | 'child' | undefined;
  /**
   * So many different destinations, and so many different classes of errors, have names of their own in metrics and in the names
   * of spans, those that come first; a whole number of at least 0. The others are `_OTHER`.
   * @default 100
   */
  readonly maxLabels?: number | undefined;
}

export type InstrumentationSettings = {
  readonly [O in keyof InstrumentationOptions]-?: Exclude<InstrumentationOptions[O], undefined>;
};

const OPTIONS: readonly (keyof InstrumentationOptions)[] = ['enabled', 'processSpans', 'maxLabels'];

export function resolveInstrumentation(options: InstrumentationOptions): InstrumentationSettings {
  const owner = 'CollectorQueueInstrumentation';
  const { enabled = true, processSpans = 'link', maxLabels = 100 } = checkOptions(owner, options, OPTIONS);
  return Object.freeze({
    enabled: checkBoolean(`${owner}: enabled`, enabled),
    processSpans: checkOneOf(`${owner}: processSpans`, processSpans, ['link', 'child']),
    maxLabels: checkInteger(`${owner}: maxLabels`, maxLabels, { min: 0 }),
  });
}
