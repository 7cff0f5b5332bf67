import { expect, test } from 'vitest';
import type { Container } from '../../src/model/container.ts';
import type { PressureCountdown } from '../../src/model/pressure.ts';
import { namedPressure } from '../../src/pressure/named-pressure.ts';

test('adds the names of containers to the subject and the task of an event about pressure', () => {
  const container = { runtime: 'docker', id: 'a'.repeat(64), name: 'web', image: 'shop:1' } as Container;
  const owner = { unit: null, pod: null, container };
  const event = {
    subject: { scope: 'cgroup', path: '/docker/a', id: '7' },
    task: { cgroup: '/docker/a', comm: 'hog' },
  } as unknown as PressureCountdown;
  expect(namedPressure(event, () => owner)).toMatchObject({ subject: { id: '7', container }, task: { container } });
  const system = { subject: { scope: 'system', path: '/' } } as unknown as PressureCountdown;
  expect(namedPressure(system, () => owner)).toEqual(system);
});
