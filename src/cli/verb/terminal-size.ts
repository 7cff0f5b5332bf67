/** The size assumed for a terminal that reports none, or 0, as serial consoles and `docker exec -t` do. */
const ASSUMED = { columns: 80, rows: 24 };

interface Sized {
  isTTY?: boolean;
  columns?: number;
  rows?: number;
}

/**
 * Columns of the terminal: COLUMNS from the environment when it is set, else what the terminal reports.
 *
 * @param elsewhere the result for a pipe or a file, which has no columns
 */
export function terminalColumns(
  stream: Sized = process.stdout,
  elsewhere = ASSUMED.columns,
  env = process.env,
): number {
  return fromEnvironment(env.COLUMNS) ?? (stream.columns || (stream.isTTY ? ASSUMED.columns : elsewhere));
}

/** Rows of the terminal: LINES from the environment when it is set, else what the terminal reports. */
export function terminalRows(stream: Sized = process.stdout, env = process.env): number {
  return fromEnvironment(env.LINES) ?? (stream.rows || ASSUMED.rows);
}

function fromEnvironment(value: string | undefined): number | undefined {
  return value !== undefined && /^[1-9]\d{0,3}$/.test(value) ? Number(value) : undefined;
}
