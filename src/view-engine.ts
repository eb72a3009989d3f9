// The views in production: every file is compiled once, partials like pages. ejs itself looks for
// each included file on the disk, copies all locals several times per include, and runs a template
// inside `with`, where every name is looked up anew. That was most of the time a page took.
// In development ejs renders, since its errors show the line of the view.
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import ejs from 'ejs';

type Locals = Record<string, unknown>;
type Include = (name: string, locals?: Locals) => string;
type View = (locals: Locals, escape: typeof ejs.escapeXML, include: Include) => string;
interface Compiled {
  names: Set<string>;
  folder: string;
  view: View;
}
type Done = (error: unknown, html?: string) => void;

/** An engine for `app.engine`: takes the path of a view and its locals, answers with the page. */
export function createViewEngine() {
  const compiled = new Map<string, Compiled>();

  function compiledFor(file: string, locals: Locals): Compiled {
    const known = compiled.get(file);
    const given = Object.keys(locals);
    if (known && given.every((name) => known.names.has(name))) return known;
    const names = new Set([...given, ...(known?.names ?? [])]);
    const made = { names, folder: dirname(file), view: compile(file, names) };
    compiled.set(file, made);
    return made;
  }

  function render(file: string, locals: Locals): string {
    const { folder, view } = compiledFor(file, locals);
    return view(locals, ejs.escapeXML, (name, more) =>
      render(`${folder}/${name}.ejs`, more ? { ...locals, ...more } : locals),
    );
  }

  return (file: string, locals: object, done: Done): void => {
    let html: string;
    try {
      html = render(file, { ...locals });
    } catch (error) {
      return done(error);
    }
    return done(null, html);
  };
}

/** The names of the locals become variables of the template; no name ever comes from a request. */
function compile(file: string, names: Set<string>): View {
  const template = new ejs.Template(readFileSync(file, 'utf8'), {
    compileDebug: false,
    _with: false,
    destructuredLocals: [...names],
  });
  template.compile();
  // ejs hands out the function only together with its own include; this is the same source.
  // oxlint-disable-next-line typescript/no-implied-eval
  return new Function('locals', 'escapeFn', 'include', template.source) as View;
}
