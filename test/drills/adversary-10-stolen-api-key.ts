import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEvmAddress } from '@holdfast/core/chains/evm/address.ts';
import type { Route, Scope } from '@holdfast/core/contract/route.ts';
import { routes } from '@holdfast/core/contract/routes.ts';
import { policyDigest } from '@holdfast/core/policy/policy.ts';
import type { CredentialRecord, DestinationRecord } from '@holdfast/core/signing/customer-record.ts';
import type { Assertion } from '@holdfast/core/signing/evidence.ts';
import { intentDigest, type WithdrawalIntent } from '@holdfast/core/signing/intent.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import { authorizeIntent } from '@holdfast/client/authorize-intent.ts';
import { signHalt, signRecord } from '@holdfast/client/sign-record.ts';
import { createCredential } from '@holdfast/devnet/authenticator.ts';
import { bitcoinNetworkId, evmNetworkId } from '@holdfast/devnet/configure.ts';
import { signPolicy } from '@holdfast/devnet/policy.ts';
import { approvalsOrigin, customersOrigin, relyingParties } from '@holdfast/devnet/policy-parties.ts';
import { withdrawalIntent } from '@holdfast/devnet/story/actors.ts';
import { createSignerClient } from '@holdfast/server/signers/client.ts';
import { createIdentity } from '@holdfast/transport/certificate.ts';
import type { System } from '../support/system.ts';
import { received, units } from '../support/payouts.ts';
import type { Adversary, Attack } from './attack.ts';
import { apiKeyOf, apiSeed, clientOf, stolenApiSeed } from './attack-tools-api-thief.ts';
import { demand, mustNotPay, mustRefuse, mustSettle, newNonce, refusalOf } from './attack-tools-host.ts';
import { type DrillStage, everything } from './drill-stage.ts';

/** Whoever has the key that signs requests to the API, but no key that the signers ask for. */

const newReference = (): string => `wd-${randomBytes(8).toString('hex')}`;

const withoutEvidence: Attack = {
  name: 'withdrawals with evidence of the thief’s own making',
  async run(stage) {
    const { system, victim } = stage;
    const stolen = stolenApiSeed(system);
    const client = clientOf(system, stolen);
    const thief = parseEvmAddress(await stage.thief('ETH'));
    const ask = (intent: WithdrawalIntent, authorization: object) =>
      client.createWithdrawal({
        client_reference: newReference(),
        intent,
        authorization: authorization as ReturnType<System['authorize']>['authorization'],
      });
    const passkey = createCredential(relyingParties.customers.rp_id);
    const own = randomBytes(32).toString('hex');
    const { keyId } = system.parties.integrator;
    const { engine } = system.parties;
    const evidence: string[] = [];
    for (const destination of [thief, victim.destinations.ETH]) {
      const intent = withdrawalIntent(system, victim, 'ETH', '1', destination);
      const byPasskey = passkey.sign(intentDigest(intent), { origin: customersOrigin });
      const forged: [what: string, code: string, authorization: object][] = [
        ['key of its own', 'authorization-invalid', authorizeIntent(intent, { keyId: 'thief', privateKey: own })],
        ['integrator’s name', 'authorization-invalid', authorizeIntent(intent, { keyId, privateKey: own })],
        ['API key', 'authorization-invalid', authorizeIntent(intent, { keyId: stolen.keyId, privateKey: stolen.seed })],
        [
          'API key under the integrator’s name',
          'authorization-invalid',
          authorizeIntent(intent, { keyId, privateKey: stolen.seed }),
        ],
        ['engine’s name', 'authorization-invalid', authorizeIntent(intent, { keyId: engine.keyId, privateKey: own })],
        ['passkey of its own', 'credential-unknown', byPasskey],
        [
          'victim’s credential id',
          'authorization-invalid',
          { ...byPasskey, credential_id: system.passkeyOf(victim.id).credentialId },
        ],
        ['nothing', 'invalid-request', {}],
      ];
      for (const [what, code, authorization] of forged)
        evidence.push(await mustRefuse(`API: ${what}:`, code, () => ask(intent, authorization)));
    }
    evidence.push(...(await callSigners(stage)));
    // With the integrator's own evidence the same key is served: it is the evidence that is missing.
    const honest = withdrawalIntent(system, victim, 'ETH', '1', victim.destinations.ETH);
    const { id } = await ask(honest, system.authorize(honest).authorization);
    await mustSettle(stage, id);
    return { left: { ETH: await stage.stolen('ETH', thief) }, haltedAfterMs: null, evidence };
  },
};

