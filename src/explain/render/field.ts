/** A field of a report with its value and its meaning. */
import { formatBytes } from '../../text/format.ts';
import { printable } from '../../text/printable.ts';

/** All three texts are without control characters. */
export interface Field {
  /** The kernel's name, where it has one. */
  name: string;
  value: string;
  /** "": the value says all, or the field is unknown. */
  meaning: string;
}

export interface FieldGroup {
  title: string;
  fields: Field[];
}

/** A size in bytes. No field when it is null. */
export const size = (name: string, bytes: number | null | undefined, meaning: string): Field[] =>
  bytes == null ? [] : [{ name, value: exactly(bytes), meaning }];

/** "71.2 MiB (72884 kB)": the size for people, and, where that is rounded, the figure as the kernel prints it. */
export function exactly(bytes: number): string {
  const rounded = formatBytes(bytes);
  return rounded.includes('.') && bytes % 1024 === 0 ? `${rounded} (${bytes / 1024} kB)` : rounded;
}

/** A number or a text from the log. No field when it is null or empty. */
export const plainField = (name: string, value: string | number | null | undefined, meaning: string): Field[] =>
  value == null || value === '' ? [] : [{ name, value: printable(String(value)), meaning }];
