/** Reads and writes a step of a rule in the configuration. It uses the table of steps (guard/steps/steps.ts). */
import type { Detector, Step } from '../guard/rules/rule.ts';
import type { StepOption } from '../guard/steps/step.ts';
import { type StepSettings, stepNames, stepOptions, steps } from '../guard/steps/steps.ts';
import { writeDuration, writeSize } from '../text/units.ts';
import { detector } from './detector.ts';
import {
  choice,
  durationWithin,
  type Field,
  field,
  list,
  MOST_ITEMS,
  needed,
  optional,
  parsed,
  type Shape,
  sizeFrom,
  table,
  text,
  whole,
} from './shape.ts';
import type { Fields } from './toml-text.ts';

const waitTime = parsed('a time such as "10s", or "never"', (given) =>
  given === 'never' ? Number.POSITIVE_INFINITY : durationWithin(given),
);

const options = stepOptions();

const stepTable = table({
  ...Object.fromEntries(
    options.map(({ name, option, owners }): [string, Field<unknown>] => [
      name,
      optional(shapeOf(option), `${owners.join(', ')}: ${option.about}`),
    ]),
  ),
  do: needed(choice(...stepNames), stepNames.map((name) => `${name}: ${steps[name].about}`).join('; ')),
  if: field(
    list(detector, 0, MOST_ITEMS),
    [],
    'when it is the turn of this step, skip the step unless all of these conditions hold',
  ),
  at_once: field(
    list(detector, 0, MOST_ITEMS),
    [],
    'take the step before its turn as soon as all of these conditions hold',
  ),
  wait: optional(
    waitTime,
    'how long to wait for the effect of the step before the next one; exec, tell: timeout of the program',
  ),
});

export const step: Shape<Step> = {
  schema: stepTable.schema,
  read(value, path, faults) {
    const given = stepTable.read(value, path, faults);
    if (!given) return undefined;
    const kind = steps[given.do];
    const values: Record<string, unknown> = given;
    const settings: Record<string, unknown> = {};
    for (const { name, owners } of options) {
      const option = kind.options[name];
      if (!option) {
        if (values[name] === undefined) continue;
        faults.add(
          `${path}.${name}`,
          `belongs to a step that does "${owners.join('" or "')}", not "${given.do}": remove it.`,
        );
      } else {
        settings[name] = values[name] ?? ('otherwise' in option ? option.otherwise : undefined);
        if (settings[name] === undefined)
          return faults.add(path, `expected "${name}" for a step that does "${given.do}".`);
      }
    }
    return {
      do: given.do,
      if: given.if,
      atOnce: given.at_once,
      waitMs: given.wait ?? kind.waitMs,
      ...(settings as StepSettings),
    };
  },
};

export const defaultSteps: Step[] = (['term', 'kill'] as const).map((name) => ({
  do: name,
  if: [],
  atOnce: [],
  waitMs: steps[name].waitMs,
}));

export function stepFields(given: Step): Fields {
  const texts = (detectors: readonly Detector[]) =>
    detectors.length === 0 ? undefined : detectors.map(({ text: written }) => written);
  const settings = options.map(({ name, option }) => {
    const value = given[name as keyof StepSettings];
    return [name, option.kind === 'size' && typeof value === 'number' ? writeSize(value) : value];
  });
  return {
    do: given.do,
    ...Object.fromEntries(settings),
    if: texts(given.if),
    at_once: texts(given.atOnce),
    wait: given.waitMs === Number.POSITIVE_INFINITY ? 'never' : writeDuration(given.waitMs),
  };
}

function shapeOf(option: StepOption): Shape<unknown> {
  switch (option.kind) {
    case 'size':
      return sizeFrom(4096); // a page
    case 'whole':
      return whole(option.least, option.most);
    case 'words':
      return list(text, 1);
    case 'text':
      return text;
    case 'choice':
      return choice(...option.choices);
  }
}