const replayedBody: Attack = {
  name: 'honest request replayed with another reference, nonce, destination, amount',
  async run(stage) {
    const { system, victim } = stage;
    const client = clientOf(system, stolenApiSeed(system));
    const thief = parseEvmAddress(await stage.thief('USDC'));
    const intent = withdrawalIntent(system, victim, 'USDC', '50', victim.destinations.USDC);
    const body = { client_reference: newReference(), ...system.authorizeWithPasskey(intent) };
    const before = await received(system, 'USDC', victim.destinations.USDC);
    const kept: { url: string; init: RequestInit }[] = [];
    const honest = clientOf(system, stolenApiSeed(system), (url, init) => {
      kept.push({ url: url instanceof Request ? url.url : url.toString(), init: init! });
      return fetch(url, init);
    });
    const idempotencyKey = newNonce();
    const { id } = await honest.createWithdrawal(body, { idempotencyKey });
    const again = await client.createWithdrawal(body);
    demand(again.id === id, 'the same request names the same withdrawal');
    const evidence = [
      await mustRefuse('API: new reference:', 'client-reference-taken', () =>
        client.createWithdrawal({ ...body, client_reference: newReference() }),
      ),
      await mustRefuse('API: same Idempotency-Key:', 'idempotency-key-reused', () =>
        client.createWithdrawal({ ...body, client_reference: newReference() }, { idempotencyKey }),
      ),
    ];
    const changes: Partial<WithdrawalIntent>[] = [
      { nonce: newNonce() },
      { destination: thief },
      { amount: '5000000000' },
      { customer: stage.accomplice.id },
      { expires_at: new Date(Date.now() + 86_400_000).toISOString() },
    ];
    for (const change of changes) {
      const changed = { ...body, client_reference: newReference(), intent: { ...intent, ...change } };
      const code = await refusalOf(() => client.createWithdrawal(changed));
      const expected = 'customer' in change ? 'credential-unknown' : 'authorization-invalid';
      demand(code === expected, `a changed ${Object.keys(change).join()} is refused with ${code}`);
      evidence.push(`API: changed ${Object.keys(change).join()}: ${code}`);
    }
    // The signed bytes of the request itself, as a proxy may keep them.
    const { url, init } = kept[0]!;
    const replay = await fetch(url, { ...init, signal: null });
    const altered = await fetch(url, {
      ...init,
      signal: null,
      body: (init.body as string).replace(intent.destination, thief),
    });
    for (const [what, response] of [
      ['replayed', replay],
      ['altered', altered],
    ] as const) {
      const { code } = (await response.json()) as { code: string };
      demand(response.status === 401 || response.status === 400, `a request ${what} gets ${response.status} ${code}`);
      evidence.push(`API: request ${what}: ${code}`);
    }
    await mustSettle(stage, id);
    const paid = (await received(system, 'USDC', victim.destinations.USDC)) - before;
    demand(paid === units('USDC', '50'), 'paid once');
    return { left: { USDC: await stage.stolen('USDC', thief) }, haltedAfterMs: null, evidence };
  },
};

const customerRecords: Attack = {
  name: 'destinations and passkeys added and removed with evidence of the thief’s own making',
  async run(stage) {
    const { system, victim, accomplice } = stage;
    const stolen = stolenApiSeed(system);
    const client = clientOf(system, stolen);
    const thief = parseEvmAddress(await stage.thief('ETH'));
    const passkey = createCredential(relyingParties.customers.rp_id);
    const victims = system.passkeyOf(victim.id);
    const credential: CredentialRecord = {
      version: 1,
      kind: 'credential',
      action: 'add',
      customer: victim.id,
      credential_id: passkey.credentialId,
      public_key: passkey.publicKey,
      nonce: newNonce(),
    };
    const removal: CredentialRecord = {
      ...credential,
      action: 'remove',
      credential_id: victims.credentialId,
      public_key: victims.publicKey,
    };
    const destination: DestinationRecord = {
      version: 1,
      kind: 'destination',
      action: 'add',
      customer: victim.id,
      network: evmNetworkId,
      address: thief,
      nonce: newNonce(),
    };
    const evidence: string[] = [];
    for (const record of [credential, removal, destination]) {
      const digest = statementDigest('customer-record', record);
      const asked = (authorization: ReturnType<typeof signRecord> | ReturnType<typeof passkey.sign>) => () =>
        client.createCustomerRecord({ record, authorization });
      const what = `API: ${record.action} ${record.kind}:`;
      for (const privateKey of [stolen.seed, randomBytes(32).toString('hex')]) {
        const forged = signRecord(record, { keyId: system.parties.integrator.keyId, privateKey });
        evidence.push(await mustRefuse(what, 'authorization-invalid', asked(forged)));
      }
      for (const one of [passkey, system.passkeyOf(accomplice.id)])
        evidence.push(
          await mustRefuse(what, 'credential-unknown', asked(one.sign(digest, { origin: customersOrigin }))),
        );
    }
    // Allowed to this key: a customer and an address of its own. Neither pays anything.
    const { id } = await client.createCustomer({ client_reference: newNonce() });
    await clientOf(system, stolen).listBalances({ id });
    const intent = withdrawalIntent(system, { ...victim, id }, 'ETH', '1', thief);
    const authorization = passkey.sign(intentDigest(intent), { origin: customersOrigin });
    const ask = () => client.createWithdrawal({ client_reference: newReference(), intent, authorization });
    evidence.push(await mustRefuse('API: customer of its own:', 'credential-unknown', ask));
    return { left: { ETH: await stage.stolen('ETH', thief) }, haltedAfterMs: null, evidence };
  },
};

