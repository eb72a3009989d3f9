// The engine of the views in views/, for `app.engine`: Eta. Templates are files of this project, never
// text of a user; `<%=` escapes.
import { relative } from 'node:path';
import { Eta } from 'eta';

type Done = (error: unknown, html?: string) => void;

/**
 * Takes the folder of the views, and returns a function that renders one of its files with these locals.
 * In production, a view is read and compiled once; otherwise on each request, and an error shows its line.
 */
export function createViewEngine(folder: string, production: boolean) {
  const whitespace = { autoTrim: false as const, rmWhitespace: true };
  const eta = new Eta({ views: folder, cache: production, debug: !production, ...whitespace });
  rememberPaths(eta, folder);
  return (file: string, locals: object, done: Done): void => {
    let html: string;
    try {
      html = eta.render(file, locals);
    } catch (error) {
      return done(error);
    }
    return done(null, html);
  };
}

/**
 * Express names a view by its file, and a view names its layout relative to itself. Eta resolves both for
 * every page, which takes a seventh of the time of rendering it.
 */
function rememberPaths(eta: Eta, folder: string): void {
  const paths = new Map<string, string>();
  const resolve = eta.resolvePath.bind(eta);
  eta.resolvePath = (name, options) => {
    const view = options?.filepath;
    const key = view === undefined ? name : `${view} ${name}`;
    const known = paths.get(key);
    if (known !== undefined) return known;
    const path = resolve(view === undefined ? relative(folder, name) : name, options);
    paths.set(key, path);
    return path;
  };
}
