// An address that leads to one server and later to another, as a DNS name or a virtual IP does in a
// failover. Connections that are open stay where they were.
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';

export interface Address {
  port: number;
  /** New connections lead to this port from now on. */
  leadTo(port: number): void;
  close(): void;
}

export async function startAddress(port: number): Promise<Address> {
  let target = port;
  const address = createServer((client) => {
    const server = connect(target, '127.0.0.1');
    client.pipe(server).pipe(client);
    for (const socket of [client, server]) socket.on('error', () => socket.destroy());
    client.on('close', () => server.destroy());
    server.on('close', () => client.destroy());
  });
  address.listen(0, '127.0.0.1');
  await once(address, 'listening');
  return {
    port: (address.address() as AddressInfo).port,
    leadTo: (next) => void (target = next),
    close: () => void address.close(),
  };
}
