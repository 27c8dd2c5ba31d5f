export { portTaken } from '@holdfast/signer/ceremony/hold-port.ts';

/** In place of signer/src/ceremony/hold-port.ts: simulated machines have no ports. */
export async function holdPort(): Promise<() => Promise<void>> {
  return async () => undefined;
}
