/**
 * The sinks of a configuration, which can be replaced while alerts arrive. A sink whose options stay the same is left alone.
 * One whose options change is reopened, and goes on with the queue and the episodes that it had.
 */
import { resolve } from 'node:path';
import { type Alert, alertOf } from '../model/alert.ts';
import type { Event } from '../model/events.ts';
import { CLOSE_MS } from './dispatch.ts';
import { Lane, type LaneCounts, type LaneOptions, type LaneReport } from './lane.ts';
import { identityOf, openQueue, openSink } from './open.ts';
import type { SinkOptions } from './sink-table.ts';

export interface AlertSinksOptions {
  /** Called when the state of a sink changes; must not throw. */
  onReport: (report: LaneReport) => void;
  /** Called when a spool cannot write or read a file; must not throw. */
  onTrouble: (message: string) => void;
}

/** Sinks that are open, and not yet in use. */
export interface Replacement {
  /** Puts them in the place of the present ones. Never fails, and no alert is lost or sent twice in between. */
  commit: () => void;
  /** Closes them. */
  discard: () => Promise<void>;
}

/** A sink that runs. */
interface Running {
  options: SinkOptions;
  identity: string;
  name: string;
  lane: Lane;
}

export class AlertSinks implements AsyncDisposable {
  readonly #hooks: AlertSinksOptions;
  #running: Running[] = [];
  /** Lanes that still deliver, and are no longer part of the configuration. */
  readonly #leaving = new Set<Promise<void>>();

  private constructor(hooks: AlertSinksOptions) {
    this.#hooks = hooks;
  }

  /** @throws OomscopeError USAGE: a sink cannot be opened; then none is */
  static async open(sinks: readonly SinkOptions[], hooks: AlertSinksOptions): Promise<AlertSinks> {
    const opened = new AlertSinks(hooks);
    (await opened.prepare(sinks)).commit();
    return opened;
  }

  /** Sends the alert that this event is worth, if it is worth one. */
  take(event: Event): void {
    const alert = alertOf(event);
    if (alert) this.send(alert);
  }

  send(alert: Alert): void {
    for (const { lane } of this.#running) lane.offer(alert);
  }

  /** By sink, in the order of the configuration. */
  get counts(): { sink: string; counts: LaneCounts }[] {
    return this.#running.map(({ name, lane }) => ({ sink: name, counts: { ...lane.counts } }));
  }

  /**
   * Opens the sinks of other options, and starts none: the present ones go on until `commit()`. One replacement at a time.
   *
   * @throws OomscopeError USAGE: a sink cannot be opened; then none is
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

  /** @param old the sink that this one replaces */
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

  /** All of them, or none. The queue of a lane that goes on is not opened: that lane hands it over. */
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

/** Whether these options are another version of those: of the same spool, or else of the same receiver. */
function isSuccessor(old: SinkOptions, options: SinkOptions): boolean {
  const spool = spoolOf(options);
  if (spool !== undefined && spool === spoolOf(old)) return true;
  return old.sink === options.sink && old.target === options.target;
}

async function closeAll(opened: readonly (LaneOptions | undefined)[]): Promise<void> {
  for (const lane of opened) await Promise.all([lane?.sink.close?.(), lane?.queue?.close()]);
}

/** Removes and returns the first that fits. */
function take<T>(from: T[], fits: (item: T) => boolean): T | undefined {
  const at = from.findIndex(fits);
  return at < 0 ? undefined : from.splice(at, 1)[0];
}
