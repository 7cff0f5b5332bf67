/** Finds rules that are valid TOML but cannot work: their conditions can never hold, or a step can never be reached. */
import type { Detector, Rule, Step } from '../guard/rules/rule.ts';
import { stepNames, steps } from '../guard/steps/steps.ts';
import type { Faults } from './fault.ts';

export function checkRules(rules: readonly Rule[], path: string, faults: Faults): void {
  const names = new Map<string, number>();
  for (const [i, rule] of rules.entries()) {
    const at = `${path}[${i}]`;
    const other = names.get(rule.name);
    if (other !== undefined) {
      faults.add(
        `${at}.name`,
        `expected a unique name, got "${rule.name}", the name of rule ${other + 1}: choose another.`,
      );
    }
    names.set(rule.name, i);
    checkDetectors(rule.when, `${at}.when`, faults);
    if (rule.when.every(isAlwaysTrue))
      faults.add(`${at}.when`, 'these conditions always hold, so the rule would never stop killing: lower a limit.');
    checkSteps(rule.steps, `${at}.steps`, faults);
    for (const [j, { if: conditions, atOnce }] of rule.steps.entries()) {
      checkDetectors(conditions, `${at}.steps[${j}].if`, faults);
      checkDetectors(atOnce, `${at}.steps[${j}].at_once`, faults);
    }
  }
}

/** Smallest and largest value that a metric can have. */
function range({ unit, metric }: Detector): [number, number] {
  if (metric.name === 'rounds_left') return [0, 16];
  if (metric.name === 'growth') return [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  return [0, unit === 'percent' ? 100 : Number.POSITIVE_INFINITY];
}

function checkDetectors(detectors: readonly Detector[], path: string, faults: Faults): void {
  for (const [i, detector] of detectors.entries()) {
    const { operator, limit, text } = detector;
    const [least, most] = range(detector);
    const never = { '<': limit <= least, '<=': limit < least, '>': limit >= most, '>=': limit > most }[operator];
    if (never) {
      const bounds = most === Number.POSITIVE_INFINITY ? `never below ${least}` : `from ${least} to ${most}`;
      faults.add(`${path}[${i}]`, `"${text}" can never hold: the value is ${bounds}.`);
    }
    const contradiction = detectors.slice(0, i).find((other) => excludes(other, detector));
    if (contradiction)
      faults.add(`${path}[${i}]`, `"${text}" and "${contradiction.text}" can never hold at the same time: remove one.`);
  }
}

function excludes(a: Detector, b: Detector): boolean {
  const same = a.place === b.place && a.unit === b.unit && JSON.stringify(a.metric) === JSON.stringify(b.metric);
  if (!same || isBelow(a) === isBelow(b)) return false;
  const [below, above] = isBelow(a) ? [a, b] : [b, a];
  const strict = below.operator === '<' || above.operator === '>';
  return strict ? below.limit <= above.limit : below.limit < above.limit;
}

const isBelow = ({ operator }: Detector) => operator === '<' || operator === '<=';

function isAlwaysTrue(detector: Detector): boolean {
  const { operator, limit, forMs } = detector;
  const [least, most] = range(detector);
  if (forMs > 0) return false;
  return { '<': limit > most, '<=': limit >= most, '>': limit < least, '>=': limit <= least }[operator];
}

function checkSteps(ladder: readonly Step[], path: string, faults: Faults): void {
  for (const [i, step] of ladder.entries()) {
    const at = `${path}[${i}]`;
    const before = ladder.slice(0, i);
    const { hardness } = steps[step.do];
    const harder = before.find((other) => hardness > 0 && steps[other.do].hardness > hardness);
    if (harder)
      faults.add(
        at,
        `"${step.do}" is milder than the step "${harder.do}" before it and would come too late: move it up.`,
      );
    const killed = before.find((other) => steps[other.do].signal === 'SIGKILL' && other.if.length === 0);
    if (killed && hardness > 0) {
      faults.add(at, 'the step "kill" comes before this step, so this step can never be reached: remove it.');
    }
    const endless = before.find(({ waitMs, if: conditions }) => waitMs === Infinity && conditions.length === 0);
    const early = ladder.slice(i).some(({ atOnce }) => atOnce.length > 0);
    if (endless && !early) {
      faults.add(
        at,
        `the step "${endless.do}" before this step waits for ever, so this step can never be reached: give it "at_once".`,
      );
    }
  }
  const unfinished = ladder.find(
    ({ do: name }, i) => steps[name].notLast !== undefined && !ladder.slice(i).some(isHarderSignal(name)),
  );
  if (!unfinished) return;
  const harder = stepNames.filter((name) => isHarderSignal(unfinished.do)({ do: name }));
  const expected = `expected "${harder.join('" or "')}" after "${unfinished.do}"`;
  faults.add(`${path}[${ladder.length - 1}]`, `${expected}: ${steps[unfinished.do].notLast}.`);
}

const isHarderSignal =
  (than: Step['do']) =>
  ({ do: name }: Pick<Step, 'do'>): boolean =>
    steps[name].signal !== undefined && steps[name].hardness > steps[than].hardness;
