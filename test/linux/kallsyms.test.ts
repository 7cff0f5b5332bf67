import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { KernelSymbols, kernelFunctions } from '../../src/linux/kallsyms.ts';

const directory = mkdtempSync(join(tmpdir(), 'kallsyms-'));
afterAll(() => rmSync(directory, { recursive: true }));

function file(text: string): string {
  const path = join(directory, 'kallsyms');
  writeFileSync(path, text);
  return path;
}

const text = `ffffffff81000000 T _stext
ffffffff81000100 t do_swap_page
ffffffff81000100 t an_alias
ffffffff81000300 t try_charge_memcg.isra.0
ffffffff81000400 t reclaim_high.cold
ffffffff81000500 D some_data
ffffffff81000600 T last
ffffffffc0000000 t do_swap_page	[module]
`;

test('finds functions, their ends and .isra variants, but no .cold parts and no functions of modules', () => {
  expect(kernelFunctions(['do_swap_page', 'try_charge_memcg', 'reclaim_high', 'absent'], file(text))).toEqual([
    { name: 'do_swap_page', from: 0xffffffff81000100n, to: 0xffffffff81000300n },
    { name: 'try_charge_memcg', from: 0xffffffff81000300n, to: 0xffffffff81000400n },
  ]);
});

test('converts addresses to a function name and an offset', () => {
  const symbols = new KernelSymbols(file(text));
  expect(symbols.name(0xffffffff81000310n)).toBe('try_charge_memcg.isra.0+0x10');
  expect(symbols.name(0xffffffff81000600n)).toBe('last+0x0');
  expect(symbols.name(0x10n)).toBe('0x10');
});

test('finds nothing if addresses are hidden or the file is missing', () => {
  const hidden = file('0000000000000000 t do_swap_page\n0000000000000000 T last\n');
  expect(kernelFunctions(['do_swap_page'], hidden)).toEqual([]);
  expect(new KernelSymbols(hidden).name(0xffffffff81000310n)).toBe('0xffffffff81000310');
  expect(kernelFunctions(['do_swap_page'], join(directory, 'absent'))).toEqual([]);
});

test('reads lines that two reads of the file split', () => {
  const filler = Array.from({ length: 5000 }, (_, i) => `ffffffff80${i.toString(16).padStart(6, '0')} t filler_${i}\n`);
  const found = kernelFunctions(['do_swap_page', 'filler_4999'], file(filler.join('') + text));
  expect(found.map(({ name }) => name)).toEqual(['filler_4999', 'do_swap_page']);
});
