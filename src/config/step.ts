/** A step of a rule: what to do, under which conditions, and how long to wait for its effect. */
import type { Step } from '../guard/rules/rule.ts';
import { detector } from './detector.ts';
import {
  choice,
  durationOf,
  field,
  list,
  needed,
  optional,
  parsed,
  type Shape,
  size,
  table,
  text,
  whole,
} from './shape.ts';

const defaultWaits: Record<Step['do'], number> = {
  notify: 0,
  exec: 5000,
  reclaim: 500,
  throttle: 5000,
  freeze: 1000,
  term: 10_000,
  kill: 10_000,
};

export const defaultSteps: Step[] = (['term', 'kill'] as const).map((action) => ({
  do: action,
  if: [],
  atOnce: [],
  waitMs: defaultWaits[action],
}));

const waitTime = parsed('a time such as "10s", or "never"', (given) =>
  given === 'never' ? Number.POSITIVE_INFINITY : durationOf(given),
);

const stepTable = table({
  do: needed(choice('notify', 'exec', 'reclaim', 'throttle', 'freeze', 'term', 'kill'), 'what to do'),
  if: field(list(detector), [], 'skip the step unless all of these hold when its turn comes'),
  at_once: field(list(detector), [], 'take the step before its turn as soon as all of these hold'),
  wait: optional(waitTime, 'how long to wait for its effect before the next step; exec: timeout of the program'),
  command: optional(list(text, 1), 'exec: the program and its arguments; no shell'),
  bytes: optional(size, 'reclaim: how much'),
  percent: optional(whole(10, 100), 'throttle: memory.high, in percent of current usage'),
});

/** The field that only one step has. */
const ownField: Partial<Record<Step['do'], 'command' | 'bytes' | 'percent'>> = {
  exec: 'command',
  reclaim: 'bytes',
  throttle: 'percent',
};

export const step: Shape<Step> = {
  schema: stepTable.schema,
  read(value, path, faults) {
    const given = stepTable.read(value, path, faults);
    if (!given) return undefined;
    const { do: action, command, bytes, percent } = given;
    for (const [owner, name] of Object.entries(ownField)) {
      if (owner !== action && given[name] !== undefined) {
        faults.add(`${path}.${name}`, `belongs to a step that does "${owner}", not "${action}": remove it.`);
      }
    }
    if (action === 'exec' && !command) return faults.add(path, 'expected "command" for a step that does "exec".');
    return {
      do: action,
      if: given.if,
      atOnce: given.at_once,
      waitMs: given.wait ?? defaultWaits[action],
      ...(command && { command }),
      ...(action === 'reclaim' && { bytes: bytes ?? 64 * 2 ** 20 }),
      ...(action === 'throttle' && { percent: percent ?? 90 }),
    };
  },
};
