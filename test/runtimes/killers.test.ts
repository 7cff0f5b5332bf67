/** Containers of a real dockerd that end with exit code 137 in many ways: does `docker watch` name the right author? */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createMemoryGroup, type MemoryGroup } from '../../src/demo/memory-group.ts';
import { memoryHierarchy } from '../../src/linux/memory-hierarchy.ts';
import { schemaErrors } from '../schema.ts';
import { type Daemon, removeGroups, startDocker, unavailable } from './daemon.ts';
import { killerScenes, toldBy } from './killer-scenes.ts';
import { Watching } from './watching.ts';

const reason = unavailable('dockerd', 'docker', 'busybox', 'script');

describe.skipIf(reason !== undefined)(`the author of exit code 137${reason ? `: ${reason}` : ''}`, () => {
  let docker: Daemon;
  let slice: MemoryGroup;
  let watch: Watching;
  beforeAll(async () => {
    docker = await startDocker();
    slice = createMemoryGroup({
      ...{ limitBytes: 48 * 2 ** 20, parent: memoryHierarchy()?.mount as string },
      name: `oomscope-${process.pid}-killers`,
    });
    watch = await Watching.start(['docker', 'watch', '--json', '--socket', docker.socket]);
  }, 120_000);
  afterAll(async () => {
    await watch?.[Symbol.asyncDispose]();
    await docker?.close();
    slice?.remove();
    if (slice) removeGroups([slice.cgroupPath]);
  }, 60_000);

  for (const [i, scene] of killerScenes.entries()) {
    test.skipIf(scene.unavailable !== undefined)(scene.kind, async () => {
      const name = `scene-${i}`;
      const truth = await scene.play({ daemon: docker, slice }, name);
      const end = await watch.end(name, truth.type);
      expect(toldBy(end, truth), end.message).toEqual(truth);
      expect(schemaErrors(end)).toEqual([]);
    });
  }
});
