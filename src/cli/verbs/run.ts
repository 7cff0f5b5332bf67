import type { Dispatcher } from '../../alerts/dispatch.ts';
import { type Config, readConfig } from '../../config/config.ts';
import { notifySystemd, watchdogMs } from '../../daemon/sd-notify.ts';
import { Watch } from '../../daemon/watch.ts';
import { otherKillers } from '../../doctor/others.ts';
import type { Event } from '../../model/events.ts';
import { Output } from '../../render/output.ts';
import { renderEvent } from '../../render/terminal.ts';
import { globMatch } from '../../text/glob.ts';
import { printable } from '../../text/printable.ts';
import { openAlerts } from '../verb/alert-option.ts';
import { collectGarbage } from '../verb/collect-garbage.ts';
import { paintFor } from '../verb/colour.ts';
import { Exit } from '../verb/exit.ts';
import { duration, flag, optionsHelp, parseOptions, text, usage } from '../verb/options.ts';
import { RunUntil } from '../verb/run-until.ts';

const options = {
  config: text('FILE', 'TOML; `oomscope config print` has all there is'),
  duration: duration('TIME', 'stop after this time'),
  'no-color': flag('no colour, even on a terminal'),
  help: flag('this text'),
};

export const help = () => `usage: oomscope run --config FILE

Traces, watches pressure, alerts and guards, as one file says. SIGHUP reads the file again: when it is wrong the old
configuration stays and stderr has the faults. Tells systemd when it is ready, and that it lives (Type=notify, WatchdogSec=).

${optionsHelp(options)}

Examples:
  oomscope config print > /etc/oomscope.toml
  oomscope run --config /etc/oomscope.toml
  oomscope systemd install --config /etc/oomscope.toml

Exit codes: 0 ended as asked, 2 bad option or configuration, 69 this kernel or installation cannot trace, 77 not permitted.
`;

const tell = (sentence: string) => process.stderr.write(`${printable(`oomscope: ${sentence}`)}\n`);

export async function run(argv: string[]): Promise<number> {
  const given = parseOptions('run', options, argv);
  if (given.help) {
    process.stdout.write(help());
    return Exit.ok;
  }
  const { config: file } = given;
  if (file === undefined) throw usage('--config: expected the file of the configuration, got none.');
  let config = await readConfig(file);
  const paint = paintFor(given['no-color']);
  const ending = new RunUntil();
  ending.bySignals('SIGINT', 'SIGTERM');
  const output = new Output({ onClosed: ending.now, onDropped: (dropped) => JSON.stringify({ dropped }) });
  let alerts: Dispatcher | undefined = (await openAlerts(config.alert))?.();

  await using watch = await Watch.open(config);
  const show = (event: Event) => {
    alerts?.take(event);
    const { format, events } = config.output;
    if (events.length > 0 && !events.some((glob) => globMatch(glob, event.type))) return;
    output.write(format === 'text' ? renderEvent(event, paint) : JSON.stringify(event), event.type);
  };
  watch.events$.subscribe({ next: show, error: ending.fail });
  for (const { started } of [watch.tracer, watch.pressure].filter((one) => one !== undefined)) show(started);
  for (const note of [...(await watch.guardBy(config)), ...(config.guard ? otherKillers() : [])]) tell(note);

  const reload = async () => {
    say('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
    try {
      const next = await readConfig(file);
      const nextAlerts = await openAlerts(next.alert);
      for (const note of await watch.guardBy(next)) tell(note);
      void alerts?.close();
      alerts = nextAlerts?.();
      if (different(config, next)) tell('[trace] and [pressure] are as they were until the next start.');
      config = next;
      tell(`${file} is read again.`);
    } catch (error) {
      tell(`${file} is not taken over, all stays as it was.`);
      process.stderr.write(`${(error as Error).message}\n`);
    }
    say('READY=1', statusOf(config));
  };
  let reloading = Promise.resolve();
  const onHangup = () => {
    reloading = reloading.then(reload);
  };
  process.on('SIGHUP', onHangup);

  collectGarbage();
  say('READY=1', statusOf(config));
  tell(`running by ${file}. Press Ctrl-C to stop.`);
  const watchdog = watchdogMs();
  const alive = watchdog === undefined ? undefined : setInterval(() => say('WATCHDOG=1'), watchdog);
  await ending.comes(given.duration);
  say('STOPPING=1');
  process.off('SIGHUP', onHangup);
  clearInterval(alive);
  await reloading;
  await watch.close();
  await Promise.all([output.end(), alerts?.close()]);
  ending.throwFailure();
  return Exit.ok;
}

function say(...lines: string[]): void {
  try {
    notifySystemd(lines.join('\n'));
  } catch (error) {
    tell((error as Error).message);
  }
}

function statusOf({ guard }: Config): string {
  const rules = guard?.policy.rules.length ?? 0;
  return `STATUS=${guard ? `guarding by ${rules} rule${rules === 1 ? '' : 's'}, ${guard.mode}` : 'watching'}`;
}

const different = (a: Config, b: Config) =>
  JSON.stringify([a.trace, a.pressure]) !== JSON.stringify([b.trace, b.pressure]);
