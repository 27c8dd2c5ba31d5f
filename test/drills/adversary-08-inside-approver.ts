import { randomBytes } from 'node:crypto';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { Policy } from '@holdfast/core/policy/policy.ts';
import type { AdjustmentRecord, CredentialRecord } from '@holdfast/core/signing/customer-record.ts';
import type { Assertion } from '@holdfast/core/signing/evidence.ts';
import type { SignedResume } from '@holdfast/core/signing/halt.ts';
import { type AuthorizedIntent, intentDigest } from '@holdfast/core/signing/intent.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import { parseUnits } from '@holdfast/core/money/base-units.ts';
import { createCredential, type SoftwarePasskey } from '@holdfast/devnet/authenticator.ts';
import { addDestination } from '@holdfast/devnet/story/actors.ts';
import { approvalsOrigin, customersOrigin, relyingParties } from '@holdfast/devnet/policy-parties.ts';
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

/** Above it two approvers, small enough for the accomplice's own coins. */
function lowTiers(policy: Policy): void {
  for (const network of policy.networks) {
    const eth = network.family === 'evm' && network.assets.find(({ code }) => code === 'ETH');
    if (eth) eth.approval_tiers = [{ above: (10n ** 17n).toString(), approvals: 2, offline: 0 }];
  }
}

const insider = (stage: DrillStage): SoftwarePasskey => stage.system.parties.approvers[0]!.passkey;
const approves = (stage: DrillStage, digest: Uint8Array): Assertion =>
  insider(stage).sign(digest, { origin: approvalsOrigin });
const reference = (): string => `wd-${randomBytes(8).toString('hex')}`;
const fresh = (): string => randomBytes(12).toString('hex');

/** The accomplice's pockets: their own matured destinations. */
const pocketsOf = ({ accomplice }: DrillStage) => ({
  ETH: [accomplice.destinations.ETH],
  USDC: [accomplice.destinations.USDC],
});

const askSigners = (stage: DrillStage, what: string, one: AuthorizedIntent, code: Parameters<typeof refusedByAll>[3]) =>
  refusedByAll(stage, what, async (client) => client.call('/v1/sign/evm', await payRequest(stage, one)), code);

const alone: Attack = {
  name: 'approves the accomplice’s large withdrawal alone',
  run: async (stage) => {
    const { system, accomplice } = stage;
    const mark = stage.mark();
    const { client } = system;
    // Their own coins, above the tier, as every customer may ask for them.
    const large = ownPayment(stage, accomplice, 'ETH', '0.5');
    const { id } = await client.createWithdrawal({ client_reference: reference(), ...large });
    const approval = approves(stage, intentDigest(large.intent));
    await client.approveWithdrawal({ id, assertion: approval });
    await system.mineEvm(3);
    const { state, approvals } = await client.getWithdrawal({ id });
    if (state !== 'awaiting_approval') throw new Error(`with ${approvals.given} approval it is ${state}`);
    const one = { ...large, approvals: [approval] };
    const answered = await askSigners(stage, 'one approval of two', one, 'approval-missing');
    // Below every tier but above what the accomplice is proven to have.
    const more = ownPayment(stage, accomplice, 'USDC', '5000');
    const approved = { ...more, approvals: [approves(stage, intentDigest(more.intent))] };
    answered.push(...(await askSigners(stage, 'above the position', approved, 'position-exceeded')));
    const left = await lootIn(stage, pocketsOf(stage));
    const evidence = evidenceOf(stage, mark, answered);
    // Two real approvers and the same way: paid.
    const honest = ownPayment(stage, stage.victim, 'ETH', '0.5');
    await mustBePaid(stage, [{ asset: 'ETH', authorized: { ...honest, approvals: system.approve(honest.intent, 2) } }]);
    return { left, haltedAfterMs: null, evidence };
  },
};

