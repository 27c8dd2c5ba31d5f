import { createServer } from 'node:net';
import { Failure } from '@holdfast/core/failure.ts';

/**
 * Takes the signer's port while a command writes its journal: a running signer holds it, and two processes must never write
 * one journal.
 * @returns what gives it back.
 * @throws Failure already-running.
 */
export async function holdPort(address: {
  readonly host: string;
  readonly port: number;
}): Promise<() => Promise<void>> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => reject(portTaken(cause, address)));
    server.listen(address.port, address.host, resolve);
  });
  return async () => new Promise((resolve) => server.close(() => resolve()));
}

/** What an operator is told about a port that cannot be listened on; another error stays what it is. */
export function portTaken(cause: NodeJS.ErrnoException, { port }: { readonly port: number }): Error {
  if (cause.code !== 'EADDRINUSE') return cause;
  return new Failure('already-running', `port ${port} is taken`, { fix: 'Stop this signer first.', cause });
}
