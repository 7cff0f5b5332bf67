/** The daemon of `oomscope run`. It runs the parts that the configuration enables until a signal ends it. */
import type { AlertSinks } from '../../../alerts/alert-sinks.ts';
import { chooseFile, ignoredNote } from '../../../config/choose-file.ts';
import { type Config, readConfig } from '../../../config/config.ts';
import { featuresOf } from '../../../config/features.ts';
import { Features } from '../../../daemon/features.ts';
import { refuseObstacles } from '../../../daemon/obstacle.ts';
import { Watch } from '../../../daemon/watch.ts';
import { otherKillers } from '../../../doctor/others.ts';
import { type CapabilityName, effectiveCapabilities } from '../../../linux/capabilities.ts';
import { lackingFor, lastingCapabilities, limitCapabilities } from '../../../linux/rights.ts';
import { OomscopeError } from '../../../model/error.ts';
import type { Event } from '../../../model/events.ts';
import { journalLine } from '../../../render/journal.ts';
import { Output } from '../../../render/output.ts';
import type { Paint } from '../../../render/paint.ts';
import { renderEvent } from '../../../render/terminal.ts';
import { globMatch } from '../../../text/glob.ts';
import { printableLines } from '../../../text/printable.ts';
import type { Rehearsal } from '../../../tracer/rehearsal.ts';
import { openAlertSinks } from '../../verb/alert-option.ts';
import { Exit } from '../../verb/exit.ts';
import { takeRealtime } from '../../verb/realtime.ts';
import { endingSignals, RunUntil } from '../../verb/run-until.ts';
import { beginStartUp, endStartUp } from '../../verb/start-up.ts';
import { tell } from '../../verb/tell.ts';
import { LevelReports } from './level-reports.ts';
import { extendStart, notify, serve, statusOf } from './service.ts';

export interface DaemonOptions {
  /** The first of these files that exists is the configuration. */
  files: readonly string[];
  durationMs: number | undefined;
  /** Real-time priority for the JavaScript thread, too. */
  realtime: boolean;
  /** Give up the capabilities that only the start needs. */
  dropCapabilities: boolean;
  /** Used instead of the configuration's `output.format`. */
  format: 'json' | 'text' | undefined;
  paint: Paint;
}

/** @throws OomscopeError */
export async function runDaemon(options: DaemonOptions): Promise<number> {
  beginStartUp();
  const { durationMs } = options;
  const chosen = chooseFile(options.files);
  const { file } = chosen;
  // The handler is set first, because SIGHUP ends a process that has no handler.
  let daemon: Daemon | undefined;
  let isDue = false;
  const onHangup = () => {
    if (daemon) daemon.reload();
    else isDue = true;
  };
  process.on('SIGHUP', onHangup);
  const config = await readConfig(file);
  const ignored = ignoredNote(chosen);
  if (ignored !== undefined) tell(ignored);
  // Before the sinks: they would lock their spools, and try to deliver.
  await refuseObstacles(config);
  const ending = new RunUntil();
  ending.bySignals(endingSignals.filter((signal) => signal !== 'SIGHUP'));
  using starting = extendStart();
  await using alerts = await openAlertSinks(config.alert);
  await using watch = new Watch();
  await using features = await Features.open({ config, watch, alerts, tell });
  const opened = new Daemon(options, config, { watch, alerts, features, ending });
  await opened.start();
  if (!ending.signal.aborted) {
    daemon = opened;
    await becomeReady(opened, config, options);
    if (isDue) daemon.reload();
    starting[Symbol.dispose]();
    await serve(`Running with ${file}.`, config, () => ending.comes(durationMs));
  }
  notify('STOPPING=1');
  process.off('SIGHUP', onHangup);
  await opened.close();
  ending.throwFailure();
  return Exit.ok;
}

