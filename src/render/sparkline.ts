const bars = [...'▁▂▃▄▅▆▇█'];

/**
 * A row of bars, one for each value, from `least` (lowest bar) to `most` (full height); a blank for an unknown value.
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
