import type { Buffer, Ranked } from '../../src/pool/buffer.ts';
import { ConsumerPool } from '../../src/pool/consumer-pool.ts';
import { FifoBuffer } from '../../src/pool/linked-buffer.ts';
import { LoadMeter } from '../../src/pool/load-meter.ts';
import type { PoolLimits, PoolObserver, Work } from '../../src/pool/pool-parts.ts';
import { ManualClock } from '../../src/testing/manual-clock.ts';

type JobState = 'new' | 'claimed' | 'running' | 'ended';

/** Work that writes down what happens to it. It goes on until somebody calls `end`, unless it has no end to wait for. */
export class Job implements Work<Job>, Ranked {
  next: Job | undefined = undefined;
  previous: Job | undefined = undefined;
  slot = -1;
  state: JobState = 'new';
  readonly name: string;
  readonly priority: number;
  readonly #scene: PoolScene;
  readonly #onRun: (job: Job) => boolean;

  constructor(scene: PoolScene, name: string, priority: number, onRun: (job: Job) => boolean) {
    this.#scene = scene;
    this.name = name;
    this.priority = priority;
    this.#onRun = onRun;
  }

  claim(): void {
    this.state = 'claimed';
    this.#scene.claimed.push(this);
    this.#scene.onClaim(this);
  }

  run(): boolean {
    this.state = 'running';
    this.#scene.started.push(this);
    const goesOn = this.#onRun(this);
    if (!goesOn) this.#ended();
    return goesOn;
  }

  /** Ends work that goes on. */
  end(): void {
    if (this.state !== 'running') throw new Error(`${this.name} is not running, but ${this.state}`);
    this.#ended();
    this.#scene.pool.release();
  }

  #ended(): void {
    this.state = 'ended';
    this.#scene.settled++;
  }
}

/** Goes on until it is ended by hand. */
export const goesOn = (): boolean => true;
/** Ends within its run. */
export const endsAtOnce = (): boolean => false;

export interface SceneOptions extends Partial<PoolLimits> {
  readonly buffer?: Buffer<Job>;
  readonly startAt?: number;
}

/** A pool with nothing around it but a clock that stands still and an observer that writes down. */
export class PoolScene implements PoolObserver {
  readonly clock: ManualClock;
  readonly meter: LoadMeter;
  readonly pool: ConsumerPool<Job>;
  readonly claimed: Job[] = [];
  readonly started: Job[] = [];
  readonly scalings: [from: number, to: number][] = [];
  rooms = 0;
  quiets = 0;
  accepted = 0;
  settled = 0;
  onClaim: (job: Job) => void = () => undefined;
  onRoom: () => void = () => undefined;

  constructor({
    minConsumers = 1,
    maxConsumers = 10,
    idleTimeout = 1_000,
    buffer = new FifoBuffer(),
    startAt = 0,
  }: SceneOptions = {}) {
    this.clock = new ManualClock(startAt);
    this.meter = new LoadMeter(startAt);
    this.pool = new ConsumerPool(buffer, { minConsumers, maxConsumers, idleTimeout }, this.clock, this.meter, this);
  }

  scaled(from: number, to: number): void {
    this.scalings.push([from, to]);
  }

  roomMade(): void {
    this.rooms++;
    this.onRoom();
  }

  quiet(): void {
    this.quiets++;
  }

  totals(): { accepted: number; settled: number } {
    return { accepted: this.accepted, settled: this.settled };
  }

  job(onRun: (job: Job) => boolean = goesOn, name = `job ${this.accepted}`, priority = 0): Job {
    return new Job(this, name, priority, onRun);
  }

  /** Offers a new job. */
  offer(onRun: (job: Job) => boolean = goesOn, name?: string, priority?: number): Job {
    const job = this.job(onRun, name, priority);
    this.accepted++;
    this.pool.offer(job);
    return job;
  }

  offerMany(count: number, onRun: (job: Job) => boolean = goesOn): Job[] {
    return Array.from({ length: count }, () => this.offer(onRun));
  }

  get running(): Job[] {
    return this.started.filter(({ state }) => state === 'running');
  }

  names(jobs: readonly Job[]): string[] {
    return jobs.map(({ name }) => name);
  }
}
