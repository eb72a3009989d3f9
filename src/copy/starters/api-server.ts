import express from 'express';
import * as api from './api.ts';

const app = express();
app.use(api.metadata);

app.get('/api/me', api.requireAccessToken, (req, res) => {
  res.set('Cache-Control', 'no-store').json({ sub: api.currentAccessToken(req).sub });
});

app.use(api.showTokenError);

const { PORT = '3000', BASE_URL = '' } = process.env;
app.listen(Number(PORT), (error) => {
  if (error) throw error;
  console.log(`The API is at ${BASE_URL}/api/me`);
});