const mintedPosition: Attack = {
  name: 'settlements and adjustments forged, the engine’s own replayed',
  async run(stage) {
    const { system, victim, accomplice } = stage;
    const stolen = stolenApiSeed(system);
    const client = clientOf(system, stolen);
    const has = async () => [
      (await system.balance(victim, 'USDT')).available,
      (await system.balance(accomplice, 'USDT')).available,
    ];
    // The engine's own batch is posted, once; from here on nothing may change.
    const genuine = system.settlement(1, [
      { customer: victim.id, asset: 'USDT', amount: '-1000000' },
      { customer: accomplice.id, asset: 'USDT', amount: '1000000' },
    ]);
    const [first] = await has();
    await client.createSettlement(genuine);
    const before = await has();
    demand(BigInt(first!) - BigInt(before[0]!) === 1_000_000n, 'the engine’s batch is posted');
    await client.createSettlement(genuine);
    const evidence = [
      await mustRefuse('API: settlement replayed:', 'settlement-invalid', () =>
        client.createSettlement({ ...genuine, record: { ...genuine.record, sequence: 2 } }),
      ),
    ];
    const entries = [
      { customer: victim.id, asset: 'USDT', amount: '-50000000000' },
      { customer: accomplice.id, asset: 'USDT', amount: '50000000000' },
    ];
    const { engine } = system.parties;
    const record = { version: 1, kind: 'settlement', engine: engine.keyId, sequence: 2, entries } as const;
    for (const privateKey of [stolen.seed, randomBytes(32).toString('hex')]) {
      const authorization = signRecord(record, { keyId: engine.keyId, privateKey });
      const ask = () => client.createSettlement({ record, authorization });
      evidence.push(await mustRefuse('API: settlement:', 'settlement-invalid', ask));
    }
    const adjustment = {
      version: 1,
      kind: 'adjustment',
      customer: accomplice.id,
      asset: 'USDT',
      amount: '50000000000',
      reason: 'mine',
      nonce: newNonce(),
    } as const;
    const approvals = byStrangers(statementDigest('adjustment', adjustment));
    evidence.push(
      await mustRefuse('API: adjustment:', 'approval-invalid', () =>
        client.createAdjustment({ record: adjustment, approvals }),
      ),
    );
    demand((await has()).join() === before.join(), 'no balance changed');
    // Nor did a position at the signers: the accomplice gets no more than before.
    const mark = stage.mark();
    const rich = withdrawalIntent(system, accomplice, 'USDT', '5000', accomplice.destinations.USDT);
    await mustNotPay(stage, [system.authorizeWithPasskey(rich)], 'position-exceeded');
    const left = { USDT: await stage.stolen('USDT', accomplice.destinations.USDT) };
    return { left, haltedAfterMs: null, evidence: [...evidence, ...stage.evidenceSince(mark)] };
  },
};

const governance: Attack = {
  name: 'policies, halts and resumptions without their quorum',
  haltWithinMs: 10_000,
  async run(stage) {
    const { system, asServer } = stage;
    const stolen = stolenApiSeed(system);
    const client = clientOf(system, stolen);
    const mark = stage.mark();
    const evidence: string[] = [];
    const names = system.parties.administrators.map((one) => ({ ...one, seed: stolen.seed }));
    const { policy: version1, signatures } = system.first;
    const version2 = { ...version1, version: 2, previous: policyDigest(version1), positions: { approvals: 0 } };
    for (const signed of [signPolicy(version2, names), { policy: version2, signatures }]) {
      const code = await refusalOf(() => client.proposePolicy(signed));
      demand(code === 'policy-invalid', `a policy of nobody's is refused with ${code}`);
      evidence.push(`signers: policy: ${code}`);
    }
    const { statement } = system.haltToken(everything, 'mine');
    const { keyId } = system.parties.haltKeys[0]!;
    const halt = () => client.halt(signHalt(statement, { keyId, privateKey: stolen.seed }));
    evidence.push(await mustRefuse('signers: halt:', 'halt-invalid', halt));

    const started = performance.now();
    const { answers } = await system.client.halt(system.operatorHalt(everything, 'a key of the API is stolen'));
    demand(
      answers.some(({ state }) => state === 'accepted'),
      'an operator halts',
    );
    const haltedAfterMs = await stage.haltedAfterMs(started, 10_000);
    const statuses = await Promise.all(asServer.map((one) => one.call('/v1/status', {})));
    const resume = system.resumption(
      statuses[0]!.halts.map(({ digest }) => digest),
      'mine',
      1,
    ).statement;
    const resumption = { statement: resume, approvals: byStrangers(statementDigest('resume', resume)) };
    evidence.push(await mustRefuse('signers: resume:', 'approval-invalid', () => client.resume(resumption)));
    demand(
      statuses.every(({ policy }) => policy.version === 1),
      'version 1 stays in force',
    );
    return { left: {}, haltedAfterMs, evidence: [...evidence, ...stage.evidenceSince(mark)] };
  },
};

