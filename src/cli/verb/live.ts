/** What verbs that emit events until they are ended have in common: output, alerts, signals, and the order of closing. */
import type { Observable } from 'rxjs';
import type { SinkOptions } from '../../alerts/sink-table.ts';
import type { Event } from '../../model/events.ts';
import { alertOption, openAlerts } from './alert-option.ts';
import type { Context } from './define-verb.ts';
import { Exit } from './exit.ts';
import { duration, type Options } from './options.ts';
import { RunUntil } from './run-until.ts';
import { beginStartUp, endStartUp } from './start-up.ts';
import { tell } from './tell.ts';

export const liveOptions = {
  duration: duration('TIME', 'end after this time: 500ms, 30s, 5m, 2h'),
  alert: alertOption,
};

/** The outputs of events. */
export interface Live {
  /** Writes an event. */
  show(event: Event): void;
  /** Writes an event, and hands it to the alerts. */
  emit(event: Event): void;
  /** Writes the first event of a source: into the stream of JSON, or as a sentence on stderr. */
  started(event: Event, more?: string): void;
}

/** What a verb opened. `runLive` reads it and closes it. */
export interface LiveSource<E extends Event> {
  events$: Observable<E>;
  /** Handles an event. Default: emits it. */
  next?: (event: E, live: Live) => void;
  /** Called once, after the reading of events has started. */
  start?: (live: Live) => void;
  /** The text of an event, where it is not that of `renderEvent`. */
  text?: (event: Event) => string | undefined;
  /** A view on the terminal that shows the events in the place of stdout. */
  view?: (event: Event) => void;
  /** Makes the `tracer.lost` for events that a slow reader did not take, in the source's own numbering. */
  lostBehind?: (dropped: Record<string, number>) => Event;
  close: () => void | Promise<void>;
}

interface LiveContext extends Pick<Context<Options>, 'asText' | 'paint'> {
  given: { duration: number | undefined; alert?: SinkOptions[] };
}

/**
 * Runs a live verb until a signal, the duration, an error, or until `ending.now()` was called.
 *
 * @param open called when the options of all alert sinks are known to be right
 * @returns the exit code. @throws what `open` throws, and the error that the events end with
 */
export async function runLive<E extends Event>(
  { given, asText, paint }: LiveContext,
  open: (ending: RunUntil) => Promise<LiveSource<E>>,
): Promise<number> {
  beginStartUp();
  const startAlerts = await openAlerts(given.alert ?? []);
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
    },
    started: (event, more = '') => {
      if (asText) tell(`${event.message}${more} Press Ctrl-C to stop.`);
      else show(event);
    },
  };
  // SIGHUP only where a terminal must be restored: what runs under nohup outlives its terminal.
  ending.bySignals('SIGINT', 'SIGTERM', ...(view ? (['SIGHUP'] as const) : []));
  source.events$.subscribe({ next: (event) => (next ? next(event, live) : live.emit(event)), error: ending.fail });
  source.start?.(live);
  endStartUp();
  try {
    await ending.comes(given.duration);
  } finally {
    await source.close();
  }
  await Promise.all([output?.end(), alerts?.close()]);
  ending.throwFailure();
  return Exit.ok;
}

/** For a source that does not count what its reader lost. */
async function unnumbered() {
  const [{ EnvelopeFactory }, { LossCounter }] = await Promise.all([
    import('../../events/envelope.ts'),
    import('../../events/loss-counter.ts'),
  ]);
  const losses = new LossCounter(new EnvelopeFactory());
  return (dropped: Record<string, number>): Event => losses.behind(dropped);
}
