// Loaded into this project by --import for one row of the page table: the profile page is sent as the
// bytes in PAGE, as the peers send it, and not rendered. Everything else is as it is.
import { readFileSync } from 'node:fs';
import express from 'express';

const page = readFileSync(process.env.PAGE, 'utf8');
// oxlint-disable-next-line typescript/unbound-method
const { render } = express.response;
express.response.render = function (view, ...rest) {
  if (view !== 'profile') return render.call(this, view, ...rest);
  return this.type('html').send(page);
};
