/** Keeps the events of a tracer, in this process or another, and waits for those that a test expects. */
import type { Event, OomKill, OomReaped, TracerStarted } from '../../src/model/events.ts';
import { openTracer, type Tracer, type TracerOptions } from '../../src/tracer/tracer.ts';

/** Cgroups made by this process. Kills in other cgroups are ignored, because this machine may have other kills. */
const ours = new RegExp(`/oomscope-${process.pid}-`);

export class Recording {
  readonly events: Event[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #everything: boolean;

  /** @param everything also keep kills outside the groups that this process made */
  constructor(everything = false) {
    this.#everything = everything;
  }

  take(event: Event): void {
    if (!this.#everything && event.type === 'oom.kill' && !event.cgroups.some(({ path }) => ours.test(path))) return;
    this.events.push(event);
    for (const check of this.#waiting) check();
  }

  get kills(): OomKill[] {
    return this.events.filter((event) => event.type === 'oom.kill');
  }

  /** Waits for the first event that fits; events that were seen already count. */
  find<T extends Event>(fits: (event: Event) => event is T, timeoutMs = 10_000): Promise<T> {
    return new Promise((resolve, reject) => {
      const check = () => {
        const found = this.events.find(fits);
        if (!found) return;
        clearTimeout(timer);
        this.#waiting.delete(check);
        resolve(found);
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(check);
        const seen = this.events.map(({ type, message }) => `${type}: ${message}`).join('\n');
        reject(new Error(`expected an event within ${timeoutMs} ms; seen:\n${seen}`));
      }, timeoutMs);
      this.#waiting.add(check);
      check();
    });
  }

  kill(pid: number): Promise<OomKill> {
    return this.find((event): event is OomKill => event.type === 'oom.kill' && event.victim.pid === pid);
  }

  reaped(pid: number): Promise<OomReaped> {
    return this.find((event): event is OomReaped => event.type === 'oom.reaped' && event.victim.pid === pid);
  }
}

/** A tracer in this process. */
export class Recorder extends Recording implements Disposable, AsyncDisposable {
  readonly tracer: Tracer;
  readonly started: TracerStarted;

  private constructor(tracer: Tracer, everything: boolean) {
    super(everything);
    this.tracer = tracer;
    this.started = tracer.started;
    tracer.events$.subscribe((event) => this.take(event));
  }

  static async open(options: TracerOptions = {}, everything = false): Promise<Recorder> {
    return new Recorder(await openTracer(options), everything);
  }

  [Symbol.dispose](): void {
    this.tracer.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.tracer.close();
  }
}
