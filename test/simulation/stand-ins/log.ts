import { currentProcess, world } from '../world/world.ts';

export { errorName } from '@holdfast/signer/log.ts';

/** In place of signer/src/log.ts. */
export function log(event: string, fields: Record<string, string | number | boolean> = {}): void {
  const owner = currentProcess();
  if (owner) world().note(`${owner.name} logs ${event} ${JSON.stringify(fields)}`);
}
