// Looks for planted values in whatever was written down, in every encoding it may have been given.

/** The forms in which a value may stand in a text, by the name of the encoding. */
function encodings(value: string): [name: string, form: string][] {
  const bytes = Buffer.from(value);
  const hex = bytes.toString('hex');
  return [
    ['plain', value],
    ['UTF-8 read as Latin-1', bytes.toString('latin1')],
    ['JSON', JSON.stringify(value).slice(1, -1)],
    [
      'JSON in ASCII',
      JSON.stringify(value)
        .slice(1, -1)
        .replaceAll(/[^ -~]/g, escaped),
    ],
    ['URL', encodeURIComponent(value)],
    ['form', new URLSearchParams([['', value]]).toString().slice(1)],
    ['hex', hex],
    ['HEX', hex.toUpperCase()],
    ...[0, 1, 2].flatMap((shift) => base64Core(bytes, shift)),
  ];
}

const escaped = (character: string) =>
  `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** What base64 makes of the bytes where they begin `shift` bytes into a group of three. */
function base64Core(bytes: Buffer, shift: number): [string, string][] {
  const start = Math.ceil((shift * 8) / 6);
  const whole = Buffer.concat([Buffer.alloc(shift), bytes]);
  // The last group may hold bits of what follows.
  const end = Math.floor((whole.length * 8) / 6);
  return (['base64', 'base64url'] as const).map((encoding) => [
    `${encoding} +${shift}`,
    whole.toString(encoding).slice(start, end),
  ]);
}

/** A value and, where it is a JWT, its parts and what they decode to. */
function parts(value: string): string[] {
  const segments = value.split('.');
  if (segments.length !== 3 || !value.startsWith('eyJ')) return [value];
  const [, payload = '', signature = ''] = segments;
  return [payload, signature, Buffer.from(payload, 'base64url').toString()];
}

/** Where a planted value stands in a text, as `name: encoding`; empty when nowhere. */
export function findLeaks(planted: Record<string, string>, text: string): string[] {
  return Object.entries(planted).flatMap(([name, value]) =>
    parts(value)
      .flatMap(encodings)
      .filter(([, form]) => form.length > 3 && text.includes(form))
      .map(([encoding]) => `${name}: ${encoding}`),
  );
}