const limitedScopes: Attack = {
  name: 'key of few scopes used for everything else; unknown key; key of the API as a signer’s client',
  async run(stage) {
    const { system, victim } = stage;
    const thief = parseEvmAddress(await stage.thief('ETH'));
    const limited: [name: string, scopes: Scope[]][] = [
      ['reader', ['read']],
      ['teller', ['read', 'withdrawals']],
      ['clerk', ['customers', 'addresses']],
    ];
    const seeds = limited.map(([name, scopes]) => ({ scopes, ...apiSeed(name) }));
    await system.server().stop();
    await system.startServer({ apiKeys: seeds.map((one) => apiKeyOf(one, one.scopes)) });
    const evidence: string[] = [];
    for (const one of seeds) {
      const client = clientOf(system, one);
      for (const [name, route] of Object.entries(routes as Record<string, Route>)) {
        if (one.scopes.includes(route.scope)) continue;
        const call = client[name as keyof typeof routes] as (input: object) => Promise<unknown>;
        evidence.push(await mustRefuse(`API: ${one.keyId} ${route.scope}:`, 'forbidden', () => call(inputOf(route))));
      }
    }
    const unknown = clientOf(system, apiSeed('integrator-api'));
    evidence.push(await mustRefuse('API: unknown key:', 'unauthenticated', () => unknown.listAssets()));
    // What its scope allows, it gets: the signers' evidence is asked for all the same.
    const teller = clientOf(system, seeds[1]!);
    demand((await teller.listAssets()).data.length > 0, 'a reader reads');
    const intent = withdrawalIntent(system, victim, 'ETH', '1', thief);
    const authorization = authorizeIntent(intent, { keyId: 'teller', privateKey: seeds[1]!.seed });
    const ask = () => teller.createWithdrawal({ client_reference: newReference(), intent, authorization });
    evidence.push(await mustRefuse('API: teller:', 'authorization-invalid', ask));
    return { left: { ETH: await stage.stolen('ETH', thief) }, haltedAfterMs: null, evidence };
  },
};

/** Row 10 of the threat model. */
export const stolenApiKey: Adversary = {
  number: 10,
  has: 'an API key of the integrator, with all scopes or with few',
  attacks: [withoutEvidence, replayedBody, customerRecords, mintedPosition, governance, limitedScopes],
};

/** Approvals by three people whom no policy knows. */
function byStrangers(digest: Uint8Array): Assertion[] {
  const strangers = [1, 2, 3].map(() => createCredential(relyingParties.approvals.rp_id));
  return strangers.map((one) => one.sign(digest, { origin: approvalsOrigin }));
}

/** The signers' own ports, with a certificate of the thief's making. */
async function callSigners({ system, asServer }: DrillStage): Promise<string[]> {
  const identity = await createIdentity('thief', Date.now());
  const config = JSON.parse(readFileSync(join(system.folder, 'server', 'config.json'), 'utf8')) as {
    signers: { id: string; identifier: number; url: string; fingerprint: string }[];
  };
  const evidence: string[] = [];
  for (const endpoint of config.signers) {
    const { certificate, privateKey } = identity;
    const client = createSignerClient({ ...endpoint, certificate, key: privateKey, timeoutMs: 3_000 });
    const code = await refusalOf(() => client.call('/v1/status', {}));
    client.close();
    demand(code === 'peer-unknown' || code === 'signers-unavailable', `a stranger is refused with ${code}`);
    evidence.push(`signer: stranger’s certificate: ${code}`);
  }
  await Promise.all(asServer.map((one) => one.call('/v1/status', {})));
  return evidence;
}

/** Something to put into every field of a route that its schema may look at before the scope does. */
function inputOf(route: Route): object {
  const id = `cus_${'0'.repeat(8)}-0000-7000-8000-${'0'.repeat(12)}`;
  return { ...(route.params ? { id } : {}), network: bitcoinNetworkId };
}
