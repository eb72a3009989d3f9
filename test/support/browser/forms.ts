// Forms as a browser would send them, read from HTML with double-quoted attributes.

interface Form {
  action: string;
  method: string;
  fields: Record<string, string>;
}

/** The form whose button shows this text, with the values its inputs start with. */
export function formWithButton(html: string, button: string): Form {
  for (const [, attributes = '', content = ''] of html.matchAll(/<form\b([^>]*)>(.*?)<\/form>/gs)) {
    const buttons = [...content.matchAll(/<button\b([^>]*)>(.*?)<\/button>/gs)];
    const pressed = buttons.find(([, , label = '']) => plainText(label).includes(button));
    if (pressed === undefined) continue;
    const inputs = [...content.matchAll(/<input\b([^>]*)>/g)].filter(([tag]) => isSent(tag));
    return {
      action: attribute(attributes, 'action'),
      method: attribute(attributes, 'method').toLowerCase(),
      fields: Object.fromEntries(
        [...inputs, pressed]
          .map(([, tag = '']): [string, string] => [
            attribute(tag, 'name'),
            attribute(tag, 'value'),
          ])
          .filter(([name]) => name !== ''),
      ),
    };
  }
  throw new Error(`no form with the button "${button}"`);
}

/** The text a reader sees in this piece of HTML. */
export function plainText(html: string): string {
  const visible = html.replaceAll(/<(style|script)\b.*?<\/\1>/gs, ' ').replaceAll(/<[^>]*>/g, ' ');
  return unescapeHtml(visible.replaceAll(/\s+/g, ' ').trim());
}

function isSent(input: string): boolean {
  return !/\stype="(radio|checkbox)"/i.test(input) || /\schecked\b/i.test(input);
}

function attribute(tag: string, name: string): string {
  return unescapeHtml(new RegExp(`\\s${name}="([^"]*)"`, 'i').exec(tag)?.[1] ?? '');
}

function unescapeHtml(escaped: string): string {
  const named: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"' };
  return escaped.replaceAll(/&(#\d+|amp|lt|gt|quot);/g, (_, entity: string) =>
    entity.startsWith('#') ? String.fromCodePoint(Number(entity.slice(1))) : (named[entity] ?? ''),
  );
}
