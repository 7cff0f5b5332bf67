/**
 * The common part of all verbs that emit events until they are stopped: output, alerts, signals, and the order of
 * closing.
 */
import type { Observable } from 'rxjs';
import type { SinkOptions } from '../../alerts/sink-table.ts';
import type { Event } from '../../model/events.ts';
import type { PublishOptions } from '../../publish/options.ts';
import { alertOption, openAlerts } from './alert-option.ts';
import type { Context } from './define-verb.ts';
import { Exit } from './exit.ts';
import { duration, type Options } from './options.ts';
import { openPublisher } from './publish-option.ts';
import { realtimeOption, takeRealtime } from './realtime.ts';
import { RunUntil } from './run-until.ts';
import { tell } from './tell.ts';
import { zoneNote } from './zone-note.ts';

export const liveOptions = {
  duration: duration('TIME', 'end after this time: 500ms, 30s, 5m, 2h'),
  alert: alertOption,
  realtime: realtimeOption,
};

/** Where a live verb sends its events. */
export interface Live {
  /** Writes an event. */
  show(event: Event): void;
  /** Writes an event, and passes it to the alert sinks. */
  emit(event: Event): void;
  /** Writes the first event of a source: as JSON into the stream, or in text mode as a sentence on stderr. */
  started(event: Event, more?: string): void;
}

/** A source of events that a verb has opened. `runLive()` reads the events and closes the source. */
export interface LiveSource<E extends Event> {
  events$: Observable<E>;
  /** Handles an event. Default: emits it. */
  next?: (event: E, live: Live) => void;
  /** Called once, after the reading of events has started. */
  start?: (live: Live) => void;
  /** Called after the memory that only the start has used was freed. */
  warmUp?: () => unknown;
  /** Events of rehearsals: they take the way of an event, up to the last step before the outside. */
  rehearsed$?: Observable<Event>;
  /** Gives the text of an event. undefined: use the text of `renderEvent()`. */
  text?: (event: Event) => string | undefined;
  /** Shows an event in a full-screen view; then nothing is written to stdout. */
  view?: (event: Event) => void;
  /**
   * Makes a `tracer.lost` event for events that a slow reader did not take. Its `seq` continues the source's numbers.
   */
  lostBehind?: (dropped: Record<string, number>) => Event;
  close: () => void | Promise<void>;
}

interface LiveContext extends Pick<Context<Options>, 'asText' | 'paint'> {
  given: {
    duration: number | undefined;
    alert?: SinkOptions[];
    publish?: PublishOptions | undefined;
    realtime?: boolean | undefined;
  };
}

/** How a live verb finds what prevents it, and opens its source. */
interface LiveOpening<E extends Event> {
  /** Called before anything is opened that others would notice: spools, connections. Throws what prevents the verb. */
  refuse?: () => unknown;
  /** Called after the options of all alert sinks were checked. */
  open: (ending: RunUntil) => Promise<LiveSource<E>>;
}

/**
 * Runs a live verb until a signal arrives, the duration has passed, an error occurs, or `ending.now()` is called.
 *
 * @returns the exit code. @throws the errors of `refuse` and `open`, and the error with which the stream of events ends
 */
export async function runLive<E extends Event>(
  { given, asText, paint }: LiveContext,
  { refuse, open }: LiveOpening<E>,
): Promise<number> {
  const { beginStartUp, endStartUp } = await import('./start-up.ts');
  beginStartUp();
  await refuse?.();
  const startAlerts = await openAlerts(given.alert ?? []);
  await using publisher = (await openPublisher(given.publish)) ?? null;
  const [{ Output }, { renderEvent }] = await Promise.all([
    import('../../render/output.ts'),
    import('../../render/terminal.ts'),
  ]);
  const ending = new RunUntil();
  const source = await open(ending);
  const { view, text, next, lostBehind = await unnumbered() } = source;
  const format = (event: Event) => (asText ? (text?.(event) ?? renderEvent(event, paint)) : JSON.stringify(event));
  const onDropped = (dropped: Record<string, number>) => format(lostBehind(dropped));
  const output = view ? undefined : new Output({ onClosed: ending.now, onDropped });
  const alerts = startAlerts?.();
  const rehearsal = alerts && (await import('../../alerts/rehearse.ts'));

  const show = (event: Event) => {
    if (view) view(event);
    else if (asText && event.type === 'tracer.stopped') tell(event.message);
    else output?.write(format(event), event.type);
  };
  const live: Live = {
    show,
    emit: (event) => {
      show(event);
      alerts?.take(event);
      publisher?.take(event);
    },
    started: (event, more = '') => {
      if (asText) tell(`${event.message}${more}${zoneNote()} Press Ctrl-C to stop.`);
      else show(event);
      publisher?.take(event);
    },
  };
  source.rehearsed$?.subscribe((event) => {
    output?.rehearse(() => format(event));
    rehearsal?.rehearseAlert(event);
    publisher?.rehearse(event);
  });
  ending.bySignals();
  try {
    source.events$.subscribe({ next: (event) => (next ? next(event, live) : live.emit(event)), error: ending.fail });
    source.start?.(live);
    endStartUp();
    if (given.realtime) await takeRealtime();
    void source.warmUp?.();
    await ending.comes(given.duration);
  } finally {
    await source.close();
  }
  await Promise.all([output?.end(), alerts?.close(), publisher?.close()]);
  ending.throwFailure();
  return Exit.ok;
}

/** The default of `lostBehind`, for a source that does not number the events that its reader lost. */
async function unnumbered() {
  const [{ EnvelopeFactory }, { LossCounter }] = await Promise.all([
    import('../../events/envelope.ts'),
    import('../../events/loss-counter.ts'),
  ]);
  const losses = new LossCounter(new EnvelopeFactory());
  return (dropped: Record<string, number>): Event => losses.behind(dropped);
}
