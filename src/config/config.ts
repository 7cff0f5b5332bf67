/** The file of `oomscope run`: TOML, read whole, and every fault told at once with its line. */
import type { SinkOptions } from '../alerts/sink-table.ts';
import type { GuardConfig } from '../guard/guard-config.ts';
import { alertShape } from './alerts.ts';
import { Faults } from './fault.ts';
import { guardShape } from './guard.ts';
import { choice, duration, field, list, optional, parsed, type Shape, size, table, text, yesOrNo } from './shape.ts';
import { parseToml, readToml } from './toml.ts';

const windowMs: Shape<number> = parsed('a window such as "100ms"', (given) => {
  const ms = duration.read(given, '', new Faults());
  if (ms === undefined || !Number.isInteger(ms) || ms < 2 || ms > 10_000) {
    throw new Error(`expected a window from "2ms" to "10s", got "${given}".`);
  }
  return ms;
});

const traceShape = table({
  enabled: field(yesOrNo, true, 'say whom the kernel kills'),
  candidates: field(choice('never', 'system', 'always'), 'system', 'list whom the kernel chose from'),
  ring: optional(size, 'the ring between kernel and oomscope, a power of two'),
});

const pressureShape = table({
  enabled: field(yesOrNo, true, 'watch memory pressure'),
  windows: field(list(windowMs, 1), [10, 100, 1000], 'one to three sliding windows'),
  cgroups: field(list(text), [], 'only these cgroups and what is below them: globs'),
});

const outputShape = table({
  format: field(choice('json', 'text'), 'json', 'of the events on stdout'),
  events: field(list(text), [], 'only events of these types, with * and ?; none: all'),
});

const shape = table({
  trace: field(traceShape, empty(traceShape), 'OOM kills'),
  pressure: field(pressureShape, empty(pressureShape), 'memory pressure'),
  output: field(outputShape, empty(outputShape), 'what goes to stdout'),
  alert: field(list(alertShape), [], 'who is told'),
  guard: optional(guardShape, 'who is killed before the kernel kills; absent: nobody'),
});

export interface Config {
  trace: { enabled: boolean; candidates: 'never' | 'system' | 'always'; ring: number | undefined };
  pressure: { enabled: boolean; windows: number[]; cgroups: string[] };
  output: { format: 'json' | 'text'; events: string[] };
  alert: SinkOptions[];
  guard: GuardConfig | undefined;
}

/** JSON Schema of the file, for editors. */
export const configSchema = (): object => ({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'oomscope.toml',
  ...shape.schema,
});

/**
 * @param file its name, for the faults
 * @throws OomscopeError CONFIG, with every fault in its message
 */
export const parseConfig = (toml: string, file: string): Promise<Config> => parseToml(toml, file, shape, checkTogether);

/** @throws OomscopeError CONFIG */
export const readConfig = (file: string): Promise<Config> => readToml(file, shape, checkTogether);

/** What one section says about another. */
function checkTogether({ guard, pressure }: Config, faults: Faults): void {
  for (const [i, rule] of (guard?.policy.rules ?? []).entries()) {
    for (const [j, { metric, text: said }] of rule.when.entries()) {
      if (metric.name !== 'pressure' || typeof metric.over !== 'number') continue;
      const at = `guard.rule[${i}].when[${j}]`;
      if (!pressure.enabled) faults.add(at, `"${said}" can never be: [pressure] is not enabled.`);
      else if (!pressure.windows.includes(metric.over)) {
        const there = pressure.windows.map((ms) => `${ms}ms`).join(', ');
        faults.add(at, `"${said}" can never be: the windows of [pressure] are ${there}.`);
      }
    }
  }
}

/** A table with nothing in it: all as it is without one. */
function empty<T>(of: Shape<T>): T {
  return of.read({}, '', new Faults()) as T;
}
