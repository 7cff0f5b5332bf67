/** Quantities of Kubernetes, such as "128Mi" or "1.5G" (apimachinery, pkg/api/resource/quantity.go). */

const QUANTITY = /^\+?(\d+(?:\.\d*)?|\.\d+)(?:(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)|[eE]([+-]?\d{1,3}))?$/;
const FACTORS: Record<string, number> = {
  ...{ n: 1e-9, u: 1e-6, m: 1e-3, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18 },
  ...{ Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60 },
};

/** @returns bytes, rounded up as Kubernetes does; null: not a quantity, negative, or above 2^53 */
export function parseQuantity(value: unknown): number | null {
  const [, number, unit, exponent] = QUANTITY.exec(typeof value === 'number' ? String(value) : text(value)) ?? [];
  if (number === undefined) return null;
  const factor = unit !== undefined ? (FACTORS[unit] as number) : exponent !== undefined ? 10 ** Number(exponent) : 1;
  const bytes = Math.ceil(Number(number) * factor);
  return Number.isSafeInteger(bytes) ? bytes : null;
}

const UNITS: [string, number][] = [
  ['Gi', 2 ** 30],
  ['Mi', 2 ** 20],
  ['Ki', 2 ** 10],
];

/** The shortest quantity without decimals that has this value: "384Mi". */
export function writeQuantity(bytes: number): string {
  const [unit, factor] = UNITS.find(([, each]) => bytes > 0 && bytes % each === 0) ?? ['', 1];
  return `${bytes / factor}${unit}`;
}

const text = (value: unknown) => (typeof value === 'string' ? value : '');
