import { readIfPresent } from './read-if-present.ts';

/**
 * How many CPUs of the machine are online, whatever share of them this process may use (os.availableParallelism() counts that).
 * @throws never; 1 if the file cannot be read
 */
export function onlineCpus(path = '/sys/devices/system/cpu/online'): number {
  const parts = (readIfPresent(path)?.trim() || '0').split(',');
  return parts.reduce((sum, part) => {
    const [from = 0, to = from] = part.split('-').map(Number);
    return sum + to - from + 1;
  }, 0);
}
