import type { GuardConfig } from '../../../guard/guard-config.ts';
import type { OpenedGuard } from '../../../guard/open-guard.ts';
import type { Event } from '../../../model/events.ts';
import type { Tracer } from '../../../tracer/tracer.ts';
import { defineVerb } from '../../verb/define-verb.ts';
import { type LiveSource, runLive } from '../../verb/live.ts';
import { tell } from '../../verb/tell.ts';
import { configOf, options } from './options.ts';

export const verb = defineVerb({
  description: [
    'Kills the right process before the kernel kills the wrong one. Without options it does a dry run with cautious rules: almost no memory and swap is left, a process takes the last of it, all tasks wait for memory, or a cgroup with a limit runs full. To trace, alert and guard in one process, see `oomscope run --help`.',
  ],
  options,
  format: 'records',
  renamed: { on: 'cgroup' },
  instead: ["--as-earlyoom [earlyoom's options]"],
  sections: [
    {
      title: 'Metrics of detectors',
      rows: [
        ['available, swap_free, usage', 'in percent or as a size'],
        ['zram', 'the memory that zram uses: in percent of all memory, or as a size'],
        ['pressure.some.avg10', 'in percent; also full, and avg60, avg300'],
        ['growth', 'a size per second: 10M/s'],
        ['exhausted_in', 'a time: 30s'],
        ['rounds_left', 'how many more fruitless reclaim rounds lead to a kill; the kernel allows 16'],
      ],
    },
    { text: 'In a rule about cgroups, "system." before a metric selects the value of the whole system.' },
  ],
  examples: [
    { command: 'oomscope guard', about: 'Show what the guard would do on this machine.' },
    { command: 'sudo oomscope guard --enforce', about: 'Act on the cautious rules.' },
    { command: 'sudo oomscope guard --ask', about: 'Choose at the terminal which process ends.' },
    {
      command: "sudo oomscope guard --enforce --cgroup '/app/*' \\\n  --when 'available < 32M' --steps notify,kill",
      about: 'Kill in a cgroup that has less than 32 MiB left of its limit.',
    },
    {
      command:
        "sudo oomscope guard --enforce --when 'available <= 10 %' \\\n  --when 'swap_free <= 10 %' --avoid '^(Xorg|sshd)$'",
      about: 'Act earlier, and spare the desktop.',
    },
    {
      command: "oomscope guard --as-earlyoom -m 10 -s 5 --avoid '(^|/)(init|sshd)$'",
      about: 'Take the place of earlyoom, with its options.',
    },
  ],
  exits: { ok: true, usage: true, noInput: 'the file of --config is missing', noPermission: true },
  run: async (context) => {
    const { 'try-pattern': pattern } = context.given;
    if (pattern !== undefined) return (await import('./try-pattern.ts')).tryPattern(pattern, context.asText);
    const config = await configOf(context.given);
    return runLive(context, { refuse: () => refuse(config), open: () => open(config, context.given.ask === true) });
  },
});

async function refuse({ mode }: GuardConfig): Promise<void> {
  if (mode === 'enforce') (await import('../../../guard/may-enforce.ts')).checkMayEnforce();
  if (mode === 'shadow') (await import('../../../bpf/load/tracer-loader.ts')).refuseObstacle();
}

async function open(config: GuardConfig, asks: boolean): Promise<LiveSource<Event>> {
  const asker = asks ? new (await import('./ask.ts')).Asker() : undefined;
  const [{ openGuard }, { otherKillers }] = await Promise.all([
    import('../../../guard/open-guard.ts'),
    import('../../../doctor/others.ts'),
  ]);
  const opened = await openGuard(config);
  const tracer = config.mode === 'shadow' ? await openTracerBeside(opened) : undefined;
  return {
    events$: asker ? asker.shown$(opened.guard.events$) : opened.guard.events$,
    start: (live) => {
      tracer?.oomKills$.subscribe((kill) => {
        live.show(kill);
        opened.guard.kernelKilled(kill);
      });
      if (asker) opened.guard.events$.subscribe((event) => asker.take(event));
      introduce(config, [...opened.notes, ...otherKillers()]);
      opened.guard.start();
    },
    warmUp: opened.warmUp,
    close: async () => {
      asker?.[Symbol.dispose]();
      tracer?.close();
      await opened.close();
    },
  };
}

async function openTracerBeside(opened: OpenedGuard): Promise<Tracer> {
  try {
    return await (await import('../../../tracer/tracer.ts')).openTracer();
  } catch (error) {
    await opened.close();
    throw error;
  }
}

function introduce({ policy, mode }: GuardConfig, notes: readonly string[]): void {
  const count = policy.rules.length;
  const how = {
    dry_run: 'in a dry run: nothing is touched',
    shadow: 'in the shadow of the kernel: nothing is touched',
    enforce: 'enforcing',
  }[mode];
  tell(`Guarding by ${count} rule${count === 1 ? '' : 's'}, ${how}. Press Ctrl-C to stop.`);
  for (const note of notes) tell(note);
}
