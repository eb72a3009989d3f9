// The reference for all ratios: a bare Express app that sends the page.
import express from 'express';
import { sendPage, settings } from './settings.mjs';

const app = express();
app.get('/profile', sendPage);
app.listen(settings.port);