/** Gives up what only the start needed, and makes the code ready for the first kill. */
async function becomeReady(daemon: Daemon, config: Config, { realtime, dropCapabilities }: DaemonOptions) {
  if (realtime) await takeRealtime(config.guard);
  if (dropCapabilities) daemon.gaveUp = giveUpRights(config);
  // A guard that runs its code again kills two child processes, which a tracer of all kills would report.
  const quiet = config.guard === undefined || config.trace.kills === 'oom' || !config.trace.enabled;
  endStartUp({ optimize: false, dropCode: quiet });
  await daemon.rehearse(quiet);
}

/** What the daemon consists of; its caller closes them. */
interface Parts {
  watch: Watch;
  alerts: AlertSinks;
  features: Features;
  ending: RunUntil;
}

class Daemon {
  /** Capabilities that it does not have any more. */
  gaveUp: ReadonlySet<CapabilityName> = new Set();
  readonly #options: DaemonOptions;
  readonly #watch: Watch;
  readonly #features: Features;
  readonly #output: Output;
  readonly #ending: RunUntil;
  #config: Config;
  readonly #alerts: AlertSinks;
  #told: ReadonlySet<string> = new Set();
  #levels: LevelReports | undefined;
  #rehearsal: Rehearsal | undefined;
  /** Settled when the last reload is done, so that reloads run one after another. */
  #reloading = Promise.resolve();

