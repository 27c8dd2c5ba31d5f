import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClient } from '@holdfast/client/create-client.ts';
import type { DepositAddressResource } from '@holdfast/core/contract/resources.ts';
import { bitcoinNetworkId, evmNetworkId } from '@holdfast/devnet/configure.ts';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { callSigners } from '../support/signers-direct.ts';
import { type System, startSystem } from '../support/system.ts';

let system: System;
let keys: Record<string, string>;

beforeAll(async () => {
  system = await startSystem();
  const { signers, close } = callSigners(system);
  keys = Object.fromEntries(
    await Promise.all(
      signers.map(async (signer) => [signer.id, (await signer.call('/v1/status', {})).statement_key] as const),
    ),
  );
  close();
});
afterAll(() => system?.stop());

/** A client whose API answers with what `lie` makes of an address. */
function clientOf(
  lie: (address: DepositAddressResource) => unknown = (address) => address,
  attestation: { quorum: number; keys: Record<string, string> } | undefined = { quorum: 2, keys },
) {
  const seed = readFileSync(join(system.folder, 'cli', 'api.key'), 'utf8').trim();
  return createClient({
    baseUrl: system.apiUrl(),
    keyId: 'integrator-api',
    privateKey: seed,
    ...(attestation && { attestation }),
    fetch: async (input, init) => {
      const response = await fetch(input, init);
      const body = (await response.json()) as { object?: string; data?: DepositAddressResource[] };
      const changed =
        body.object === 'list' ? { ...body, data: body.data!.map(lie) } : lie(body as DepositAddressResource);
      return new Response(JSON.stringify(changed), { status: response.status, headers: response.headers });
    },
  });
}

describe('a deposit address', () => {
  it('is vouched for by the signers, and a client passes nothing on that a quorum does not vouch for', async () => {
    const [one, other] = [await system.newCustomer('one'), await system.newCustomer('other')];
    for (const network of [evmNetworkId, bitcoinNetworkId]) {
      const ask = { customer: one.id, network };
      const genuine = await clientOf().issueDepositAddress(ask);
      expect(genuine.address).toBe(one.addresses.get(network));
      expect(genuine.attestation.statements.map(({ signer }) => signer).toSorted()).toEqual([
        'signer-1',
        'signer-2',
        'signer-3',
      ]);
      const { statements, epoch } = genuine.attestation;
      const theirs = await clientOf().issueDepositAddress({ customer: other.id, network });
      const lies: Record<string, (address: DepositAddressResource) => unknown> = {
        'the thief’s address': (address) => ({ ...address, address: theirs.address }),
        'another customer’s, whole': () => theirs,
        'another customer’s under this one’s name': () => ({ ...theirs, customer: one.id }),
        'no statement': (address) => ({ ...address, attestation: { epoch, statements: [] } }),
        'no attestation': ({ attestation: _gone, ...address }) => address,
        'one statement': (address) => ({ ...address, attestation: { epoch, statements: statements.slice(0, 1) } }),
        'one statement twice': (address) => ({
          ...address,
          attestation: { epoch, statements: [statements[0], { ...statements[0], signer: 'signer-2' }, statements[0]] },
        }),
        'another epoch': (address) => ({ ...address, attestation: { epoch: epoch + 1, statements } }),
        'another network': (address) => ({
          ...address,
          network: network === evmNetworkId ? bitcoinNetworkId : evmNetworkId,
        }),
        'signers that are not pinned': (address) => ({
          ...address,
          attestation: { epoch, statements: statements.map((s, at) => ({ ...s, signer: `signer-${at + 7}` })) },
        }),
      };
      for (const [what, lie] of Object.entries(lies)) {
        const liar = clientOf(lie);
        const refused = { code: 'attestation-invalid' };
        await expect(liar.issueDepositAddress(ask), what).rejects.toMatchObject(refused);
        await expect(liar.getDepositAddress({ id: genuine.id }), what).rejects.toMatchObject(refused);
        await expect(liar.listDepositAddresses(ask), what).rejects.toMatchObject(refused);
        await expect(
          (async () => {
            for await (const address of liar.each('listDepositAddresses', ask)) expect(address.id).toBe(genuine.id);
          })(),
          what,
        ).rejects.toMatchObject(refused);
      }
      const away = { quorum: 2, keys: { 'signer-1': keys['signer-2']!, 'signer-2': keys['signer-1']! } };
      await expect(clientOf(undefined, away).issueDepositAddress(ask)).rejects.toMatchObject({
        code: 'attestation-invalid',
      });
    }
    const unpinned = createClient({
      baseUrl: system.apiUrl(),
      keyId: 'integrator-api',
      privateKey: readFileSync(join(system.folder, 'cli', 'api.key'), 'utf8').trim(),
    });
    await expect(unpinned.issueDepositAddress({ customer: one.id, network: evmNetworkId })).rejects.toMatchObject({
      code: 'attestation-invalid',
    });
  });

  it('is issued with two signers, not with one, and the third adds its word when it is back', async () => {
    await system.signer('signer-3').stop();
    const { id } = await system.client.createCustomer({ client_reference: 'two-signers' });
    const ask = { customer: id, network: bitcoinNetworkId };
    const issued = await system.client.issueDepositAddress(ask);
    expect(issued.attestation.statements.map(({ signer }) => signer).toSorted()).toEqual(['signer-1', 'signer-2']);
    await system.signer('signer-2').stop();
    const late = await system.client.createCustomer({ client_reference: 'one-signer' });
    await expect(system.client.issueDepositAddress({ customer: late.id, network: evmNetworkId })).rejects.toMatchObject(
      { code: 'signers-unavailable' },
    );
    // What a quorum vouched for before is still handed out.
    expect((await system.client.issueDepositAddress(ask)).address).toBe(issued.address);
    await Promise.all([system.startSigner('signer-2'), system.startSigner('signer-3')]);
    const whole = await system.client.issueDepositAddress(ask);
    expect(whole).toMatchObject({ id: issued.id, address: issued.address });
    expect(whole.attestation.statements.map(({ signer }) => signer).toSorted()).toEqual([
      'signer-1',
      'signer-2',
      'signer-3',
    ]);
    const addresses = await system.client.issueDepositAddress({ customer: late.id, network: evmNetworkId });
    expect(addresses.attestation.statements).toHaveLength(3);
  });
});
