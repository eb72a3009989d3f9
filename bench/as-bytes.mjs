// Loaded into this project by --import for the "as bytes" rows: the profile page is not rendered
// but sent as the bytes of the file PAGE, as the peers send it. Everything else is unchanged.
import { readFileSync } from 'node:fs';
import express from 'express';

const page = readFileSync(process.env.PAGE, 'utf8');
// oxlint-disable-next-line typescript/unbound-method
const { render } = express.response;
express.response.render = function (view, ...rest) {
  if (view !== 'profile') return render.call(this, view, ...rest);
  return this.type('html').send(page);
};
