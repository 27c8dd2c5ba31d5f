import { EventEmitter } from 'node:events';
import type { Caller, Route } from '@holdfast/signer/transport/pinned-server.ts';
import type { Identity } from '@holdfast/transport/certificate.ts';
import { network } from '../world/machines.ts';
import { currentProcess } from '../world/world.ts';

export type { Caller, Route };

/** In place of signer/src/transport/pinned-server.ts: who calls is known without TLS; what is answered is the real code's. */
export function createPinnedServer(
  _identity: Identity,
  callers: readonly Caller[],
  routes: ReadonlyMap<string, Route>,
): object {
  const owner = currentProcess();
  if (!owner) throw new Error('only a simulated signer listens');
  const host = owner.name;
  return Object.assign(new EventEmitter(), {
    listen: (_port: number, _host: string, listening: () => void) => {
      network().listen(host, { owner, callers, routes });
      listening();
    },
    close: () => network().close(host),
    closeAllConnections: () => undefined,
  });
}
