import { expect, test } from 'vitest';
import { renderAdvice } from '../../src/cli/verbs/docker/advice-view.ts';
import type { LimitAdvice } from '../../src/container-watch/limit-advice.ts';
import type { Container, Pod } from '../../src/model/container.ts';
import { plain } from '../../src/render/paint.ts';
import { aMemory, aReport } from '../container-watch/container-samples.ts';

const MIB = 2 ** 20;
const advice: LimitAdvice = {
  ...{ limit_bytes: 80 * MIB, reservation_bytes: 64 * MIB, change: 'raise', confidence: 'fair', reasons: ['Because.'] },
};
const ID = 'a'.repeat(64);
const container = (more: Partial<Container>): Container => ({
  ...{ runtime: 'docker', id: ID, name: 'web', image: null, compose_project: null, compose_service: null },
  ...more,
});
const pod: Pod = { uid: 'u', name: 'shop-1', namespace: 'prod', qos: null };

test.each([
  ['Docker', { container: container({}) }, 'docker update --memory 80m --memory-swap 80m web'],
  ['Podman', { container: container({ runtime: 'podman' }) }, 'podman update --memory 80m --memory-swap 80m web'],
  [
    'a name for a shell',
    { container: container({ name: 'a;b' }) },
    `docker update --memory 80m --memory-swap 80m ${ID.slice(0, 12)}`,
  ],
  [
    'a pod',
    { container: container({ runtime: 'containerd' }), pod },
    'in the manifest of pod prod/shop-1: resources.limits.memory: 80Mi',
  ],
  [
    'a pod of Docker',
    { container: container({}), pod },
    'in the manifest of pod prod/shop-1: resources.limits.memory: 80Mi',
  ],
  [
    'another runtime',
    { container: container({ runtime: 'containerd' }) },
    'set the limit 80m where the container is defined; to change it until its next start, write to memory.max of',
  ],
])('a limit is set by the program that owns the container: %s', (_, parts, command) => {
  const report = { ...aReport({ memory: aMemory({}) }), remarks: [], ...parts };
  expect(renderAdvice({ report, advice }, plain)).toContain(`now:  ${command}`);
});
