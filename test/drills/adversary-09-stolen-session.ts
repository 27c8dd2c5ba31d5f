import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ed25519 } from '@noble/curves/ed25519.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { parseEvmAddress } from '@holdfast/core/chains/evm/address.ts';
import { policyDigest, type SignedPolicy } from '@holdfast/core/policy/policy.ts';
import type {
  CredentialRecord,
  CustomerRecord,
  DestinationRecord,
  SettlementRecord,
} from '@holdfast/core/signing/customer-record.ts';
import type { Assertion, Authorization, KeySignature } from '@holdfast/core/signing/evidence.ts';
import type { SignedHalt } from '@holdfast/core/signing/halt.ts';
import { intentDigest } from '@holdfast/core/signing/intent.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import { createCredential } from '@holdfast/devnet/authenticator.ts';
import { evmNetworkId } from '@holdfast/devnet/configure.ts';
import { customersOrigin, relyingParties } from '@holdfast/devnet/policy-parties.ts';
import type { Adversary, Attack } from './attack.ts';
import { payRequest } from './attack-tools-pay-request.ts';
import {
  evidenceOf,
  lootIn,
  mustBePaid,
  ownPayment,
  recordRefusedByAll,
  refusedByAll,
  refusedByApi,
  victimIsPaid,
} from './attack-tools-refusals.ts';
import { type DrillStage, everything } from './drill-stage.ts';

const fresh = (): string => randomBytes(12).toString('hex');
const reference = (): string => `wd-${fresh()}`;

/** The key that the stolen session calls the API with; every scope. It signs whatever the thief likes. */
function sessionKey(stage: DrillStage, digest: Uint8Array, keyId: string): KeySignature {
  const seed = readFileSync(join(stage.system.folder, 'cli', 'api.key'), 'utf8').trim();
  return { key_id: keyId, signature: bytesToHex(ed25519.sign(digest, hexToBytes(seed))) };
}

/** What the victim's browser sent when they signed in: a real assertion, over a challenge of the server's. */
const signIn = ({ system, victim }: DrillStage): Assertion =>
  system.passkeyOf(victim.id).sign(randomBytes(32), { origin: customersOrigin });

/** The same, its challenge written over with another digest. */
function signInOver(stage: DrillStage, digest: Uint8Array): Assertion {
  const assertion = signIn(stage);
  const challenge = Buffer.from(digest).toString('base64url');
  const text = Buffer.from(assertion.client_data_json, 'hex').toString();
  const rewritten = text.replace(/"challenge":"[^"]*"/, `"challenge":"${challenge}"`);
  return { ...assertion, client_data_json: bytesToHex(Buffer.from(rewritten)) };
}

const halts: Attack = {
  name: 'halts, to extort',
  run: async (stage) => {
    const { client } = stage.system;
    const mark = stage.mark();
    const statement = { version: 1, kind: 'halt', scope: everything, reason: 'pay us', nonce: fresh() } as const;
    const digest = statementDigest('halt', statement);
    const tries: readonly (readonly [string, SignedHalt['evidence']])[] = [
      ['with the API key under the token’s name', sessionKey(stage, digest, 'halt-token-1')],
      ['with the API key under its own', sessionKey(stage, digest, 'integrator-api')],
      ['with a sign-in', signIn(stage)],
      ['with a sign-in written over', signInOver(stage, digest)],
      [
        'with a sign-in under the operator’s credential id',
        { ...signInOver(stage, digest), credential_id: stage.system.parties.operators[0]!.passkey.credentialId },
      ],
    ];
    const answered: string[] = [];
    for (const [what, evidence] of tries) {
      answered.push(await refusedByApi(what, () => client.halt({ statement, evidence }), 'halt-invalid'));
    }
    const listed = (await client.listHalts()).data;
    if (listed.length > 0) throw new Error('the thief has halted the system');
    await victimIsPaid(stage, 'ETH', '0.05');
    return { left: {}, haltedAfterMs: null, evidence: evidenceOf(stage, mark, answered) };
  },
};

