import { randomBytes, randomUUID } from 'node:crypto';
import { policyDigest, type SignedPolicy } from '@holdfast/core/policy/policy.ts';
import type { HaltStatement, SignedResume } from '@holdfast/core/signing/halt.ts';
import type { AuthorizedIntent } from '@holdfast/core/signing/intent.ts';
import type { SigningRequest } from '@holdfast/core/signing/messages.ts';
import { statementDigest } from '@holdfast/core/signing/statement.ts';
import { createCredential } from '@holdfast/devnet/authenticator.ts';
import { bitcoinNetworkId, evmNetworkId } from '@holdfast/devnet/configure.ts';
import { approvalsOrigin } from '@holdfast/devnet/policy-parties.ts';
import { withdrawalIntent } from '@holdfast/devnet/story/actors.ts';
import { bytesToHex } from '@noble/hashes/utils.js';
import { units } from '../support/payouts.ts';
import type { Attack } from './attack.ts';
import {
  bitcoinTxid,
  drainTo,
  evmRequest,
  hotAddresses,
  hotCoins,
  payOut,
  safeHash,
  safeNonce,
  walletKeyOf,
} from './attack-tools-chains.ts';
import { codeOf, mustBe, stealSigner, type StolenSigner } from './attack-tools-signers.ts';
import { type DrillStage, everything } from './drill-stage.ts';

const peers = ['signer-2', 'signer-3'] as const;

interface Forgery {
  readonly what: string;
  readonly request: SigningRequest;
  readonly txid: string;
  readonly codes: readonly string[];
}

/** What the thief would like its peers to vouch for; none of it has the evidence. */
async function forgeries(
  stage: DrillStage,
  genuine: AuthorizedIntent,
  nonce: bigint,
  thief: { readonly eth: string; readonly btc: string },
): Promise<Forgery[]> {
  const { system, asServer } = stage;
  const evm = (intents: AuthorizedIntent[]): Pick<Forgery, 'request' | 'txid'> => {
    const body = evmRequest(system, intents, nonce);
    return { request: { family: 'evm', body }, txid: bytesToHex(safeHash(system, body.safe_transaction)) };
  };
  const drain = payOut(system, thief.eth, units('ETH', '10'), nonce);
  const drainTxid = bytesToHex(safeHash(system, drain));
  const body = { network: evmNetworkId, safe_transaction: drain, intents: [] };
  const coins = await hotCoins(system, await hotAddresses(system, asServer[1]!));
  const { rawTx } = drainTo(coins, thief.btc);
  const bitcoin = {
    network: bitcoinNetworkId,
    raw_tx: rawTx,
    input_paths: coins.map(({ path }): [number, number] => [path[0], path[1]]),
    change: [],
    intents: [],
  };
  const change = (intent: Partial<AuthorizedIntent['intent']>): AuthorizedIntent[] => [
    { ...genuine, intent: { ...genuine.intent, ...intent } },
  ];
  const madeUp = { key_id: 'integrator', signature: randomBytes(64).toString('hex') };
  const refused = ['payment-mismatch', 'output-unaccounted', 'payment-missing'];
  return [
    { what: 'another destination', ...evm(change({ destination: thief.eth })), codes: ['authorization-invalid'] },
    { what: 'the same again', ...evm(change({ nonce: randomUUID() })), codes: ['authorization-invalid'] },
    {
      what: "a made-up integrator's signature",
      ...evm([{ ...genuine, intent: { ...genuine.intent, destination: thief.eth }, authorization: madeUp }]),
      codes: ['authorization-invalid'],
    },
    { what: 'no intent', request: { family: 'evm', body }, txid: drainTxid, codes: refused },
    {
      what: 'an evacuation to the thief',
      request: { family: 'evm', body: { ...body, evacuation: true } },
      txid: drainTxid,
      codes: ['evacuation-refused'],
    },
    {
      what: 'coins without an intent',
      request: { family: 'bitcoin', body: bitcoin },
      txid: bitcoinTxid(rawTx),
      codes: refused,
    },
    {
      what: 'coins evacuated to the thief',
      request: { family: 'bitcoin', body: { ...bitcoin, evacuation: true } },
      txid: bitcoinTxid(rawTx),
      codes: ['evacuation-refused'],
    },
    { what: 'the name of another transaction', ...evm([genuine]), txid: drainTxid, codes: ['reservation-refused'] },
  ];
}

