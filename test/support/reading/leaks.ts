// Finds planted values in a text, in every likely encoding.

/** The encoded forms of a value, each with the name of the encoding. */
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

/** The base64 form of the bytes when they start `shift` bytes into a group of three. */
function base64Core(bytes: Buffer, shift: number): [string, string][] {
  const start = Math.ceil((shift * 8) / 6);
  const whole = Buffer.concat([Buffer.alloc(shift), bytes]);
  // The last group may hold bits of the following bytes.
  const end = Math.floor((whole.length * 8) / 6);
  return (['base64', 'base64url'] as const).map((encoding) => [
    `${encoding} +${shift}`,
    whole.toString(encoding).slice(start, end),
  ]);
}

/** The value, or for a JWT its payload, its signature and the decoded payload. */
function parts(value: string): string[] {
  const segments = value.split('.');
  if (segments.length !== 3 || !value.startsWith('eyJ')) return [value];
  const [, payload = '', signature = ''] = segments;
  return [payload, signature, Buffer.from(payload, 'base64url').toString()];
}

/** The planted values found in a text, as `name: encoding`. */
export function findLeaks(planted: Record<string, string>, text: string): string[] {
  return Object.entries(planted).flatMap(([name, value]) =>
    parts(value)
      .flatMap(encodings)
      .filter(([, form]) => form.length > 3 && text.includes(form))
      .map(([encoding]) => `${name}: ${encoding}`),
  );
}
