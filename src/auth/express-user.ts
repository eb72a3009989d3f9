// Types `req.user` as the signed-in user. Leave this file out if your app declares its own
// `Express.User`; `currentUser(req)` is typed without it.
import type { User as SignedInUser } from './sign-in/user.ts';

declare global {
  // oxlint-disable-next-line typescript/no-namespace
  namespace Express {
    // oxlint-disable-next-line typescript/no-empty-object-type
    interface User extends SignedInUser {}
  }
}
