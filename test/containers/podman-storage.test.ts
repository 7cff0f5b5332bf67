import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseStored, storedContainers } from '../../src/containers/podman-storage.ts';

const podman = { id: 'aa', names: ['web'], metadata: '{"image-name":"localhost/box:1","name":"web"}' };
const crio = {
  id: 'bb',
  names: ['k8s_web_shop-1_shop_7c2b_0'],
  metadata: JSON.stringify({
    ...{ 'pod-name': 'shop-1', 'pod-id': 'cc', 'image-name': 'registry/shop:2', 'metadata-name': 'web', uid: '7c2b' },
    ...{ namespace: 'shop' },
  }),
};

test('reads the lists of Podman and CRI-O', () => {
  expect(parseStored(JSON.stringify([podman, crio]))).toMatchObject([
    { container: { runtime: 'podman', id: 'aa', name: 'web', image: 'localhost/box:1' }, pod: null },
    {
      container: { runtime: 'cri-o', id: 'bb', name: 'web', image: 'registry/shop:2' },
      pod: { uid: '7c2b', name: 'shop-1', namespace: 'shop' },
    },
  ]);
});

test.each(['', '[', 'null', '{}', '[null]', '[1]', '[{"id":1}]', '[[]]'])(
  'finds no container in the malformed list %s',
  (json) => {
    expect(parseStored(json)).toEqual([]);
  },
);

test.each(['', '[', 'null', '"x"', '{"name":7}'])(
  'reads the id from an entry with the metadata %s, and the name if the entry has a name',
  (metadata) => {
    expect(parseStored(JSON.stringify([{ id: 'aa', names: ['web'], metadata }]))).toMatchObject([
      { container: { id: 'aa', name: 'web', image: null } },
    ]);
  },
);

test('reads every storage driver of every home, and leaves out what cannot be read', async () => {
  const home = mkdtempSync(join(tmpdir(), 'oomscope-storage-'));
  try {
    for (const [user, driver, list] of [
      ['anna', 'overlay-containers', JSON.stringify([podman])],
      ['bert', 'vfs-containers', JSON.stringify([crio])],
      ['bert', 'overlay-containers', 'broken'],
      ['carl', 'overlay-layers', '[]'],
    ] as const) {
      mkdirSync(join(home, user, 'storage', driver), { recursive: true });
      writeFileSync(join(home, user, 'storage', driver, 'containers.json'), list);
    }
    const found = storedContainers({ homes: [join(home, '*', 'storage'), join(home, 'none')] });
    expect(found.map(({ container }) => container.id).sort()).toEqual(['aa', 'bb']);
  } finally {
    rmSync(home, { recursive: true });
  }
});
