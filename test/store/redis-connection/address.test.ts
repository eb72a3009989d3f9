// REDIS_URL: one server, Sentinels, or a cluster.
import { describe, expect, test } from 'vitest';
import { parseRedisUrl } from '../../../src/store/redis-connection/address.ts';

describe('a Redis URL', () => {
  test.each([
    ['redis://redis', { kind: 'server', tls: false, hosts: [{ host: 'redis', port: 6379 }] }],
    ['REDISS://[::1]:7000/3', { tls: true, hosts: [{ host: '::1', port: 7000 }], database: 3 }],
    ['redis://:c%2Fd@redis', { login: { password: 'c/d' } }],
    [
      'redis://a%25b:p:w@rd@redis/',
      { login: { username: 'a%b', password: 'p:w@rd' }, database: 0 },
    ],
    [
      'rediss+sentinel://app:pw@one,two:26380/my%20name/2?sentinel_password=p+w',
      {
        kind: 'sentinel',
        tls: true,
        hosts: [
          { host: 'one', port: 26_379 },
          { host: 'two', port: 26_380 },
        ],
        login: { username: 'app', password: 'pw' },
        sentinelLogin: { password: 'p+w' },
        name: 'my name',
        database: 2,
      },
    ],
    [
      'redis+cluster://10.0.0.1:7000,[fd00::1]',
      {
        kind: 'cluster',
        hosts: [
          { host: '10.0.0.1', port: 7000 },
          { host: 'fd00::1', port: 6379 },
        ],
        login: {},
      },
    ],
  ])('%s is understood', (url, expected) => {
    expect(parseRedisUrl(url)).toMatchObject(expected);
  });

  test.each([
    ['redis', /not a Redis URL; set/],
    ['redis+sentinels://one/name', /not a Redis URL; set/],
    ['redis://', /host or port; set/],
    ['redis://:pass-word@', /host or port; set/],
    ['redis://host:port', /host or port; set/],
    ['redis://host:0', /host or port; set/],
    ['redis://host:65536', /host or port; set/],
    ['redis+cluster://one,,two', /host or port; set/],
    ['redis://one,two', /several hosts; set redis\+sentinel/],
    ['redis+sentinel://one,two', /no primary; set the name/],
    ['redis+sentinel:///name', /host or port; set/],
    ['redis+sentinel://one/name/zero', /database that is not a number; set/],
    ['redis+sentinel://one/na%me', /% that encodes nothing; set %25/],
    ['redis+sentinel://one/name?sentinel_password=50%', /% that encodes nothing; set %25/],
    ['redis+cluster://one/1', /cluster does not have; set/],
    ['redis://:pass-word%@host', /% that encodes nothing; set %25/],
    ['redis://host/name', /database that is not a number; set/],
    ['redis://host/1/2', /database that is not a number; set/],
  ])('%s is refused', (url, problem) => {
    const parse = () => parseRedisUrl(url);
    expect(parse).toThrow(problem);
    expect(parse).not.toThrow('pass-word');
  });
});
