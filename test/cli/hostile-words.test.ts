/** Errors escape control and bidirectional characters in the user's words, because a log may be read on a terminal. */
import { describe, expect, it } from 'vitest';
import { oomscope } from './cli.ts';

const WORD = 'a\x1b[2J\r\n\u202e\u009b\u2028b';

describe('words with control characters', () => {
  it.each([
    [[WORD]],
    [['trace', WORD]],
    [['trace', `--${WORD}`]],
    [['trace', '--duration', WORD]],
    [['trace', '--kind', WORD]],
    [['trace', '--ring', WORD]],
    [['trace', '--alert', WORD]],
    [['trace', '--alert', `webhook=https://h/ ${WORD}=1`]],
    [['trace', '--alert', `webhook=https://h/ min=${WORD}`]],
    [['trace', '--alert', `webhook=https://h/ timeout=${WORD}`]],
    [['trace', '--alert', `webhook=https://h/ key-file=/${WORD}`]],
    [['trace', '--alert', `webhook=https://h/ key-env=${WORD}`]],
    [['trace', '--alert', `file=/nowhere/${WORD}`]],
    [['trace', '--alert', `exec=${WORD}`]],
    [['trace', '--alert', `journald spool=/nowhere/${WORD}`]],
    [['alert', 'test', WORD]],
    [['alert', WORD]],
    [['config', WORD]],
    [['config', 'check', WORD]],
    [['config', 'check', `-${WORD}`]],
    [['config', 'import', WORD, 'x']],
    [['config', 'import', 'earlyoom', WORD]],
    [['run', '--config', WORD]],
    [['guard', '--when', WORD]],
    [['guard', '--when', `${WORD} < 5 %`]],
    [['guard', '--cgroup', WORD]],
    [['guard', '--avoid', `(${WORD}`]],
    [['guard', '--config', WORD]],
    [['systemd', WORD]],
    [['explain', WORD]],
    [['replay', WORD]],
    [['protect', WORD]],
    [['docker', WORD]],
    [['pressure', '--cgroup', WORD]],
    [['scores', `--${WORD}`]],
  ])('%j are escaped in the error', async (args) => {
    const { code, stdout, stderr } = await oomscope(args);
    expect(stderr).toMatch(/^oomscope: /);
    expect(stderr).not.toMatch(/[^\P{Cc}\n]|\p{Cf}|\p{Zl}/u);
    expect(stdout).not.toMatch(/[^\P{Cc}\n]|\p{Cf}|\p{Zl}/u);
    expect(code).toBeGreaterThan(0);
  });
});
