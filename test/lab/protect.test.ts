/**
 * Tests, in a guest, `oomscope protect` with values below 0, which need CAP_SYS_RESOURCE, and the kill that follows.
 */
import { expect, test } from 'vitest';
import { bootGuest, lastLines } from '../../scripts/lab/guest.ts';

/** A database of 40 MB and a hog of 20 MB, in a cgroup that a second hog fills: the kernel must kill the hog. */
const script = `
oomscope() { node dist/cli/main.js "$@"; }
value() { echo "{\\"$1\\":$(cat /proc/$2/oom_score_adj)}"; }
cp build/hog /run/mariadbd
mkdir /sys/fs/cgroup/shared
echo 100M >/sys/fs/cgroup/shared/memory.max
hold() { "$1" --cgroup /sys/fs/cgroup/shared --hold $2 >/run/$3.log & eval $3=$!
	until grep -q ready /run/$3.log; do sleep 0.2; done; }

hold /run/mariadbd 40M first
value found $first
oomscope protect apply database --json 2>/run/apply.log
value applied $first
oomscope protect undo --json
value undone $first

node dist/cli/main.js protect apply database --watch --json 2>/run/watch.log &
watch=$!
until grep -q Watching /run/watch.log; do sleep 0.2; done
kill $first; wait $first
hold /run/mariadbd 40M second
until [ "$(cat /proc/$second/oom_score_adj)" = -600 ]; do sleep 0.2; done
value watched $second
hold build/hog 20M hog
build/hog --cgroup /sys/fs/cgroup/shared --max 200M --comm filler >/run/filler.log &
filler=$!
wait $filler; echo "{\\"filler\\":$?}"
kill $watch; wait $watch
oomscope protect undo --json
value undone $second
cat /run/watch.log >&2
`;

test('spares a database, and restores its old value at the end', { timeout: 400_000 }, async () => {
  const command = ['sh', '-c', script];
  const result = await bootGuest({ kernel: '6.12', cgroup: 'v2', memoryMib: 1024, limitSeconds: 300, command });
  expect(result.timedOut || result.panicked ? lastLines(result) : '').toBe('');
  const lines = result.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const first = { before: 0, after: -600 };
  expect(lines, result.stderr).toMatchObject([
    { found: 0 },
    { ...first, outcome: 'done', matched_by: 'exe', matched: 'mariadbd', warnings: [] },
    { applied: -600 },
    { ...first, outcome: 'restored' },
    { undone: 0 },
    { ...first, outcome: 'done', exec_to_written_ns: null }, // the process ran before the watch began
    { ...first, outcome: 'done', exec_to_written_ns: expect.any(Number) },
    { watched: -600 },
    { filler: 137 },
    { ...first, outcome: 'gone' },
    { ...first, outcome: 'restored' },
    { undone: 0 },
  ]);
});
