import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Btf } from '../../../src/bpf/libbpf/index.ts';
import { gfpBits } from '../../../src/bpf/load/gfp.ts';
import { type GfpBits, gfpNames } from '../../../src/kernel-facts/gfp-names.ts';
import { hasKernelBtf } from '../../../src/linux/capabilities.ts';

/** The bits of a kernel whose BTF has no enum of them: 5.10 to 6.9. */
const macros = gfpBits({ enumStartingWith: () => undefined } as unknown as Btf);

test.each([
  ['0xcc0', 'GFP_KERNEL'],
  ['0x140cca', 'GFP_HIGHUSER_MOVABLE|__GFP_COMP'],
  ['0x100cca', 'GFP_HIGHUSER_MOVABLE'],
  ['0x40cc0', 'GFP_KERNEL|__GFP_COMP'],
  ['0x400cc0', 'GFP_KERNEL_ACCOUNT'],
  ['0x440dc0', 'GFP_KERNEL_ACCOUNT|__GFP_ZERO|__GFP_COMP'],
  ['0xc40', 'GFP_NOFS'],
  ['0xc00', 'GFP_NOIO'],
  ['0x101cca', 'GFP_HIGHUSER_MOVABLE|__GFP_WRITE'],
  ['0x100cc0', 'GFP_USER'],
  ['0x100cc2', 'GFP_HIGHUSER'],
  ['0x1c20ca', 'GFP_TRANSHUGE_LIGHT'],
  ['0x1c24ca', 'GFP_TRANSHUGE'],
])('%s is named as the kernel’s log names it: %s', (mask, names) => {
  expect(gfpNames(Number(mask), macros)).toBe(names);
});

test('prints bits without a name as a number', () => {
  expect(gfpNames(0x8000_0cc0, macros)).toBe('GFP_KERNEL|0x80000000');
  expect(gfpNames(0, macros)).toBe('none');
});

/** `{ expression, "NAME" }` rows of the kernel's own table of flags, evaluated: names to masks. */
function kernelTable(): Map<string, bigint> {
  const folder = mkdtempSync(join(tmpdir(), 'oomscope-tracefs-'));
  execFileSync('mount', ['-t', 'tracefs', 'none', folder]);
  try {
    const text = readFileSync(join(folder, 'events/vmscan/mm_vmscan_direct_reclaim_begin/format'), 'utf8');
    const rows = [...text.matchAll(/\{\(?\s*(?:unsigned long\))?([^"{}]*), "(\w+)"\}/g)];
    return new Map(rows.map(([, expression = '', name = '']) => [name, evaluate(expression)]));
  } finally {
    execFileSync('umount', [folder]);
    rmdirSync(folder);
  }
}

/** C integer arithmetic of |, &, ~, <<, parentheses and casts. */
function evaluate(expression: string): bigint {
  const clean = expression
    .replace(/\(\s*(gfp_t|unsigned long|unsigned int)\s*\)/g, '')
    .replace(/(\d+|0x[0-9a-f]+)U?L*/gi, '$1n');
  if (!/^[\s\dxa-fn()|&~<]*$/i.test(clean)) throw new Error(`expected an integer expression, got ${expression}`);
  return BigInt.asUintN(32, new Function(`return ${clean}`)() as bigint);
}

describe.skipIf(process.geteuid?.() !== 0 || !hasKernelBtf())('on the running kernel', () => {
  let bits: GfpBits;
  let table: Map<string, bigint>;
  beforeAll(() => {
    const btf = Btf.ofKernel();
    bits = gfpBits(btf);
    btf.free();
    table = kernelTable();
  });
  afterAll(() => table.clear());

  test('has every bit at the same position as the kernel', () => {
    expect(table.size).toBeGreaterThan(20);
    let compared = 0;
    for (const [name, bit] of Object.entries(bits)) {
      const mask = table.get(`__GFP_${name}`);
      if (mask === undefined) continue; // debugging only: LAST, NOLOCKDEP
      expect([name, BigInt(bit)]).toEqual([name, mask]);
      compared++;
    }
    expect(compared).toBeGreaterThan(18);
  });

  test('has every name that the kernel prints', () => {
    const wrong: string[] = [];
    for (const [name, mask] of table) {
      // Like the kernel, formatGfp() prints the first row that matches. Rows with the same mask are skipped here.
      const first = [...table].find(([, other]) => other === mask)?.[0] ?? name;
      const ours = gfpNames(Number(mask), bits);
      if (ours !== first) wrong.push(`0x${mask.toString(16)}: the kernel says ${first}, got ${ours}`);
    }
    expect(wrong).toEqual([]);
  });

  test('prints the masks of real allocations as the kernel does', () => {
    const named = (...names: string[]) => Number(names.reduce((sum, name) => sum | (table.get(name) ?? 0n), 0n));
    for (const names of [
      ['GFP_KERNEL', '__GFP_COMP'],
      ['GFP_HIGHUSER_MOVABLE', '__GFP_COMP'],
      ['GFP_HIGHUSER_MOVABLE', '__GFP_WRITE'],
      ['GFP_KERNEL_ACCOUNT', '__GFP_ZERO'],
      ['GFP_NOFS', '__GFP_NOFAIL'],
      ['GFP_USER', '__GFP_NORETRY'],
    ]) {
      expect(gfpNames(named(...names), bits)).toBe(names.join('|'));
    }
  });

  test('the kernel’s bits differ from the macros of 5.10 to 6.9 only by new names', () => {
    const moved = Object.entries(bits).filter(([name, bit]) => name in macros && macros[name] !== bit);
    expect(moved).toEqual([]);
  });
});
