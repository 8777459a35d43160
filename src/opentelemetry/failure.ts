import { diag, type Exception, type Span, SpanStatusCode } from '@opentelemetry/api';
import { AttributeName, OTHER } from './conventions.ts';

/** The longest name of a class of errors that is taken for one, in characters. */
const LONGEST = 200;

/** What a sampler or a propagator throws must not bring the process down, as what a subscriber throws does. */
export function safely(run: () => void): void {
  try {
    run();
  } catch (error) {
    diag.error('collector-queue: OpenTelemetry failed', error);
  }
}

/** Marks the span as failed. Whatever was thrown, this does not throw. */
export function recordFailure(span: Span, error: unknown): void {
  span.setAttribute(AttributeName.ERROR_TYPE, errorTypeOf(error));
  try {
    if (error instanceof Error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
      span.recordException(error as Exception);
      return;
    }
  } catch {
    // Its getters throw.
  }
  span.setStatus({ code: SpanStatusCode.ERROR });
}

/** The class of an error; what is no error has none. */
export function errorTypeOf(error: unknown): string {
  try {
    if (!(error instanceof Error)) return OTHER;
    // A class that gives its errors no name of their own has one itself.
    const name: unknown = error.name === 'Error' ? error.constructor.name : error.name;
    return typeof name === 'string' && name !== '' && name.length <= LONGEST ? name : OTHER;
  } catch {
    return OTHER;
  }
}
