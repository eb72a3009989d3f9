// The doctor's findings: one line per check, and for a problem, the line to change.

export type Status = 'ok' | 'warning' | 'problem';

export interface Finding {
  /** The name of the check, such as `issuer` or `redirect URI`. */
  check: string;
  status: Status;
  found: string;
  /** The line of .env to change, or where else to make the change. Never a secret. */
  change?: string;
}

/** Nothing is wrong: takes the name of the check and what was found. */
export const ok = (check: string, found: string): Finding => ({ check, status: 'ok', found });

/** It works but deserves attention, or it cannot be checked; exit code 0. */
export const warning = (check: string, found: string, change?: string): Finding => ({
  check,
  status: 'warning',
  found,
  ...(change !== undefined && { change }),
});

/** It does not work; `change` says how to fix it. Exit code 1. */
export const problem = (check: string, found: string, change: string): Finding => ({
  check,
  status: 'problem',
  found,
  change,
});

/** "1 warning", "2 warnings": takes a count and a noun with a regular plural. */
export const counted = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** Formats the report: one line per finding, the change below it, and a last line with counts. */
export function describe(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  const lines = findings.flatMap(({ status, check, found, change }) => [
    `${status.padEnd(7)}  ${check.padEnd(width)}  ${printable(found)}`,
    ...(change !== undefined ? [`${' '.repeat(9 + width)}  -> ${printable(change)}`] : []),
  ]);
  const count = (status: Status) => findings.filter((finding) => finding.status === status).length;
  const rest = [counted(count('warning'), 'warning'), counted(count('problem'), 'problem')];
  return [...lines, '', `${count('ok')} ok, ${rest.join(', ')}`, ''].join('\n');
}

/** IMPORTANT: text from an issuer is untrusted; a control character could rewrite the terminal. */
const printable = (text: string) => text.replaceAll(/[\p{Cc}\p{Cf}]/gu, '').slice(0, 500);
