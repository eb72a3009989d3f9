// The views in production: every file is compiled once, partials like pages. ejs itself looks for
// each included file on the disk, copies all locals several times per include, and runs a template
// inside `with`, where every name is looked up anew. That was most of the time a page took.
// In development ejs renders, since its errors show the line of the view.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ejs from 'ejs';

type Locals = Record<string, unknown>;
type Include = (name: string, more?: Locals) => string;
type Write = (
  locals: Locals,
  more: Locals,
  escapeFn: (value: unknown) => string,
  include: Include,
) => string;
interface View {
  write: Write;
  /** The view that an include of this name leads to. */
  included: (name: string) => View;
}
type Done = (error: unknown, html?: string) => void;

const NOTHING: Locals = {};

/** An engine for `app.engine`: takes the path of a view and its locals, answers with the page. */
export function createViewEngine() {
  const views = new Map<string, View>();

  function viewOf(file: string): View {
    const known = views.get(file);
    if (known) return known;
    const included = new Map<string, View>();
    const view: View = {
      write: compile(file),
      included(name) {
        const found = included.get(name) ?? viewOf(join(dirname(file), `${name}.ejs`));
        included.set(name, found);
        return found;
      },
    };
    views.set(file, view);
    return view;
  }

  function render({ write, included }: View, locals: Locals, more: Locals): string {
    return write(locals, more, escape, (name, further = NOTHING) => {
      const outer = more === NOTHING ? locals : { ...locals, ...more };
      return render(included(name), outer, further);
    });
  }

  return (file: string, locals: object, done: Done): void => {
    let html: string;
    try {
      html = render(viewOf(file), { ...locals }, NOTHING);
    } catch (error) {
      return done(error);
    }
    return done(null, html);
  };
}

/** Most values have nothing to escape, and looking is cheaper than replacing. */
const escape = (value: unknown): string =>
  typeof value === 'string' && !/[&<>'"]/.test(value) ? value : ejs.escapeXML(value);

const TAG = /<%[^]*?%>/g;
const NAME = /[A-Za-z_$][\w$]*/g;
const NOT_LOCALS = new Set(
  'break case catch const continue else false finally for function if in include instanceof let locals new null of return switch this throw true try typeof var void while'.split(
    ' ',
  ),
);

/** Every word in a template's tags becomes a variable; none ever comes from a request. */
function compile(file: string): Write {
  // `locals.x` is how ejs asks for what may be missing; here every missing local is undefined.
  const text = readFileSync(file, 'utf8').replace(TAG, (tag) => tag.replace(/\blocals\./g, ''));
  const template = new ejs.Template(text, { compileDebug: false, _with: false });
  template.compile();
  const names = new Set((text.match(TAG) ?? []).flatMap((tag) => tag.match(NAME) ?? []));
  const variables = [...names]
    .filter((name) => !NOT_LOCALS.has(name) && !(name in globalThis))
    .map((name) => `let ${name} = '${name}' in $more ? $more.${name} : locals.${name};`);
  // ejs hands out the function only together with its own include; this is the same source.
  // A block of its own, so that a view may declare what happens to be called the same.
  const source = `${variables.join('')}{${template.source}}`;
  // oxlint-disable-next-line typescript/no-implied-eval
  return new Function('locals', '$more', 'escapeFn', 'include', source) as Write;
}
