// Loaded into this project by --import for the row "without its check": GET /api/me checks the
// token of the first request only, and takes that of each later one for the same.
import { Router } from 'express';

const { get } = Router.prototype;
Router.prototype.get = function (path, ...handlers) {
  if (path !== '/me') return get.call(this, path, ...handlers);
  const [guard, ...others] = handlers;
  let token;
  const unchecked = (req, res, next) => {
    if (token === undefined) {
      return guard(req, res, (error) => {
        token = req.accessToken;
        next(error);
      });
    }
    req.accessToken = token;
    return next();
  };
  return get.call(this, path, unchecked, ...others);
};
