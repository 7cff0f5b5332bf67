import { expect, test } from 'vitest';
import { hotSpots, rowsOf, shortageOf } from '../../src/containers/hot-spots.ts';
import type { CgroupNode } from '../../src/model/cgroup-tree.ts';
import { plain } from '../../src/render/paint.ts';
import { renderTree } from '../../src/render/tree-view.ts';
import { ID } from '../container-watch/container-samples.ts';

const MIB = 2 ** 20;

function node(path: string, mib: number, parts: Partial<CgroupNode> = {}, children: CgroupNode[] = []): CgroupNode {
  const bytes = mib * MIB;
  return {
    ...{
      path,
      unit: null,
      pod: null,
      container: null,
      usage_bytes: bytes,
      working_set_bytes: bytes,
      limit_bytes: null,
    },
    ...{ full: null, some_avg10: 0, oom_kills: 0, oom_kills_seen: 0, growth_bytes_per_second: null, children },
    ...parts,
  };
}

const web = node(`/docker/${ID}`, 62, {
  ...{ limit_bytes: 64 * MIB, full: 62 / 64 },
  container: {
    runtime: 'docker',
    id: ID,
    name: 'web',
    image: 'shop:1',
    compose_project: null,
    compose_service: 'front',
  },
});
const tree = (hot: CgroupNode[] = [web]) =>
  node('/', 8000, { limit_bytes: 16_000 * MIB, full: 0.5, oom_kills: 7 }, [
    node('/big.slice', 5000, {}, [node('/big.slice/db.service', 5000, { unit: 'db.service' })]),
    node('/docker', 70, {}, [...hot, node('/docker/small', 3)]),
    node('/tiny', 1),
    node('/idle', 2, {}, [node('/idle/a', 1)]),
  ]);

test('rates how short of memory a cgroup is', () => {
  expect(shortageOf(node('/a', 1))).toBe(0);
  expect(shortageOf(node('/a', 1, { full: 0.8 }))).toBe(1);
  expect(shortageOf(node('/a', 1, { full: 0.95 }))).toBe(2);
  expect(shortageOf(node('/a', 1, { some_avg10: 3 }))).toBe(1);
  expect(shortageOf(node('/a', 1, { some_avg10: 30 }))).toBe(2);
  expect(shortageOf(node('/a', 1, { oom_kills: 3 }))).toBe(1);
  expect(shortageOf(node('/a', 1, { oom_kills: 3, oom_kills_seen: 1 }))).toBe(2);
  expect(shortageOf(node('/', 1, { oom_kills: 3 }))).toBe(0); // since boot, anywhere
});

test('names the deepest cgroup that is short of memory, and not its parents', () => {
  expect(hotSpots(tree()).map(({ path }) => path)).toEqual([web.path]);
  expect(hotSpots(tree([]))).toEqual([]);
  const above = node('/a', 9, { some_avg10: 40 }, [node('/a/b', 9, { some_avg10: 40 }), node('/a/c', 1)]);
  expect(hotSpots(node('/', 10, {}, [above])).map(({ path }) => path)).toEqual(['/a/b']);
});

test('shows the branches short of memory first, folds small and idle ones, and puts a chain on one line', () => {
  const rows = rowsOf(tree(), false).map((row) => ('rest' in row ? `… ${row.rest.count}` : row.name));
  expect(rows).toEqual(['/', 'docker', ID, '… 1', 'big.slice/db.service', '… 3']);
});

test('shows every cgroup with `all`', () => {
  const rows = rowsOf(tree(), true).map((row) => ('rest' in row ? 'rest' : row.node.path));
  expect(rows).toHaveLength(9);
  expect(rows).not.toContain('rest');
});

test('fits 80 and 200 columns, and says in the first line where to look', () => {
  for (const columns of [80, 200]) {
    const lines = renderTree(tree(), { columns, all: true, watched: true, paint: plain });
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
    expect(lines[0]).toBe('Look at web: 97 % of its limit');
    expect(lines.find((line) => line.includes('web  '))).toContain('front, shop:1, docker');
  }
  expect(renderTree(tree([]), { columns: 80, all: false, watched: false, paint: plain })[0]).toMatch(
    /^No cgroup is short of memory/,
  );
});

test('says that there were kills, even if no existing cgroup had one', () => {
  const verdict = (kills: number) =>
    renderTree(node('/', 8000, { oom_kills: kills }), { columns: 80, all: false, watched: false, paint: plain })[0];
  expect(verdict(0)).toBe('No cgroup is short of memory, and none had an OOM kill.');
  expect(verdict(5960)).toBe('No cgroup is short of memory; 5960 OOM kills since boot, in none of these.');
});
