// What the error of a command says about the connection.
import { ErrorReply } from 'redis';

const ELSEWHERE = /^(READONLY|MASTERDOWN|CLUSTERDOWN|MOVED|NOREPLICAS) /;

/**
 * Whether another connection may do better: the server is not, or no longer, the primary of the key,
 * or there is no reply at all.
 */
export const leadsElsewhere = (error: unknown) =>
  !(error instanceof ErrorReply) || ELSEWHERE.test(error.message);

/** Unlike a Redis that is down, this needs the operator: the URL names a database it does not have. */
export const isNoDatabase = (error: unknown) =>
  error instanceof ErrorReply && error.message.includes('DB index is out of range');