const twice: Attack = {
  name: 'approves twice, once under another name',
  run: async (stage) => {
    const { system, accomplice } = stage;
    const mark = stage.mark();
    const large = ownPayment(stage, accomplice, 'ETH', '0.4');
    const digest = intentDigest(large.intent);
    const first = approves(stage, digest);
    const second = system.parties.approvers[1]!.passkey;
    const ownKey = createCredential(relyingParties.approvals.rp_id);
    const pairs: readonly (readonly [string, Assertion])[] = [
      ['the same approval again', first],
      ['a new one of the same credential', approves(stage, digest)],
      ['under the id of another approver', { ...approves(stage, digest), credential_id: second.credentialId }],
      ['under an id of nobody', { ...approves(stage, digest), credential_id: ownKey.credentialId }],
      [
        'by a key of the insider under the id of another approver',
        { ...ownKey.sign(digest, { origin: approvalsOrigin }), credential_id: second.credentialId },
      ],
      ['without asking for the finger', insider(stage).sign(digest, { origin: approvalsOrigin, userVerified: false })],
      [
        'on the customers’ page',
        insider(stage).sign(digest, { origin: customersOrigin, rpId: relyingParties.customers.rp_id }),
      ],
    ];
    const answered: string[] = [];
    const { id } = await system.client.createWithdrawal({ client_reference: reference(), ...large });
    await system.client.approveWithdrawal({ id, assertion: first });
    for (const [what, more] of pairs) {
      answered.push(...(await askSigners(stage, what, { ...large, approvals: [first, more] }, 'approval-invalid')));
      if (more.credential_id === first.credential_id) await system.client.approveWithdrawal({ id, assertion: more });
      else
        answered.push(
          await refusedByApi(what, () => system.client.approveWithdrawal({ id, assertion: more }), 'approval-invalid'),
        );
    }
    await system.mineEvm(3);
    const { state, approvals } = await system.client.getWithdrawal({ id });
    if (state !== 'awaiting_approval' || approvals.given !== 1)
      throw new Error(`${state} with ${approvals.given} approvals`);
    const left = await lootIn(stage, pocketsOf(stage));
    return { left, haltedAfterMs: null, evidence: evidenceOf(stage, mark, answered) };
  },
};

const otherRoles: Attack = {
  name: 'uses the approval credential as a customer’s passkey and as an operator’s',
  run: async (stage) => {
    const { system, victim, accomplice } = stage;
    const mark = stage.mark();
    const { intent } = ownPayment(stage, victim, 'ETH', '0.05', { destination: accomplice.destinations.ETH });
    const digest = intentDigest(intent);
    const passkey = insider(stage);
    const answered: string[] = [];
    const forged: readonly (readonly [string, Assertion, 'credential-unknown' | 'authorization-invalid'])[] = [
      ['its own name', passkey.sign(digest, { origin: approvalsOrigin }), 'credential-unknown'],
      [
        'the customers’ page',
        passkey.sign(digest, { origin: customersOrigin, rpId: relyingParties.customers.rp_id }),
        'credential-unknown',
      ],
      [
        'the victim’s credential id',
        {
          ...passkey.sign(digest, { origin: customersOrigin, rpId: relyingParties.customers.rp_id }),
          credential_id: system.passkeyOf(victim.id).credentialId,
        },
        'authorization-invalid',
      ],
    ];
    for (const [what, authorization, code] of forged) {
      const one = { intent, authorization, approvals: [] };
      answered.push(...(await askSigners(stage, what, one, code)));
      answered.push(
        await refusedByApi(what, () => system.client.createWithdrawal({ client_reference: reference(), ...one }), code),
      );
    }
    answered.push(...(await refusesEnrolment(stage)));
    const statement = { version: 1, kind: 'halt', scope: everything, reason: 'bluff', nonce: fresh() } as const;
    const evidence = approves(stage, statementDigest('halt', statement));
    answered.push(await refusedByApi('halts', () => system.client.halt({ statement, evidence }), 'halt-invalid'));
    await victimIsPaid(stage, 'ETH', '0.05');
    const left = await lootIn(stage, pocketsOf(stage));
    return { left, haltedAfterMs: null, evidence: evidenceOf(stage, mark, answered) };
  },
};

