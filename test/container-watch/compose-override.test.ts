import { expect, test } from 'vitest';
import { composeOverride } from '../../src/container-watch/compose-override.ts';
import type { LimitAdvice } from '../../src/container-watch/limit-advice.ts';

const MIB = 2 ** 20;
const advice = (limit: number, reason = 'Why.'): LimitAdvice => ({
  ...{ limit_bytes: limit, reservation_bytes: 16 * MIB, change: 'set', confidence: 'fair', reasons: [reason] },
});

test('writes the limits of a service', () => {
  expect(composeOverride([{ service: 'web', container: 'shop-web-1', advice: advice(96 * MIB) }])).toBe(
    `# Advised by oomscope. Read with: docker compose -f compose.yaml -f THIS_FILE up -d
services:
  # shop-web-1:
  #   Why.
  "web":
    mem_limit: 96m  # 96 MiB
    mem_reservation: 16m  # a soft limit, not a guarantee
    memswap_limit: 96m  # equal to mem_limit: no swap
`,
  );
});

test('gives all replicas of a service the highest limit that one of them needs', () => {
  const text = composeOverride([
    { service: 'web', container: 'a', advice: advice(96 * MIB) },
    { service: 'web', container: 'b', advice: advice(128 * MIB) },
  ]);
  expect(text.match(/"web":/g)).toHaveLength(1);
  expect(text).toContain('mem_limit: 128m');
});

test('quotes names, so that they cannot change the structure of the file', () => {
  const hostile = 'x"\n  evil:\n    privileged: true #';
  const text = composeOverride([{ service: hostile, container: hostile, advice: advice(MIB, hostile) }]);
  const keys = text.split('\n').filter((line) => /^ {0,4}[^ #]/.test(line));
  expect(keys).toEqual([
    'services:',
    `  ${JSON.stringify(hostile)}:`,
    '    mem_limit: 1m  # 1 MiB',
    '    mem_reservation: 16m  # a soft limit, not a guarantee',
    '    memswap_limit: 1m  # equal to mem_limit: no swap',
  ]);
});
