/** The routing modes of a payload. */
export const Delivery = {
  /** To every collector. */
  BROADCAST: 'broadcast',
  /** To the collectors with one of the payload's keys. */
  KEY: 'key',
  /** To the collectors that subscribe to one of the payload's topics. */
  TOPIC: 'topic',
} as const;
export type Delivery = (typeof Delivery)[keyof typeof Delivery];

/** The waiting orders of a queue. */
export const QueueType = {
  /** First in, first out. */
  FIFO: 'fifo',
  /** Last in, first out. */
  LIFO: 'lifo',
  /** Lowest priority number first, ties in order of acceptance. */
  PRIORITY: 'priority',
} as const;
export type QueueType = (typeof QueueType)[keyof typeof QueueType];