/** The accomplice vouches for the insider's credential as a second passkey of theirs: one credential has one role. */
async function refusesEnrolment(stage: DrillStage): Promise<string[]> {
  const { system, accomplice } = stage;
  const { credentialId, publicKey } = insider(stage);
  const record: CredentialRecord = {
    version: 1,
    kind: 'credential',
    action: 'add',
    customer: accomplice.id,
    credential_id: credentialId,
    public_key: publicKey,
    nonce: fresh(),
  };
  const own = system.passkeyOf(accomplice.id);
  const authorization = own.sign(statementDigest('customer-record', record), { origin: customersOrigin });
  return recordRefusedByAll(stage, { record, authorization }, 'credential-conflict');
}

const resumesAlone: Attack = {
  name: 'resumes a halt alone',
  haltWithinMs: 2_000,
  run: async (stage) => {
    const { system, accomplice } = stage;
    const mark = stage.mark();
    const startedAtMs = performance.now();
    // The hostile approval is what the operator halts on.
    const large = ownPayment(stage, accomplice, 'ETH', '0.3');
    approves(stage, intentDigest(large.intent));
    await system.client.halt(system.operatorHalt(everything, 'an approver approves what nobody may'));
    const haltedAfterMs = await stage.haltedAfterMs(startedAtMs, 2_000);
    const halts = (await stage.asServer[0]!.call('/v1/status', {})).halts.map(({ digest }) => digest);
    const { statement } = system.resumption(halts, 'all is well, says the insider', 1);
    const digest = statementDigest('resume', statement);
    const other = system.parties.approvers[1]!.passkey.credentialId;
    const own = approves(stage, digest);
    // What the other approver once signed to lift an earlier halt.
    const earlier = system.resumption(['ab'.repeat(32)], 'long ago', 2).approvals[1]!;
    const tries: readonly (readonly [string, Assertion[], 'resume-invalid' | 'approval-invalid'])[] = [
      ['alone', [own], 'resume-invalid'],
      ['twice', [own, approves(stage, digest)], 'approval-invalid'],
      ['under another id', [own, { ...approves(stage, digest), credential_id: other }], 'approval-invalid'],
      ['with an approval of another resumption', [own, earlier], 'approval-invalid'],
    ];
    const answered: string[] = [];
    for (const [what, approvals, code] of tries) {
      const signed: SignedResume = { statement, approvals };
      answered.push(await refusedByApi(what, () => system.client.resume(signed), code));
      answered.push(...(await refusedByAll(stage, what, async (client) => client.call('/v1/resume', signed), code)));
    }
    const small = ownPayment(stage, accomplice, 'ETH', '0.05');
    answered.push(...(await askSigners(stage, 'pays while halted', small, 'halted')));
    const left = await lootIn(stage, pocketsOf(stage));
    const evidence = evidenceOf(stage, mark, answered);
    await stage.calm();
    await victimIsPaid(stage, 'ETH', '0.05');
    return { left, haltedAfterMs, evidence };
  },
};

