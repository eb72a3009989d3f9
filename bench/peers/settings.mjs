// The settings of each peer, and the page that all of them send.
import { readFileSync } from 'node:fs';

const { PORT, ISSUER, CLIENT_ID, CLIENT_SECRET, BASE_URL, SECRET, PAGE, REDIS_URL } = process.env;
const page = readFileSync(PAGE, 'utf8');

export const settings = {
  port: Number(PORT),
  issuer: ISSUER,
  clientId: CLIENT_ID,
  clientSecret: CLIENT_SECRET,
  baseUrl: BASE_URL,
  secret: SECRET,
  redisUrl: REDIS_URL,
  scope: 'openid profile email offline_access',
};
export const sendPage = (_req, res) => res.type('html').send(page);
