/** The table of steps, and the parts of the program that are derived from it. */
import { describe, expect, test } from 'vitest';
import { Faults } from '../../../src/config/fault.ts';
import { step as stepShape } from '../../../src/config/step.ts';
import { actionMessage } from '../../../src/guard/ladder/messages.ts';
import {
  needsOptions,
  restraintFiles,
  stepNames,
  stepOfFile,
  stepOptions,
  steps,
} from '../../../src/guard/steps/steps.ts';
import { process_ } from '../rules/world.ts';

test('is ordered from mild to hard, and the last step kills', () => {
  const hardness = stepNames.map((name) => steps[name].hardness);
  expect(hardness).toEqual([...hardness].sort((a, b) => a - b));
  expect(steps[stepNames.at(-1) as (typeof stepNames)[number]].signal).toBe('SIGKILL');
});

test('each file of a cgroup belongs to one step', () => {
  expect([...restraintFiles].map((file) => stepOfFile(`/sys/fs/cgroup/a/${file}`))).toEqual(
    stepNames.filter((name) => steps[name].file !== undefined),
  );
  expect(stepOfFile('/sys/fs/cgroup/a/memory.max')).toBeUndefined();
});

describe.each(stepNames)('%s', (name) => {
  const read = (given: object) => {
    const faults = new Faults();
    return {
      step: stepShape.read({ do: name, ...given }, '', faults),
      faults: faults.list.map(({ message }) => message),
    };
  };
  const required = Object.fromEntries(
    Object.entries(steps[name].options).flatMap(([option, { kind }]): [string, unknown][] =>
      kind === 'words' ? [[option, ['x']]] : kind === 'text' ? [[option, 'x']] : [],
    ),
  );

  test('is read from a configuration with its default waiting time and the defaults of its options', () => {
    expect(read(required)).toMatchObject({ faults: [], step: { do: name, waitMs: steps[name].waitMs } });
    expect(read({}).step === undefined).toBe(needsOptions(name));
  });

  test('rejects an option of another step', () => {
    for (const { name: option, owners } of stepOptions().filter(({ owners }) => !owners.includes(name))) {
      const { kind, ...more } = steps[owners[0] as typeof name].options[option] as {
        kind: string;
        otherwise?: unknown;
      };
      const value = { words: ['x'], size: '1M', whole: 50, text: 'x', choice: more.otherwise }[kind];
      expect(read({ ...required, [option]: value }).faults[0]).toContain(`belongs to a step that does "${owners[0]}"`);
    }
  });

  test('is named in the messages of its actions', () => {
    const { comm, pid, ...rest } = process_(7, { comm: 'web' });
    const target = { ...rest, takes: 'process', comm, pid, processes: 1 } as never;
    expect(actionMessage(name, 'done', target, null)).toBe(`${steps[name].did} web (pid 7).`);
    expect(actionMessage(name, 'failed', target, 'EPERM')).toBe(`"${name}" failed for web (pid 7): EPERM.`);
  });
});
