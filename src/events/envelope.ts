import { hostname } from 'node:os';
import { bootId } from '../linux/boot-id.ts';
import { type Envelope, SCHEMA } from '../model/envelope.ts';
import { formatTime } from '../text/format.ts';

/** The envelope of an event whose sentence is not written yet. */
export type OpenEnvelope = Omit<Envelope, 'message'>;

/** Numbers the events of one tracer and gives each its envelope. */
export class EnvelopeFactory {
  readonly #bootId = bootId() ?? null;
  readonly #node = hostname();
  readonly #prefix: string;
  #seq = 0;

  constructor() {
    this.#prefix = `${(this.#bootId ?? this.#node).slice(0, 8)}-${process.pid.toString(36)}-${process.hrtime.bigint().toString(36)}`;
  }

  /**
   * For an event that is completed later: it takes its number and its id now.
   *
   * @param monoNs when it happened, CLOCK_MONOTONIC
   * @param realtimeOffsetNs CLOCK_REALTIME − CLOCK_MONOTONIC
   */
  open(monoNs: bigint, realtimeOffsetNs: bigint, severity: Envelope['severity'], source: string): OpenEnvelope {
    const seq = this.#seq++;
    return {
      schema: SCHEMA,
      id: `${this.#prefix}-${seq}`,
      seq,
      time: formatTime(monoNs + realtimeOffsetNs),
      mono_ns: String(monoNs),
      boot_id: this.#bootId,
      node: this.#node,
      severity,
      source,
    };
  }

  /** For an event that is complete. The parameters are those of `open()`, and the event's sentence. */
  next(
    monoNs: bigint,
    realtimeOffsetNs: bigint,
    severity: Envelope['severity'],
    source: string,
    message: string,
  ): Envelope {
    return Object.assign(this.open(monoNs, realtimeOffsetNs, severity, source), { message });
  }
}

/** CLOCK_REALTIME − CLOCK_MONOTONIC in nanoseconds, to about a millisecond: for events that are not the kernel's. */
export function realtimeOffsetNs(): bigint {
  return BigInt(Date.now()) * 1_000_000n - process.hrtime.bigint();
}
