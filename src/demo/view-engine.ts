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
// What ejs and the function below call their own.
const TAKEN = new Set(['$has', '$outer', '$more', 'escapeFn', 'include']);

/** Every word in a template's tags becomes a variable of its function; none is from a request. */
function compile(file: string): Write {
  const text = readFileSync(file, 'utf8');
  const template = new ejs.Template(text, { compileDebug: false, _with: false });
  template.compile();
  const names = new Set((text.match(TAG) ?? []).flatMap((tag) => tag.match(NAME) ?? []));
  const variables = [...names].filter((name) => !TAKEN.has(name) && isFree(name)).map(variable);
  // ejs hands out the function only together with its own include; this is the same source. `var`,
  // so that a view may declare what happens to be called the same.
  const source = `${variables.join('')}{${template.source}}`;
  // oxlint-disable-next-line typescript/no-implied-eval
  const write = new Function('$has', '$outer', '$more', 'escapeFn', 'include', source);
  return write.bind(undefined, Object.hasOwn) as Write;
}

/** From an include's own locals, else from the page's; what neither has may be a global. */
function variable(name: string): string {
  if (name === 'locals') return 'var locals = Object.assign(Object.create(null), $outer, $more);';
  const otherwise = Object.hasOwn(globalThis, name) ? `globalThis.${name}` : 'undefined';
  const local = `$has($outer, '${name}') ? $outer.${name} : ${otherwise}`;
  return `var ${name} = $has($more, '${name}') ? $more.${name} : ${local};`;
}

/** Not a word of the language. */
function isFree(name: string): boolean {
  try {
    // oxlint-disable-next-line typescript/no-implied-eval
    return Boolean(new Function(`var ${name};`));
  } catch {
    return false;
  }
}
