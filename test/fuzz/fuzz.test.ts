import { describe, expect, test } from 'vitest';
import { fuzz } from './guided.ts';
import { planted } from './planted.ts';
import { saved, seeds } from './seeds.ts';
import { targets } from './targets.ts';

describe.each(Object.entries(targets))('%s', (name, target) => {
  test('reads the inputs that fuzzing found', async () => {
    for (const input of saved(name)) await target(input);
  });

  test('reads inputs that are changed at random, guided by coverage', async () => {
    const { kept, runs } = await fuzz(target, { seeds: seeds()[name] ?? [], seed: 7, runs: 300 });
    expect(runs).toBe(300);
    expect(kept.length).toBeGreaterThan(1); // otherwise nothing guides the fuzzer
  });
});

test('the fuzzer finds a fault that needs three words in one input', async () => {
  const words = ['red', 'green', 'blue', 'cyan', 'black', 'white'].map((word) => Buffer.from(`${word} `));
  const found = fuzz(planted, { seeds: words, seed: 1, runs: 20_000, code: /planted/ });
  await expect(found).rejects.toThrow('the planted fault');
});
