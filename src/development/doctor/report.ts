// What the doctor finds: one line per check, and for a problem the line to change.

export type Status = 'ok' | 'warning' | 'problem';

export interface Finding {
  /** What was looked at, such as `issuer` or `redirect URI`. */
  check: string;
  status: Status;
  found: string;
  /** The line of .env (or the place) to change. Never a secret. */
  change?: string;
}

/** All is well: takes what was looked at and what was seen. */
export const ok = (check: string, found: string): Finding => ({ check, status: 'ok', found });

/** It works, or cannot be looked at, but is worth a thought; exit code 0. */
export const warning = (check: string, found: string, change?: string): Finding => ({
  check,
  status: 'warning',
  found,
  ...(change !== undefined && { change }),
});

/** It does not work; `change` is what to do about it. Exit code 1. */
export const problem = (check: string, found: string, change: string): Finding => ({
  check,
  status: 'problem',
  found,
  change,
});

/** "1 warning", "2 warnings": takes a count and a noun whose plural ends in s. */
export const counted = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** The report for people: one line a finding, the change below it, and a last line that counts. */
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

/**
 * IMPORTANT: an issuer's words are untrusted; a control character in them could rewrite the
 * terminal.
 */
const printable = (text: string) => text.replaceAll(/[\p{Cc}\p{Cf}]/gu, '').slice(0, 500);
