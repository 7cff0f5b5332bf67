/** What the page draws from events and cgroups, as HTML. */
import { expect, it } from 'vitest';
import { rowsTable } from '../../src/web/page/rows.ts';
import { treemap } from '../../src/web/page/treemap.ts';
import type { ListRow } from '../../src/web/wire.ts';

const row = (container: string | null) =>
  ({
    id: 'a-1',
    node: 'vm',
    timeMs: 0,
    kind: 'killed',
    logged: false,
    message: 'x was killed',
    container,
    pod: null,
    unit: null,
  }) as ListRow;

it('has a column for the place only if an event has a place', () => {
  expect(rowsTable([row(null)])).not.toContain('where');
  const table = rowsTable([row(null), row('shop-db')]);
  expect(table).toContain('<th scope="col">where</th>');
  expect(table.match(/<td class="dim where"/g)).toHaveLength(2);
  expect(rowsTable([row(null)], true)).toContain('<td class="dim where" title="vm">vm</td>');
});

it('draws free memory beside the cgroups, so that no cache is drawn twice', () => {
  const machine = { timeMs: 0, total: 2 ** 34, available: 2 ** 33, free: 2 ** 31, swapTotal: 0, swapFree: 0 };
  expect(treemap([], { ...machine, some: null, full: null }, 600, undefined)).toContain('free: 2 GiB');
});
