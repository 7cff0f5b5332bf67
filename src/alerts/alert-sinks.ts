/**
 * The sinks of a configuration, which can be replaced while alerts arrive. A sink whose options stay the same is not
 * touched. A sink whose options change is reopened and keeps its queue and its episodes.
 */
import { resolve } from 'node:path';
import { type Alert, alertOf } from '../model/alert.ts';
import type { Event } from '../model/events.ts';
import { CLOSE_MS } from './dispatch.ts';
import { Lane, type LaneCounts, type LaneOptions, type LaneReport } from './lane.ts';
import { identityOf, openQueue, openSink } from './open.ts';
import { rehearseAlert } from './rehearse.ts';
import type { SinkOptions } from './sink-table.ts';

export interface AlertSinksOptions {
  /** Called when the state of a sink changes; must not throw. */
  onReport: (report: LaneReport) => void;
  /** Called when a spool cannot write or read a file; must not throw. */
  onTrouble: (message: string) => void;
}

/** New sinks that are open but get no alerts yet. */
export interface Replacement {
  /** Replaces the current sinks by the new ones. Never fails, and no alert is lost or sent twice during the change. */
  commit: () => void;
  /** Closes the new sinks; the current ones go on. */
  discard: () => Promise<void>;
}

/** A sink in use. */
interface Running {
  options: SinkOptions;
  identity: string;
  name: string;
  lane: Lane;
}

export class AlertSinks implements AsyncDisposable {
  readonly #hooks: AlertSinksOptions;
  #running: Running[] = [];
  /** Lanes of removed sinks that still deliver their waiting alerts. */
  readonly #leaving = new Set<Promise<void>>();

  private constructor(hooks: AlertSinksOptions) {
    this.#hooks = hooks;
  }

  /** @throws OomscopeError USAGE: a sink cannot be opened. Then no sink stays open. */
  static async open(sinks: readonly SinkOptions[], hooks: AlertSinksOptions): Promise<AlertSinks> {
    const opened = new AlertSinks(hooks);
    (await opened.prepare(sinks)).commit();
    return opened;
  }

  /** Sends an alert about this event, if events of its kind cause one. */
  take(event: Event): void {
    const alert = alertOf(event);
    if (alert) this.send(alert);
  }

  /** Runs the code that makes the alert of an event. Nothing is queued, counted or delivered. */
  rehearse(event: Event): void {
    if (this.#running.length > 0) rehearseAlert(event);
  }

  send(alert: Alert): void {
    for (const { lane } of this.#running) lane.offer(alert);
  }

  /** Counts of each sink, in the order of the configuration. */
  get counts(): { sink: string; counts: LaneCounts }[] {
    return this.#running.map(({ name, lane }) => ({ sink: name, counts: { ...lane.counts } }));
  }

  /**
   * Opens the sinks of a new configuration without using them: the current sinks go on until `commit()`. Only one
   * replacement may be prepared at a time.
   *
   * @throws OomscopeError USAGE: a sink cannot be opened. Then no new sink stays open.
   */
  async prepare(sinks: readonly SinkOptions[]): Promise<Replacement> {
    const before = [...this.#running];
    const plans = sinks.map((options) => ({ options, identity: identityOf(options) }));
    const kept = plans.map(({ identity }) => take(before, (one) => one.identity === identity));
    const changed = plans.map(({ options }, i) =>
      kept[i] ? undefined : take(before, (one) => isSuccessor(one.options, options)),
    );
    const fresh = await this.#openAll(
      plans.map(({ options }, i) => (kept[i] ? undefined : { options, old: changed[i] })),
    );
    return {
      commit: () => {
        this.#running = plans.map(({ options, identity }, i) => {
          return kept[i] ?? this.#start({ options, identity }, fresh[i] as LaneOptions, changed[i]);
        });
        for (const { lane } of before) this.#wait(lane.close(CLOSE_MS));
      },
      discard: () => closeAll(fresh),
    };
  }

  /** @param old the sink that the new one replaces, if any */
  #start(plan: Pick<Running, 'options' | 'identity'>, opened: LaneOptions, old: Running | undefined): Running {
    const goesOn = old !== undefined && spoolOf(old.options) === spoolOf(plan.options);
    const handover = old?.lane.handOver({ queueToo: goesOn, timeoutMs: CLOSE_MS });
    if (handover) this.#wait(handover.ended);
    if (goesOn) handover?.queue?.limit(plan.options.spoolBytes);
    const lane = new Lane({ ...opened, ...(handover && { handover }) }, this.#hooks.onReport);
    return { ...plan, name: opened.sink.name, lane };
  }

  /** Accepts no more alerts, delivers the waiting ones for at most `timeoutMs`, and closes the sinks. */
  async close(timeoutMs = CLOSE_MS): Promise<void> {
    const running = this.#running.splice(0);
    await Promise.all([...running.map(({ lane }) => lane.close(timeoutMs)), ...this.#leaving]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Opens all sinks or none. A spool that a running lane uses is not opened: that lane passes it to its successor. */
  async #openAll(wanted: readonly ({ options: SinkOptions; old: Running | undefined } | undefined)[]) {
    const opened: (LaneOptions | undefined)[] = [];
    try {
      for (const one of wanted) {
        if (!one) {
          opened.push(undefined);
          continue;
        }
        const { spool: _, ...withoutSpool } = one.options;
        const lane = await openSink(withoutSpool);
        opened.push(lane);
        const goesOn = one.old && spoolOf(one.old.options) === spoolOf(one.options);
        if (!goesOn) Object.assign(lane, await openQueue(one.options, this.#hooks.onTrouble));
      }
    } catch (error) {
      await closeAll(opened);
      throw error;
    }
    return opened;
  }

  #wait(ended: Promise<void>): void {
    this.#leaving.add(ended);
    void ended.finally(() => this.#leaving.delete(ended));
  }
}

const spoolOf = ({ spool }: SinkOptions) => (spool === undefined ? undefined : resolve(spool));

/** True when both options describe the same sink: the same spool or, without a spool, the same receiver. */
function isSuccessor(old: SinkOptions, options: SinkOptions): boolean {
  const spool = spoolOf(options);
  if (spool !== undefined && spool === spoolOf(old)) return true;
  return old.sink === options.sink && old.target === options.target;
}

async function closeAll(opened: readonly (LaneOptions | undefined)[]): Promise<void> {
  for (const lane of opened) await Promise.all([lane?.sink.close?.(), lane?.queue?.close()]);
}

/** Removes and returns the first item that fits. */
function take<T>(from: T[], fits: (item: T) => boolean): T | undefined {
  const at = from.findIndex(fits);
  return at < 0 ? undefined : from.splice(at, 1)[0];
}