const resumes: Attack = {
  name: 'lifts the halt that was meant for them',
  haltWithinMs: 2_000,
  run: async (stage) => {
    const { system, victim } = stage;
    const { client } = system;
    const mark = stage.mark();
    const pocket = await stage.thief('ETH');
    const startedAtMs = performance.now();
    // The first hostile act: a withdrawal with a sign-in for its authorization. The operator halts on it.
    const { intent } = ownPayment(stage, victim, 'ETH', '1', { destination: pocket });
    const answered = [
      await refusedByApi(
        'withdraws',
        () =>
          client.createWithdrawal({
            client_reference: reference(),
            intent,
            authorization: signIn(stage),
            approvals: [],
          }),
        'authorization-invalid',
      ),
    ];
    await client.halt(system.operatorHalt(everything, 'a session does what its owner does not'));
    const haltedAfterMs = await stage.haltedAfterMs(startedAtMs, 2_000);
    const open = (await client.listHalts()).data.map(({ digest }) => digest);
    const { statement } = system.resumption(open, 'a false alarm');
    const digest = statementDigest('resume', statement);
    const ids = system.parties.approvers.map(({ passkey }) => passkey.credentialId);
    const tries: readonly (readonly [string, Assertion[]])[] = [
      ['with a sign-in', [signIn(stage)]],
      [
        'with sign-ins under the approvers’ ids',
        ids.map((id) => ({ ...signInOver(stage, digest), credential_id: id })),
      ],
      // A real resumption of an earlier halt, as the API's log has it, for these halts.
      ['with the approvals of an earlier resumption', system.resumption(['ab'.repeat(32)], 'long ago').approvals],
    ];
    for (const [what, approvals] of tries) {
      answered.push(await refusedByApi(what, () => client.resume({ statement, approvals }), 'approval-invalid'));
    }
    const still = (await client.listHalts()).data;
    if (still.length !== open.length || still.some((halt) => halt.signers.length !== 3))
      throw new Error('a halt is gone');
    const paid = ownPayment(stage, victim, 'ETH', '0.05');
    answered.push(
      ...(await refusedByAll(
        stage,
        'pays while halted',
        async (one) => one.call('/v1/sign/evm', await payRequest(stage, paid)),
        'halted',
      )),
    );
    const evidence = evidenceOf(stage, mark, answered);
    await stage.calm();
    await mustBePaid(stage, [{ asset: 'ETH', authorized: paid }]);
    return { left: await lootIn(stage, { ETH: [pocket] }), haltedAfterMs, evidence };
  },
};

const withdraws: Attack = {
  name: 'withdraws the victim’s money and approves it',
  run: async (stage) => {
    const { system, victim } = stage;
    const { client } = system;
    const pocket = await stage.thief('ETH');
    // A withdrawal that the victim really made; its authorization is there for the API's readers.
    const earlier = ownPayment(stage, victim, 'ETH', '0.2');
    await mustBePaid(stage, [{ asset: 'ETH', authorized: earlier }]);
    const mark = stage.mark();
    const { intent } = ownPayment(stage, victim, 'ETH', '25', { destination: pocket });
    const digest = intentDigest(intent);
    const tries: readonly (readonly [string, Authorization])[] = [
      ['with a sign-in', signIn(stage)],
      ['with a sign-in written over', signInOver(stage, digest)],
      ['with the authorization of an earlier withdrawal', earlier.authorization],
      ['with the API key under the integrator’s name', sessionKey(stage, digest, 'integrator')],
      ['with the API key under its own', sessionKey(stage, digest, 'integrator-api')],
    ];
    const answered: string[] = [];
    for (const [what, authorization] of tries) {
      const one = { intent, authorization, approvals: [] };
      const body = { client_reference: reference(), ...one };
      answered.push(await refusedByApi(what, () => client.createWithdrawal(body), 'authorization-invalid'));
      // Past the API too, which the thief is not: it is not the API that the signers rely on.
      answered.push(
        ...(await refusedByAll(
          stage,
          what,
          async (one_) => one_.call('/v1/sign/evm', await payRequest(stage, one)),
          'authorization-invalid',
        )),
      );
    }
    answered.push(...(await approvesNothing(stage)));
    const left = await lootIn(stage, { ETH: [pocket, stage.accomplice.destinations.ETH] });
    const evidence = evidenceOf(stage, mark, answered);
    await victimIsPaid(stage, 'ETH', '0.05');
    return { left, haltedAfterMs: null, evidence };
  },
};

