/**
 * A shell command as the whole of a guest's: tried again when a signal ended it, for in the emulation V8 ends some starts of
 * Node by itself (see lab.test.ts). What it says is that of its last run.
 */
export function again(command: string): string[] {
  const loop = `for i in 1 2 3 4 5; do sh -c "$COMMAND" >/tmp/out 2>/tmp/err; code=$?; [ $code -lt 128 ] && break; done`;
  // The shell's own word about a process that died of a signal is no news.
  return [
    'env',
    `COMMAND=${command}`,
    'sh',
    '-c',
    `exec 3>&2 2>/dev/null; ${loop}; cat /tmp/out; cat /tmp/err >&3; exit $code`,
  ];
}
