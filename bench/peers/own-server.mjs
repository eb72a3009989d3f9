// The bare app on the server of this project, which makes requests with the app's prototypes.
import express from 'express';
import { sendPage, settings } from './settings.mjs';

const { createHttpServer } = await import(
  new URL('process/http-server.js', JSON.parse(process.env.PARTS).dist).href
);
const app = express();
app.get('/profile', sendPage);
createHttpServer(app).on('request', app).listen(settings.port);