export const asPeer: Attack = {
  name: "forged requests to its peers over the mesh, and the server's own messages under a signer's certificate",
  run: async (stage) => {
    const { system, victim } = stage;
    const mark = stage.mark();
    const stolen = await stealSigner(stage);
    const thief = { eth: await stage.thief('ETH'), btc: await stage.thief('BTC') };
    const nonce = await safeNonce(system);
    const genuine = system.authorizeWithPasskey(
      withdrawalIntent(system, victim, 'ETH', '0.5', victim.destinations.ETH),
    );
    for (const peer of peers) {
      const ask = (request: SigningRequest, txid: string): Promise<string> =>
        codeOf(stolen.mesh(peer)('/v1/mesh/reserve', { request, txid, head: stolen.head() }));
      for (const { what, request, txid, codes } of await forgeries(stage, genuine, nonce, thief)) {
        const code = await ask(request, txid);
        mustBe(`${what} at ${peer}`, code, ...codes);
      }
      // What the victim did ask for passes: the others were refused for what they are.
      const body = evmRequest(system, [genuine], nonce);
      const fine = await ask({ family: 'evm', body }, bytesToHex(safeHash(system, body.safe_transaction)));
      mustBe(`a genuine request at ${peer}`, fine, 'accepted');
      const own: [string, unknown][] = [
        ['/v1/sign/evm', body],
        ['/v1/records', { records: [] }],
        ['/v1/status', {}],
      ];
      for (const [path, message] of own) mustBe(path, await stolen.trespass(peer, path, message), 'peer-unknown');
      mustBe(
        'a policy of its own',
        await codeOf(stolen.mesh(peer)('/v1/mesh/policy', ownPolicy(stage))),
        'policy-invalid',
      );
    }
    await newKey(stage, stolen);
    stolen.close();
    const left = { ETH: await stage.stolen('ETH', thief.eth), BTC: await stage.stolen('BTC', thief.btc) };
    return { left, haltedAfterMs: null, evidence: stage.evidenceSince(mark) };
  },
};

/** Version 2 with the limits that the thief wants, under the signatures of version 1. */
function ownPolicy({ system }: DrillStage): SignedPolicy {
  const { policy, signatures } = structuredClone(system.first);
  policy.version = 2;
  policy.previous = policyDigest(system.first.policy);
  policy.destinations.delay_s = 0;
  policy.positions.approvals = 0;
  return { policy, signatures };
}

/** The signer with the lowest identifier paces key generation: a second one would move deposits to another key. */
async function newKey({ asServer }: DrillStage, stolen: StolenSigner): Promise<void> {
  const before = await Promise.all(asServer.slice(1).map(walletKeyOf));
  const session = randomBytes(16).toString('hex');
  for (const step of ['start', 'collect', 'verify', 'hold', 'confirm'] as const) {
    for (const peer of peers) {
      const body = { network: bitcoinNetworkId, session, step };
      const code = await codeOf(stolen.mesh(peer)('/v1/mesh/dkg/step', body));
      if (step === 'confirm' && code === 'accepted') throw new Error(`${peer} has confirmed another key`);
    }
  }
  const after = await Promise.all(asServer.slice(1).map(walletKeyOf));
  const same = after.every(({ group_key }, at) => group_key === before[at]?.group_key);
  if (!same) throw new Error('the peers have another key now');
}

export const falseNotice: Attack = {
  name: 'claims to have signed what nobody has seen, halts everybody again and again, and wants to resume by itself',
  haltWithinMs: 5_000,
  run: async (stage) => {
    const mark = stage.mark();
    const stolen = await stealSigner(stage);
    const random = (): string => randomBytes(32).toString('hex');
    const notice = (signer: string) => {
      const statement = { version: 1, signer, network: evmNetworkId, txid: random(), request: random() } as const;
      return { statement, signature: stolen.statement.sign(statementDigest('signed', statement)) };
    };
    const tell = stolen.mesh('signer-3');
    mustBe("another's word", await codeOf(tell('/v1/mesh/signed', notice('signer-2'))), 'authorization-invalid');
    const startedAtMs = performance.now();
    mustBe('its own word', await codeOf(tell('/v1/mesh/signed', notice('signer-1'))), 'accepted');
    const haltedAfterMs = await stage.haltedAfterMs(startedAtMs, 5_000);

    const codes: string[] = [];
    for (let count = 0; count < 25; count += 1) {
      const statement: HaltStatement = {
        version: 1,
        kind: 'halt',
        scope: everything,
        reason: 'x',
        nonce: randomUUID(),
      };
      codes.push(await codeOf(tell('/v1/mesh/halt', { statement })));
    }
    if (!codes.includes('rate-limited')) throw new Error('a peer fills the journal with halts');
    for (const peer of peers) {
      const { halts } = await stage.asServer[peer === 'signer-2' ? 1 : 2]!.call('/v1/status', {});
      const resume = forgedResume(
        stage,
        halts.map(({ digest }) => digest),
      );
      const code = await codeOf(stolen.mesh(peer)('/v1/mesh/resume', resume));
      mustBe(`a resumption at ${peer}`, code, 'approval-invalid', 'resume-invalid');
    }
    await stage.haltedAfterMs(startedAtMs, 5_000);
    stolen.close();
    return { left: {}, haltedAfterMs, evidence: stage.evidenceSince(mark) };
  },
};

/** Two passkeys that the thief made, under the approvers' names. */
function forgedResume({ system }: DrillStage, halts: readonly string[]): SignedResume {
  const statement: SignedResume['statement'] = {
    version: 1,
    kind: 'resume',
    halts: halts.slice(0, 100),
    reason: 'all is well',
    expires_at: new Date(Date.now() + 600_000).toISOString(),
    nonce: randomUUID(),
  };
  const { approvals } = system.first.policy.webauthn;
  const digest = statementDigest('resume', statement);
  const forged = system.first.policy.approvers.slice(0, 2).map(({ credential_id }) => ({
    ...createCredential(approvals.rp_id).sign(digest, { origin: approvalsOrigin }),
    credential_id,
  }));
  return { statement, approvals: forged };
}
