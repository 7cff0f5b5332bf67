/**
 * The messages of OTLP 1 that oomscope sends, as tables: opentelemetry/proto of the specification. A message is an object
 * in the form of OTLP's JSON, from which JSON needs no conversion, and protobuf follows by these tables.
 */

/** 64-bit integers are decimal strings, as in JSON. */
export type Scalar = 'string' | 'bool' | 'double' | 'int64' | 'fixed64' | 'sfixed64' | 'enum' | 'uint32';

export interface Field {
  number: number;
  /** A function, because a value may contain values. */
  type: Scalar | (() => Message);
  repeated?: true;
}

export type Message = Readonly<Record<string, Field>>;

const one = (number: number, type: Field['type']): Field => ({ number, type });
const many = (number: number, type: Field['type']): Field => ({ number, type, repeated: true });

const ArrayValue: Message = { values: many(1, () => AnyValue) };
const AnyValue: Message = {
  stringValue: one(1, 'string'),
  boolValue: one(2, 'bool'),
  intValue: one(3, 'int64'),
  doubleValue: one(4, 'double'),
  arrayValue: one(5, () => ArrayValue),
};
const KeyValue: Message = { key: one(1, 'string'), value: one(2, () => AnyValue) };
const Resource: Message = { attributes: many(1, () => KeyValue) };
const Scope: Message = { name: one(1, 'string'), version: one(2, 'string') };

const LogRecord: Message = {
  timeUnixNano: one(1, 'fixed64'),
  severityNumber: one(2, 'enum'),
  severityText: one(3, 'string'),
  body: one(5, () => AnyValue),
  attributes: many(6, () => KeyValue),
  droppedAttributesCount: one(7, 'uint32'),
  observedTimeUnixNano: one(11, 'fixed64'),
  eventName: one(12, 'string'),
};
const ScopeLogs: Message = { scope: one(1, () => Scope), logRecords: many(2, () => LogRecord) };
const ResourceLogs: Message = { resource: one(1, () => Resource), scopeLogs: many(2, () => ScopeLogs) };
/** opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest */
export const LogsRequest: Message = { resourceLogs: many(1, () => ResourceLogs) };

const Exemplar: Message = {
  timeUnixNano: one(2, 'fixed64'),
  asDouble: one(3, 'double'),
  filteredAttributes: many(7, () => KeyValue),
};
const NumberDataPoint: Message = {
  startTimeUnixNano: one(2, 'fixed64'),
  timeUnixNano: one(3, 'fixed64'),
  asDouble: one(4, 'double'),
  exemplars: many(5, () => Exemplar),
  attributes: many(7, () => KeyValue),
};
const HistogramDataPoint: Message = {
  startTimeUnixNano: one(2, 'fixed64'),
  timeUnixNano: one(3, 'fixed64'),
  count: one(4, 'fixed64'),
  sum: one(5, 'double'),
  bucketCounts: many(6, 'fixed64'),
  explicitBounds: many(7, 'double'),
  exemplars: many(8, () => Exemplar),
  attributes: many(9, () => KeyValue),
};
const Gauge: Message = { dataPoints: many(1, () => NumberDataPoint) };
const Sum: Message = {
  dataPoints: many(1, () => NumberDataPoint),
  aggregationTemporality: one(2, 'enum'),
  isMonotonic: one(3, 'bool'),
};
const Histogram: Message = { dataPoints: many(1, () => HistogramDataPoint), aggregationTemporality: one(2, 'enum') };
const Metric: Message = {
  name: one(1, 'string'),
  description: one(2, 'string'),
  unit: one(3, 'string'),
  gauge: one(5, () => Gauge),
  sum: one(7, () => Sum),
  histogram: one(9, () => Histogram),
};
const ScopeMetrics: Message = { scope: one(1, () => Scope), metrics: many(2, () => Metric) };
const ResourceMetrics: Message = { resource: one(1, () => Resource), scopeMetrics: many(2, () => ScopeMetrics) };
/** opentelemetry.proto.collector.metrics.v1.ExportMetricsServiceRequest */
export const MetricsRequest: Message = { resourceMetrics: many(1, () => ResourceMetrics) };
