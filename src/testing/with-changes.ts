/** Any of the fields of T, at any depth. A list can only be replaced as a whole. */
export type Changes<T> = T extends readonly unknown[] ? T : T extends object ? { [K in keyof T]?: Changes<T[K]> } : T;

/**
 * Copies an event and replaces some of its fields. The original is not changed.
 *
 * @param changes the fields to replace: `{ victim: { comm: 'db' }, limit: null }`
 */
export function withChanges<T extends object>(event: T, changes: Changes<T>): T {
  const copy = { ...event } as Record<string, unknown>;
  for (const [name, value] of Object.entries(changes)) {
    const before = copy[name];
    copy[name] = isPlain(before) && isPlain(value) ? withChanges(before, value) : value;
  }
  return copy as T;
}

const isPlain = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