/** The accomplice's own request for the victim's millions waits for approvers; the session tries to be them. */
async function approvesNothing(stage: DrillStage): Promise<string[]> {
  const { system, accomplice } = stage;
  const { approvers } = system.parties;
  // The tier of this adversary's policy is low enough for what the accomplice has.
  const large = ownPayment(stage, accomplice, 'ETH', '0.9');
  const { id } = await system.client.createWithdrawal({ client_reference: reference(), ...large });
  const digest = intentDigest(large.intent);
  const forged = [
    signIn(stage),
    signInOver(stage, digest),
    ...approvers.map(({ passkey }) => ({ ...signInOver(stage, digest), credential_id: passkey.credentialId })),
  ];
  const answered: string[] = [];
  for (const assertion of forged) {
    answered.push(
      await refusedByApi('approves', () => system.client.approveWithdrawal({ id, assertion }), 'approval-invalid'),
    );
  }
  const { state, approvals } = await system.client.getWithdrawal({ id });
  if (state !== 'awaiting_approval' || approvals.given !== 0)
    throw new Error(`${state} with ${approvals.given} approvals`);
  return answered;
}

const proposes: Attack = {
  name: 'proposes a policy with an approver of its own',
  run: async (stage) => {
    const { system, accomplice } = stage;
    const { first, client } = system;
    const mark = stage.mark();
    const policy = structuredClone(first.policy);
    const own = createCredential(relyingParties.approvals.rp_id);
    policy.version = 2;
    policy.previous = policyDigest(first.policy);
    policy.resume.approvals = 1;
    policy.positions.approvals = 0;
    policy.approvers.push({
      id: 'night-shift',
      credential_id: own.credentialId,
      public_key: own.publicKey,
      offline: true,
    });
    const digest = statementDigest('policy', policy);
    const key = (keyId: string): KeySignature => sessionKey(stage, digest, keyId);
    const tries: readonly (readonly [string, SignedPolicy['signatures']])[] = [
      ['with the signatures of version 1', first.signatures],
      ['with the API key under administrators’ names', [key('administrator-1'), key('administrator-2')]],
      ['with the API key under its own', [key('integrator-api')]],
    ];
    const answered: string[] = [];
    for (const [what, signatures] of tries) {
      answered.push(await refusedByApi(what, () => client.proposePolicy({ policy, signatures }), 'policy-invalid'));
    }
    const policies = (await client.listPolicies()).data;
    if (policies.some(({ version, pending }) => version !== 1 || pending !== null))
      throw new Error('a version was taken');
    const more = ownPayment(stage, accomplice, 'USDC', '5000');
    answered.push(
      ...(await refusedByAll(
        stage,
        'beyond the position',
        async (one) => one.call('/v1/sign/evm', await payRequest(stage, more)),
        'position-exceeded',
      )),
    );
    const left = await lootIn(stage, { USDC: [accomplice.destinations.USDC] });
    return { left, haltedAfterMs: null, evidence: evidenceOf(stage, mark, answered) };
  },
};

