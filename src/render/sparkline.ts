const bars = [...'▁▂▃▄▅▆▇█'];

/**
 * A row of bars, one for each value, from `least` (the lowest) to `most` (the full height); a blank where it is not known.
 */
export function sparkline(values: readonly (number | null)[], least: number, most: number): string {
  const span = most - least || 1;
  return values
    .map((value) => {
      if (value === null || Number.isNaN(value)) return ' ';
      const height = Math.floor(((value - least) / span) * bars.length);
      return bars[Math.min(bars.length - 1, Math.max(0, height))];
    })
    .join('');
}
