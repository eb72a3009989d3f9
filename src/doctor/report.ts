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

export const ok = (check: string, found: string): Finding => ({ check, status: 'ok', found });

export const warning = (check: string, found: string, change?: string): Finding => ({
  check,
  status: 'warning',
  found,
  ...(change !== undefined && { change }),
});

export const problem = (check: string, found: string, change: string): Finding => ({
  check,
  status: 'problem',
  found,
  change,
});

/** One line a finding, with the change below it, and a last line that counts. */
export function describe(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  const lines = findings.flatMap(({ status, check, found, change }) => [
    `${status.padEnd(7)}  ${check.padEnd(width)}  ${found}`,
    ...(change !== undefined ? [`${' '.repeat(9 + width)}  -> ${change}`] : []),
  ]);
  const count = (status: Status) => findings.filter((finding) => finding.status === status).length;
  const summary = `${count('ok')} ok, ${count('warning')} warnings, ${count('problem')} problems`;
  return [...lines, '', summary, ''].join('\n');
}
