/** Formats numbers for people to read. */

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** Formats bytes as "63.8 MiB". */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return unit === 0 || Number.isInteger(value) ? `${value} ${units[unit]}` : `${value.toFixed(1)} ${units[unit]}`;
}

/** Formats nanoseconds as "85 µs", "2.4 ms" or "1.2 s". */
export function formatNs(ns: number): string {
  if (ns < 1e3) return `${ns} ns`;
  if (ns < 1e6) return `${trim(ns / 1e3)} µs`;
  if (ns < 1e9) return `${trim(ns / 1e6)} ms`;
  return `${trim(ns / 1e9)} s`;
}

/** Formats seconds as "0.4 s", "12 s", "3.5 min", "2.0 h" or "9.1 d". */
export function formatSpan(seconds: number): string {
  if (seconds < 90) return `${trim(seconds)} s`;
  if (seconds < 5400) return `${trim(seconds / 60)} min`;
  return seconds < 129600 ? `${trim(seconds / 3600)} h` : `${trim(seconds / 86400)} d`;
}

/** The difference of local time from UTC: "UTC+01:00". @param minutes as Date.getTimezoneOffset() returns them */
export function formatZone(minutes: number): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const ahead = Math.abs(minutes);
  return minutes === 0 ? 'UTC' : `UTC${minutes < 0 ? '+' : '-'}${two(Math.floor(ahead / 60))}:${two(ahead % 60)}`;
}

/** Formats bytes per second as "+1.2 MiB/s". */
export function formatRate(bytesPerSecond: number): string {
  return `${bytesPerSecond < 0 ? '−' : '+'}${formatBytes(Math.abs(bytesPerSecond))}/s`;
}

/** Formats 0.38 as "38 %". */
export const formatPercent = (share: number): string => `${Math.round(share * 100)} %`;

/** Formats 0.38 as "38 %". A share below a tenth gets one decimal: "3.8 %". */
export const formatShare = (share: number): string =>
  share < 0.1 ? `${(share * 100).toFixed(1)} %` : formatPercent(share);

function trim(value: number): string {
  return value < 10 ? value.toFixed(1) : String(Math.round(value));
}

/** Formats a bit mask as "0-3,8": the bits that are set. */
export function formatMask(mask: bigint): string {
  const ranges: string[] = [];
  const halves = [Number(BigInt.asUintN(32, mask)), Number(BigInt.asUintN(32, mask >> 32n))] as const;
  const isSet = (bit: number) => bit < 64 && (((halves[bit < 32 ? 0 : 1] as number) >>> (bit & 31)) & 1) === 1;
  for (let bit = 0; bit < 64; bit++) {
    if (!isSet(bit)) continue;
    const start = bit;
    while (isSet(bit + 1)) bit++;
    ranges.push(start === bit ? `${start}` : `${start}-${bit}`);
  }
  return ranges.join(',');
}

/** Formats nanoseconds since 1970 as RFC 3339 in UTC with nanoseconds. */
export function formatTime(epochNs: bigint): string {
  const seconds = new Date(Number(epochNs / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  return `${seconds}.${String(epochNs % 1_000_000_000n).padStart(9, '0')}Z`;
}