  constructor(options: DaemonOptions, config: Config, { watch, alerts, features, ending }: Parts) {
    this.#options = options;
    this.#config = config;
    this.#watch = watch;
    this.#alerts = alerts;
    this.#features = features;
    this.#ending = ending;
    this.#output = new Output({
      onClosed: ending.now,
      onDropped: (dropped) => {
        const lost = watch.lostBehind(dropped);
        features.take(lost);
        return this.#format(lost);
      },
    });
  }

  async start(): Promise<void> {
    this.#watch.events$.subscribe({ next: (event) => this.#take(event), error: this.#ending.fail });
    const told = (notes: string[]) => this.#tellOnce([...notes, ...rehearsal(this.#config)]);
    await this.#watch.open(this.#config, told, this.#ending.signal);
    if (this.#ending.signal.aborted) return;
    if (this.#config.guard) this.#tellOnce(otherKillers());
    this.#reportLevels();
    await this.#features.start();
  }

  /**
   * Rehearses a kill now, and from then on lets the output and the alerts rehearse, too.
   *
   * @param guards let the guard run its code, too
   */
  async rehearse(guards: boolean): Promise<void> {
    if (guards) void this.#watch.warmUp();
    const { tracer } = this.#watch;
    if (!tracer) return;
    const { rehearsalOf } = await import('../../../tracer/rehearsal.ts');
    this.#rehearsal = rehearsalOf(tracer);
    this.#rehearsal?.events$.subscribe((event) => this.#rehearse(event));
    if (this.#rehearsal) this.#rehearsal.pages.mayCollect = true;
    this.#rehearsal?.again();
  }

  /**
   * Called on SIGHUP. Reads the configuration again, and applies the settings that can change while the daemon runs.
   */
  readonly reload = (): void => {
    this.#reloading = this.#reloading.then(() => this.#reload());
  };

  async close(): Promise<void> {
    await this.#reloading;
    this.#levels?.[Symbol.dispose]();
    await this.#watch.close();
    await Promise.all([this.#output.end(), this.#alerts.close(), this.#features.close()]);
  }

  #reportLevels(): void {
    this.#levels?.[Symbol.dispose]();
    const { levels, format } = this.#config.output;
    const write = (line: string) => (format === 'journal' ? process.stderr.write(`<6>${line}\n`) : tell(line));
    this.#levels = levels === undefined ? undefined : new LevelReports(levels, write);
  }

  /** A note that was told is not told again at each reload. */
  #tellOnce(notes: readonly string[]): void {
    for (const note of notes) if (!this.#told.has(note)) tell(note);
    this.#told = new Set([...this.#told, ...notes]);
  }

  #take(bare: Event): void {
    const event = this.#features.enrich(bare);
    this.#write(event);
    this.#alerts.take(event);
    this.#features.take(event);
  }

  /** Runs the code of an event that did not happen, up to the last step before the outside. */
  #rehearse(event: Event): void {
    this.#output.rehearse(() => this.#format(event));
    this.#alerts.rehearse(event);
    this.#features.rehearse(event);
  }

  #write(event: Event): void {
    const { events } = this.#config.output;
    // Readers of text have read of this kill already, in the event with this id.
    if (event.type === 'process.killed' && event.kill_id !== null && this.#isForPeople) return;
    if (events.length > 0 && !events.some((glob) => globMatch(glob, event.type))) return;
    this.#output.write(this.#format(event), event.type);
  }

  get #isForPeople(): boolean {
    return (this.#options.format ?? this.#config.output.format) !== 'json';
  }

  #format(event: Event): string {
    const { format = this.#config.output.format, paint } = this.#options;
    if (format === 'journal') return journalLine(event);
    return format === 'text' ? renderEvent(event, paint) : JSON.stringify(event);
  }

  async #reload(): Promise<void> {
    const { file } = chooseFile(this.#options.files);
    notify('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
    try {
      const next = await readConfig(file);
      checkRights(next, this.gaveUp);
      const alerts = await this.#alerts.prepare(next.alert);
      const notes = await this.#watch.guardBy(next).catch(async (error) => {
        await alerts.discard();
        throw error;
      });
      alerts.commit();
      if (this.#options.realtime) await takeRealtime(next.guard); // the guard that ended took its own priority back
      this.#tellOnce([...notes, ...rehearsal(next)]);
      if (isDifferent(this.#config, next))
        tell(`Changes of ${fixedSections.map((name) => `[${name}]`).join(', ')} take effect at the next start.`);
      this.#config = next;
      this.#reportLevels();
      tell(`Reloaded ${file}.`);
    } catch (error) {
      tell(`${file} was not reloaded; the old configuration stays in effect.`);
      process.stderr.write(`${printableLines((error as Error).message)}\n`);
    }
    notify('READY=1', statusOf(this.#config));
    this.#rehearsal?.again();
  }
}

/** What a configuration does not do, although a reader may expect it. */
function rehearsal({ guard }: Config): string[] {
  if (!guard) return ['The configuration has no [guard] section: oomscope kills no process.'];
  if (guard.mode === 'enforce') return [];
  return [
    `The guard only rehearses (mode = "${guard.mode}"): it kills no process. Set mode = "enforce" to let it act.`,
  ];
}

/**
 * Gives up the capabilities that only the start needs, so that later this process cannot load a BPF program, whatever
 * happens to it, unless a reload needs that. @returns the capabilities that it gave up
 */
function giveUpRights(config: Config): Set<CapabilityName> {
  const had = effectiveCapabilities();
  try {
    limitCapabilities(lastingCapabilities(featuresOf(config)));
  } catch (error) {
    tell((error as Error).message);
  }
  const have = effectiveCapabilities();
  return new Set([...had].filter((name) => !have.has(name)));
}

/** @throws OomscopeError CONFIG: the new configuration needs a capability that this process gave up */
function checkRights(next: Config, gaveUp: ReadonlySet<CapabilityName>): void {
  const features = featuresOf(next);
  features.delete('watching'); // [trace] and [pressure] change at the next start only
  const lacking = lackingFor(features).filter(({ capability }) => gaveUp.has(capability));
  if (lacking.length === 0) return;
  const names = lacking.map(({ capability }) => capability).join(', ');
  throw new OomscopeError(
    'CONFIG',
    `The new configuration needs ${names}, which this process gave up after its start: restart it.`,
  );
}

/** The sections that only a start applies. */
const fixedSections = ['trace', 'pressure', 'metrics', 'otlp', 'history', 'web', 'kubernetes', 'publish'] as const;

const isDifferent = (a: Config, b: Config) =>
  fixedSections.some((name) => JSON.stringify(a[name]) !== JSON.stringify(b[name]));
