import express, { type Request } from 'express';
import { currentUser, personIn } from '../../auth/index.ts';
import * as authKit from './setup.ts';

const app = express();
app.use(authKit.noStore, authKit.session, authKit.routes);

app.get(['/', '/signed-out'], (_req, res) => {
  res.send(page('Welcome', '<a href="/profile">Your profile</a>'));
});

app.get('/profile', authKit.requireLogin, (req, res) => {
  const { name, email } = currentUser(req);
  const rows = [name, email].map((text) => `<p>${escaped(text ?? '')}</p>`).join('');
  res.send(page('Your profile', rows + signOutForm(req)));
});

app.use(authKit.showSignInError);

/** Names its user: the form is refused if somebody else has signed in since. */
function signOutForm(req: Request): string {
  return `<form method="post" action="/logout?person=${personIn(req)}"><button>Sign out</button></form>`;
}

/** A user may be called `<script>`. */
function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<h1>${title}</h1>
${body}
</html>`;
}

const { PORT = '3000', BASE_URL = '' } = process.env;
const server = app.listen(Number(PORT), (error) => {
  if (error) throw error;
  console.log(`Open ${BASE_URL}`);
});
process.once('SIGTERM', () => server.close(() => void authKit.close()));
