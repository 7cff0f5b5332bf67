/** A reader with a fault that needs three words in one input, for the test of the fuzzer. */
export function planted(bytes: Buffer): void {
  const text = bytes.toString('latin1');
  if (!text.includes('red')) return;
  if (!text.includes('green')) return;
  if (text.includes('blue')) throw new Error('the planted fault');
}
