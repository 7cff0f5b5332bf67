import { hostname } from 'node:os';
import { bootId } from '../linux/boot-id.ts';
import { type Envelope, SCHEMA } from '../model/envelope.ts';
import { formatTime } from '../text/format.ts';

/** The envelope of an event whose `message` does not exist yet. */
export type OpenEnvelope = Omit<Envelope, 'message'>;

/** Creates the envelopes of the events of one tracer, and numbers them. */
export class EnvelopeFactory {
  readonly #bootId = bootId() ?? null;
  readonly #node = hostname();
  readonly #prefix: string;
  #seq = 0;

  constructor() {
    this.#prefix = `${(this.#bootId ?? this.#node).slice(0, 8)}-${process.pid.toString(36)}-${process.hrtime.bigint().toString(36)}`;
  }

  /**
   * Creates the envelope of an event that is completed later. The event gets its number and id now.
   *
   * @param monoNs when the event happened, by CLOCK_MONOTONIC
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

  /** Creates the envelope of a complete event. The parameters are those of `open()`, plus the message. */
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

/**
 * CLOCK_REALTIME − CLOCK_MONOTONIC in nanoseconds, exact to about 1 ms: for events that do not come from the kernel.
 */
export function realtimeOffsetNs(): bigint {
  return BigInt(Date.now()) * 1_000_000n - process.hrtime.bigint();
}