const adjustsAlone: Attack = {
  name: 'gives the accomplice a position alone',
  run: async (stage) => {
    const { system, accomplice } = stage;
    const mark = stage.mark();
    const record: AdjustmentRecord = {
      version: 1,
      kind: 'adjustment',
      customer: accomplice.id,
      asset: 'USDC',
      amount: parseUnits('50000', 6).toString(),
      reason: 'compensation',
      nonce: fresh(),
    };
    const digest = statementDigest('adjustment', record);
    const other = system.parties.approvers[1]!.passkey.credentialId;
    const tries: readonly (readonly [string, Assertion[], 'approval-missing' | 'approval-invalid'])[] = [
      ['alone', [approves(stage, digest)], 'approval-missing'],
      ['twice', [approves(stage, digest), approves(stage, digest)], 'approval-invalid'],
      [
        'under another id',
        [approves(stage, digest), { ...approves(stage, digest), credential_id: other }],
        'approval-invalid',
      ],
    ];
    const answered: string[] = [];
    for (const [what, approvals, code] of tries) {
      answered.push(await refusedByApi(what, () => system.client.createAdjustment({ record, approvals }), code));
      answered.push(...(await recordRefusedByAll(stage, { record, approvals }, code)));
    }
    const more = ownPayment(stage, accomplice, 'USDC', '5000');
    answered.push(...(await askSigners(stage, 'spends it', more, 'position-exceeded')));
    const left = await lootIn(stage, pocketsOf(stage));
    const evidence = evidenceOf(stage, mark, answered);
    await victimIsPaid(stage, 'USDC', '50');
    return { left, haltedAfterMs: null, evidence };
  },
};

const borrowed: Attack = {
  name: 'puts another approver’s approval of another withdrawal beside their own',
  run: async (stage) => {
    const { system, victim, accomplice } = stage;
    // An address of the accomplice's in the victim's book would be needed too: give it to them, the victim was talked into it.
    const pocket = await stage.thief('ETH');
    await addDestination(system, accomplice, 'ETH', pocket);
    const honest = ownPayment(stage, victim, 'ETH', '0.5');
    const approved = { ...honest, approvals: system.approve(honest.intent, 2) };
    await mustBePaid(stage, [{ asset: 'ETH', authorized: approved }]);
    const mark = stage.mark();
    const [kept] = await stage.books.db.query<{ assertion: Assertion }>(
      'select assertion from withdrawal_approval where credential_id = $1 order by created_at_ms desc limit 1',
      [system.parties.approvers[1]!.passkey.credentialId],
    );
    const other = kept!.assertion;
    const large = ownPayment(stage, accomplice, 'ETH', '0.5', { destination: pocket });
    const digest = intentDigest(large.intent);
    const own = approves(stage, digest);
    const challenge = Buffer.from(digest).toString('base64url');
    const text = Buffer.from(other.client_data_json, 'hex').toString();
    const rewritten = text.replace(/"challenge":"[^"]*"/, `"challenge":"${challenge}"`);
    const answered: string[] = [];
    for (const [what, more] of [
      ['as it is', other],
      ['with the challenge written over', { ...other, client_data_json: bytesToHex(Buffer.from(rewritten)) }],
      ['with the client data of the own one', { ...other, client_data_json: own.client_data_json }],
      ['with the signature of the own one', { ...own, credential_id: other.credential_id }],
    ] as const) {
      const one = { ...large, approvals: [own, more] };
      answered.push(...(await askSigners(stage, what, one, 'approval-invalid')));
      answered.push(
        await refusedByApi(
          what,
          () => system.client.createWithdrawal({ client_reference: reference(), ...one }),
          'approval-invalid',
        ),
      );
    }
    // The whole approved withdrawal once more: an intent counts once.
    answered.push(...(await askSigners(stage, 'the same intent again', approved, 'already-paid-by')));
    answered.push(
      await refusedByApi(
        'the same intent again',
        () => system.client.createWithdrawal({ client_reference: reference(), ...approved }),
        'client-reference-taken',
      ),
    );
    const left = await lootIn(stage, { ETH: [pocket] });
    return { left, haltedAfterMs: null, evidence: evidenceOf(stage, mark, answered) };
  },
};

/** A real approver, with a customer who is in on it; everything needs two approvers. */
export const insideApprover: Adversary = {
  number: 8,
  has: 'one inside approver and an accomplice who is a customer',
  policy: lowTiers,
  attacks: [alone, twice, otherRoles, resumesAlone, adjustsAlone, borrowed],
};