const plants: Attack = {
  name: 'plants a passkey, a destination and a trade',
  run: async (stage) => {
    const { system, victim, accomplice } = stage;
    const { client } = system;
    const mark = stage.mark();
    const pocket = parseEvmAddress(await stage.thief('ETH'));
    const own = createCredential(relyingParties.customers.rp_id);
    const credential: CredentialRecord = {
      version: 1,
      kind: 'credential',
      action: 'add',
      customer: victim.id,
      credential_id: own.credentialId,
      public_key: own.publicKey,
      nonce: fresh(),
    };
    const destination: DestinationRecord = {
      version: 1,
      kind: 'destination',
      action: 'add',
      customer: victim.id,
      network: evmNetworkId,
      address: pocket,
      nonce: fresh(),
    };
    const answered: string[] = [];
    for (const record of [credential, destination]) {
      const digest = statementDigest('customer-record', record);
      const byAccomplice = system.passkeyOf(accomplice.id).sign(digest, { origin: customersOrigin });
      const tries: readonly (readonly [string, Authorization, 'authorization-invalid' | 'credential-unknown'])[] = [
        ['a sign-in', signIn(stage), 'authorization-invalid'],
        ['a sign-in written over', signInOver(stage, digest), 'authorization-invalid'],
        ['the API key', sessionKey(stage, digest, 'integrator'), 'authorization-invalid'],
        ['the new passkey itself', own.sign(digest, { origin: customersOrigin }), 'credential-unknown'],
        ['the accomplice’s passkey', byAccomplice, 'credential-unknown'],
      ];
      for (const [what, authorization, code] of tries) {
        answered.push(
          await refusedByApi(
            `${record.kind}, ${what}`,
            () => client.createCustomerRecord({ record, authorization }),
            code,
          ),
        );
        answered.push(...(await recordRefusedByAll(stage, { record, authorization } as CustomerRecord, code)));
      }
    }
    answered.push(...(await tradesNothing(stage)));
    const { intent } = ownPayment(stage, victim, 'ETH', '0.5', { destination: pocket });
    const planted = {
      intent,
      authorization: own.sign(intentDigest(intent), { origin: customersOrigin }),
      approvals: [],
    };
    answered.push(
      ...(await refusedByAll(
        stage,
        'pays',
        async (one) => one.call('/v1/sign/evm', await payRequest(stage, planted)),
        'credential-unknown',
      )),
    );
    const left = await lootIn(stage, { ETH: [pocket] });
    const evidence = evidenceOf(stage, mark, answered);
    await victimIsPaid(stage, 'ETH', '0.05');
    return { left, haltedAfterMs: null, evidence };
  },
};

/** The victim's coins, traded away to the accomplice: only the engine may say so. */
async function tradesNothing(stage: DrillStage): Promise<string[]> {
  const { system, victim, accomplice } = stage;
  const amount = 10_000_000_000n;
  const record: SettlementRecord = {
    version: 1,
    kind: 'settlement',
    engine: 'engine-1',
    sequence: 1,
    entries: [
      { customer: victim.id, asset: 'USDC', amount: `-${amount}` },
      { customer: accomplice.id, asset: 'USDC', amount: `${amount}` },
    ],
  };
  const authorization = sessionKey(stage, statementDigest('settlement', record), 'engine-1');
  return [
    await refusedByApi('trades', () => system.client.createSettlement({ record, authorization }), 'settlement-invalid'),
    ...(await recordRefusedByAll(stage, { record, authorization }, 'settlement-invalid')),
  ];
}

/** Operators have API keys: the thief has one with every scope, and what a customer's browser sent at sign-in. No passkey. */
export const stolenSession: Adversary = {
  number: 9,
  has: 'a stolen operator session: an API key of every scope and a customer’s sign-in',
  policy: (policy) => {
    for (const network of policy.networks) {
      const eth = network.family === 'evm' && network.assets.find(({ code }) => code === 'ETH');
      if (eth) eth.approval_tiers = [{ above: (5n * 10n ** 17n).toString(), approvals: 2, offline: 0 }];
    }
  },
  attacks: [halts, resumes, withdraws, proposes, plants],
};
