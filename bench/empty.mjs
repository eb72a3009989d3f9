// The reference for the start: an empty Express app that loads the same packages.
import 'cookie';
import 'cookie-signature';
import 'dotenv';
import 'eta';
import express from 'express';
import 'express-rate-limit';
import 'express-session';
import 'helmet';
import 'jose';
import 'libsql';
import 'lru-cache';
import 'openid-client';
import 'openid-client/passport';
import 'passport';
import 'pino';
import 'zod';

const app = express();
app.get('/profile', (_req, res) => res.send('ok'));
app.listen(process.env.PORT);
