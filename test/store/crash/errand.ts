/** What a child is to do. */
export interface Errand {
  readonly role: 'add' | 'forward' | 'both';
  /** Of the store. */
  readonly path: string;
  /** The file with the ids of acknowledged events, one in a line. */
  readonly notes: string;
  /** Of the server that takes what is forwarded. */
  readonly port: number;
  /** The first id, and how many. */
  readonly from: number;
  readonly count: number;
  /** How many add at the same time. */
  readonly adders: number;
  /** Whether it waits to be killed once it is done. */
  readonly killed: boolean;
}

/** Sizes from 60 bytes to 2 KB; the text tells whether the event is what it was. */
export function eventOf(id: number): { readonly e: 'pv'; readonly id: number; readonly text: string } {
  const text = ((id * 2_654_435_761) % 4_294_967_291).toString(36).padStart(7, '0');
  return { e: 'pv', id, text: text.repeat(id % 100 === 0 ? 280 : 4 + (id % 30)) };
}
