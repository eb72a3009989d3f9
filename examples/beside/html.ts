// HTML from template literals, with every value escaped: a user may be called `<script>`.

/** A piece of HTML that `html` made. */
export interface Html {
  readonly markup: string;
}

type Value = Html | string | number | undefined;

/** Escapes each value, unless `html` made it; undefined becomes nothing. */
export const html = (parts: TemplateStringsArray, ...values: Value[]): Html => ({
  markup: String.raw({ raw: parts }, ...values.map(escaped)),
});

function escaped(value: Value): string {
  if (typeof value === 'object') return value.markup;
  return String(value ?? '').replaceAll(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** A whole page. */
export const page = (title: string, body: Html): string =>
  html`<!doctype html>
    <html lang="en">
      <meta charset="utf-8" />
      <title>${title}</title>
      <h1>${title}</h1>
      ${body}
      <p><a href="/">Home</a></p>
    </html>`.markup;
