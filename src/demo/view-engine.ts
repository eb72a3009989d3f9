// Renders the views in production, compiling every page and partial once. For each include, ejs
// looks up the file on disk and copies all locals several times; it also runs templates inside
// `with`, which slows down every variable. That took most of the time of a page.
// In development, ejs itself renders the views, because its errors show the line of the view.
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
  /** The view that `include(name)` refers to. */
  included: (name: string) => View;
}
type Done = (error: unknown, html?: string) => void;

const NOTHING: Locals = {};

/** An engine for `app.engine`: takes the path of a view and its locals, calls back with the page. */
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

/** Most values contain nothing to escape, and testing is cheaper than replacing. */
const escape = (value: unknown): string =>
  typeof value === 'string' && !/[&<>'"]/.test(value) ? value : ejs.escapeXML(value);

const TAG = /<%[^]*?%>/g;
const NAME = /[A-Za-z_$][\w$]*/g;
// Names used by ejs and by the function below.
const RESERVED = new Set(['$has', '$outer', '$more', 'escapeFn', 'include']);

/** Every word in a template's tags becomes a variable of its function; no word is user input. */
function compile(file: string): Write {
  const text = readFileSync(file, 'utf8');
  const template = new ejs.Template(text, { compileDebug: false, _with: false });
  template.compile();
  const names = new Set((text.match(TAG) ?? []).flatMap((tag) => tag.match(NAME) ?? []));
  const variables = [...names]
    .filter((name) => !RESERVED.has(name) && canBeVariable(name))
    .map(variable);
  // The function that ejs returns is bound to its own include; this one has the same source. `var`
  // lets a view declare a variable of the same name.
  const source = `${variables.join('')}{${template.source}}`;
  // oxlint-disable-next-line typescript/no-implied-eval
  const write = new Function('$has', '$outer', '$more', 'escapeFn', 'include', source);
  return write.bind(undefined, Object.hasOwn) as Write;
}

/** Takes the value from the include's own locals, else from the page's, else from the globals. */
function variable(name: string): string {
  if (name === 'locals') return 'var locals = Object.assign(Object.create(null), $outer, $more);';
  const otherwise = Object.hasOwn(globalThis, name) ? `globalThis.${name}` : 'undefined';
  const local = `$has($outer, '${name}') ? $outer.${name} : ${otherwise}`;
  return `var ${name} = $has($more, '${name}') ? $more.${name} : ${local};`;
}

/** Whether `name` is not a reserved word of JavaScript. */
function canBeVariable(name: string): boolean {
  try {
    // oxlint-disable-next-line typescript/no-implied-eval
    return Boolean(new Function(`var ${name};`));
  } catch {
    return false;
  }
}
