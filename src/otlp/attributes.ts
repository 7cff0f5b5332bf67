/** Attributes of OTLP. */

export type AttributeValue = string | number | boolean | readonly string[];

/** Longest value, in characters. A path of a cgroup may have 65,536. */
const MOST = 4096;

/** Attributes in the form of OTLP's JSON. Values that are null, undefined or not finite are left out: they are unknown. */
export function attributesOf(values: Readonly<Record<string, AttributeValue | null | undefined>>): object[] {
  return Object.entries(values).flatMap(([key, value]) => {
    const shown = value === null || value === undefined ? undefined : anyValue(value);
    return shown === undefined ? [] : [{ key, value: shown }];
  });
}

export function anyValue(value: AttributeValue): object | undefined {
  if (typeof value === 'string') return { stringValue: value.slice(0, MOST).toWellFormed() };
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value !== 'number') return { arrayValue: { values: value.map((each) => anyValue(each)) } };
  if (Number.isSafeInteger(value)) return { intValue: String(value) };
  return Number.isFinite(value) ? { doubleValue: value } : undefined;
}
