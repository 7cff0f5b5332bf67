import { hostname } from 'node:os';
import { bootId } from '../linux/boot-id.ts';
import { type Envelope, SCHEMA } from '../model/events.ts';
import { formatTime } from '../text/format.ts';

/** Gives events their envelope: one per tracer. */
export class EnvelopeFactory {
  readonly #bootId = bootId() ?? null;
  readonly #node = hostname();
  readonly #prefix: string;
  #seq = 0;

  constructor() {
    this.#prefix = `${(this.#bootId ?? this.#node).slice(0, 8)}-${process.pid.toString(36)}-${process.hrtime.bigint().toString(36)}`;
  }

  /**
   * @param monoNs when it happened, CLOCK_MONOTONIC
   * @param realtimeOffsetNs CLOCK_REALTIME − CLOCK_MONOTONIC
   */
  next(
    monoNs: bigint,
    realtimeOffsetNs: bigint,
    severity: Envelope['severity'],
    source: string,
    message: string,
  ): Envelope {
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
      message,
    };
  }
}

/** CLOCK_REALTIME − CLOCK_MONOTONIC in nanoseconds, to about a millisecond: for events that are not the kernel's. */
export function realtimeOffsetNs(): bigint {
  return BigInt(Date.now()) * 1_000_000n - process.hrtime.bigint();
}
