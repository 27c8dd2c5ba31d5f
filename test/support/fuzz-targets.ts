import Value from 'typebox/value';
import Type from 'typebox';
import { inspectBitcoinTransaction } from '@holdfast/core/chains/bitcoin/inspect.ts';
import { policyDigest } from '@holdfast/core/policy/policy.ts';
import { signSamplePolicy } from '@holdfast/core/policy/sample-policy.test-support.ts';
import { assertionBy, signatureBy } from '@holdfast/core/signing/evidence.test-support.ts';
import { HaltStatement, type SignedHalt, type SignedResume } from '@holdfast/core/signing/halt.ts';
import type { NonceCommitment, SignBitcoinRequest, SigningRequest } from '@holdfast/core/signing/messages.ts';
import { statementDigest, statementDigestHex } from '@holdfast/core/signing/statement.ts';
import { identifyRequest } from '@holdfast/signer/review/identify-request.ts';
import { recordTargets } from './fuzz-record-targets.ts';
import type { FuzzStage } from './fuzz-stage.ts';
import {
  bitcoinNetwork,
  bitcoinRequest,
  bitcoinWithdrawal,
  customer,
  evmNetwork,
  evmRequest,
  usdcAsset,
  withdrawal,
} from './signer-stage.ts';

/** One message of a signer, with a valid one to start from. */
export interface FuzzTarget {
  readonly name: string;
  readonly path: string;
  readonly as: 'server' | 'peer';
  /** A known message was accepted before and is again, changing nothing; a fresh one was not sent, and nothing near it may pass. */
  readonly kind: 'known' | 'fresh';
  readonly base: () => Promise<unknown>;
  /** Whether the valid message must be made anew after this refusal. */
  readonly spent?: (code: string) => boolean;
  /** Whether an accepted answer is as good as the first one; equal when left out. */
  readonly same?: (answer: never) => boolean;
  /** Whether a changed message is a valid one of its own. */
  readonly allowed?: (value: never, base: never) => boolean;
  /** Records that an allowed message may make. */
  readonly records?: readonly string[];
  /** Changes that the caller is entitled to, with an effect that would end the test. */
  readonly skip?: (value: never) => boolean;
}

let nonces = 0;
const nonce = (): string => `fuzz-nonce-${(nonces += 1)}`;
let places = 100;

/** Every message of a signer, and for those that take evidence one that it has not seen. */
export async function fuzzTargets(fuzz: FuzzStage): Promise<FuzzTarget[]> {
  await fuzz.accepted('peer', '/v1/mesh/hello', await fuzz.hello());
  return [
    { name: 'status', path: '/v1/status', as: 'server', kind: 'known', base: async () => ({}), same: () => true },
    ...(await addresses(fuzz)),
    ...(await signing(fuzz)),
    ...(await recordTargets(fuzz)),
    ...policies(fuzz),
    ...(await halts(fuzz)),
    ...(await mesh(fuzz)),
    ...keyGeneration(fuzz),
  ];
}

async function addresses({ accepted }: FuzzStage): Promise<FuzzTarget[]> {
  const targets = [evmNetwork, bitcoinNetwork].map((network): FuzzTarget => {
    const base = { network, customer, index: 7 };
    return {
      name: `address of ${network.split(':')[0]}`,
      path: '/v1/address',
      as: 'server',
      kind: 'known',
      base: async () => base,
      // Another index, or a customer's second one, is another address.
      allowed: (value: typeof base) => Number.isInteger(value.index) && value.index !== base.index,
      records: ['address'],
    };
  });
  for (const target of targets) await accepted('server', target.path, await target.base());
  return targets;
}

async function signing(fuzz: FuzzStage): Promise<FuzzTarget[]> {
  const { accepted, stage, other } = fuzz;
  const coin = () => stage.addCoin([0, (places += 1)], 1_000_000n);
  const evm = (amount: string) =>
    evmRequest([withdrawal({ amount }), withdrawal({ asset: usdcAsset, amount: '5' })], 0n);
  const bitcoin = () => bitcoinRequest(stage, [coin(), coin()], [bitcoinWithdrawal(), bitcoinWithdrawal()]);
  const [knownEvm, knownBitcoin, freshEvm] = [evm('1000'), bitcoin(), evm('1001')];
  let freshBitcoin = bitcoin();
  await accepted('server', '/v1/sign/evm', knownEvm);
  const commit = async () =>
    (await accepted('server', '/v1/sign/bitcoin/commit', knownBitcoin)) as {
      session: string;
      commitments: NonceCommitment[];
    };
  const theirs = await other.client.call('/v1/sign/bitcoin/commit', knownBitcoin);
  const share = async () => {
    const own = await commit();
    const commitments = own.commitments.map((one, at) => [one, theirs.commitments[at] as NonceCommitment]);
    return { session: own.session, commitments };
  };
  await accepted('server', '/v1/sign/bitcoin/share', await share());
  const evmPath = { path: '/v1/sign/evm', as: 'server' } as const;
  const bitcoinPath = { path: '/v1/sign/bitcoin/commit', as: 'server' } as const;
  return [
    { name: 'sign EVM', ...evmPath, kind: 'known', base: async () => knownEvm },
    { name: 'sign EVM, fresh', ...evmPath, kind: 'fresh', base: async () => freshEvm },
    {
      name: 'sign Bitcoin',
      ...bitcoinPath,
      kind: 'known',
      base: async () => knownBitcoin,
      same: ({ commitments }: { commitments: unknown[] }) => commitments.length === 2,
    },
    {
      name: 'sign Bitcoin, fresh',
      ...bitcoinPath,
      kind: 'fresh',
      base: async () => (freshBitcoin = bitcoin()),
      allowed: paysTheSame,
      records: ['accepted', 'degraded'],
    },
    {
      // The stage's wallet is FROST: whatever is asked of the other kind is refused.
      name: 'sign Bitcoin multisig',
      path: '/v1/sign/bitcoin/multisig',
      as: 'server',
      kind: 'fresh',
      base: async () => freshBitcoin,
    },
    {
      name: 'Bitcoin share',
      path: '/v1/sign/bitcoin/share',
      as: 'server',
      kind: 'known',
      base: share,
      spent: (code) => code !== 'invalid-request' && code !== 'body-too-large',
      same: ({ shares }: { shares: unknown[] }) => shares.length === 2,
      // What another signer commits to is not this one's to judge; a wrong share of it is worth nothing.
    },
    ...(await reservations(fuzz, [
      ['EVM', { family: 'evm', body: knownEvm }, { family: 'evm', body: freshEvm }],
      ['Bitcoin', { family: 'bitcoin', body: knownBitcoin }, { family: 'bitcoin', body: freshBitcoin }],
    ])),
  ];
}

/** The same payments from the same coins, with another fee, change, sequence or lock time: a server may ask for that. */
function paysTheSame(value: SignBitcoinRequest, base: SignBitcoinRequest): boolean {
  const [was, is] = [base, value].map(({ raw_tx: rawTx }) => inspectBitcoinTransaction(rawTx));
  if (!was || !is) return false;
  const coins = ({ inputs }: typeof was) => inputs.map(({ txid, vout }) => `${txid}:${vout}`).join(' ');
  const change = base.change[0]?.output ?? -1;
  const payouts = ({ outputs }: typeof was) => JSON.stringify(outputs.toSpliced(change, 1).map(String));
  const ours = is.outputs[change]?.script === was.outputs[change]?.script;
  return ours && coins(was) === coins(is) && payouts(was) === payouts(is);
}

async function reservations(
  fuzz: FuzzStage,
  requests: readonly (readonly [string, SigningRequest, SigningRequest])[],
): Promise<FuzzTarget[]> {
  const { policy } = fuzz.stage.cluster.policy;
  const head = { seq: 1_000, hash: 'ab'.repeat(32) };
  const body = (request: SigningRequest) => ({ request, txid: identifyRequest(request, policy).txid, head });
  const hello = async () => fuzz.accepted('peer', '/v1/mesh/hello', await fuzz.hello());
  const targets = requests.flatMap(([name, known, fresh]): FuzzTarget[] =>
    (['known', 'fresh'] as const).map((kind) => ({
      name: `reserve ${name}, ${kind}`,
      path: '/v1/mesh/reserve',
      as: 'peer',
      kind,
      base: async () => {
        await hello();
        return body(kind === 'known' ? known : fresh);
      },
      // Who reserves signs nothing and leaves the coins and their paths to who does: the payments are what it charges.
      allowed: (value: ReturnType<typeof body>, base: ReturnType<typeof body>) =>
        kind === 'fresh' &&
        value.request.family === 'bitcoin' &&
        base.request.family === 'bitcoin' &&
        paysTheSame(value.request.body, base.request.body),
      records: ['accepted', 'degraded'],
      // A peer's own journal may grow as it says.
      skip: ({ head: shown }: { head?: { seq?: unknown } }) => Number(shown?.seq) > head.seq,
    })),
  );
  for (const [, known] of requests) await fuzz.accepted('peer', '/v1/mesh/reserve', body(known));
  return targets;
}

function policies({ stage }: FuzzStage): FuzzTarget[] {
  const { policy } = stage.cluster.policy;
  const next = structuredClone({ ...policy, version: 2, previous: policyDigest(policy), intent_s_max: 60 });
  const bases = { known: stage.cluster.policy, fresh: signSamplePolicy(next) };
  const of = (path: string, as: 'server' | 'peer', kind: 'known' | 'fresh'): FuzzTarget => ({
    name: `policy from ${as}, ${kind}`,
    path,
    as,
    kind,
    base: async () => bases[kind],
  });
  return (['known', 'fresh'] as const).flatMap((kind) => [
    of('/v1/policy', 'server', kind),
    of('/v1/mesh/policy', 'peer', kind),
  ]);
}

async function halts({ accepted, stage }: FuzzStage): Promise<FuzzTarget[]> {
  const relyingParty = stage.cluster.policy.policy.webauthn.approvals;
  // Signing of what is fuzzed here must go on.
  const scope = { network: evmNetwork, asset: `${evmNetwork}/erc20:0x${'99'.repeat(20)}` };
  const halt = (by: string): SignedHalt => {
    const statement = { version: 1, kind: 'halt', scope, reason: 'fuzz', nonce: nonce() } as const;
    const digest = statementDigest('halt', statement);
    const evidence = by.startsWith('operator') ? assertionBy(by, digest, relyingParty) : signatureBy(by, digest);
    return { statement, evidence };
  };
  const resume = (halted: SignedHalt): SignedResume => {
    const statement = {
      version: 1,
      kind: 'resume',
      halts: [statementDigestHex('halt', halted.statement)],
      reason: 'fuzz',
      expires_at: new Date(Date.now() + 3_600_000).toISOString(),
      nonce: nonce(),
    } as const;
    const digest = statementDigest('resume', statement);
    const approvals = ['approver-1', 'approver-2'].map((name) => assertionBy(name, digest, relyingParty));
    return { statement: { ...statement, halts: [...statement.halts] }, approvals };
  };
  const [held, lifted, fresh, freshByPasskey] = [
    halt('watcher-1'),
    halt('operator-1'),
    halt('watcher-1'),
    halt('operator-1'),
  ];
  await accepted('server', '/v1/halt', held);
  await accepted('server', '/v1/halt', lifted);
  const lift = resume(lifted);
  await accepted('server', '/v1/resume', lift);
  const bare = Type.Object({ statement: HaltStatement }, { additionalProperties: false });
  const target = (name: string, path: string, kind: 'known' | 'fresh', base: unknown): FuzzTarget => {
    const as = path.startsWith('/v1/mesh/') ? 'peer' : 'server';
    // The peer's own halt.
    const own = path === '/v1/mesh/halt' && { skip: (value: unknown) => Value.Check(bare, value) };
    return { name: `${name} from ${as}, ${kind}`, path, as, kind, base: async () => base, ...own };
  };
  return ['/v1', '/v1/mesh'].flatMap((prefix) => [
    target('halt', `${prefix}/halt`, 'known', held),
    target('halt', `${prefix}/halt`, 'fresh', fresh),
    target('halt by passkey', `${prefix}/halt`, 'fresh', freshByPasskey),
    target('resume', `${prefix}/resume`, 'known', lift),
    target('resume', `${prefix}/resume`, 'fresh', resume(held)),
  ]);
}

async function mesh(fuzz: FuzzStage): Promise<FuzzTarget[]> {
  const { accepted, journal, peerSecrets } = fuzz;
  const of = (name: string, kind: 'known' | 'fresh', base: unknown): FuzzTarget => ({
    name: kind === 'known' ? name : `${name}, fresh`,
    path: `/v1/mesh/${name}`,
    as: 'peer',
    kind,
    base: async () => base,
  });
  const transactions = journal.all().flatMap((record) => (record.kind === 'accepted' ? [record.body] : []));
  const [first, second] = transactions.map(({ network, txid, request }) => {
    const statement = { version: 1, signer: 'signer-1', network, txid, request } as const;
    return { statement, signature: peerSecrets.statement.sign(statementDigest('signed', statement)) };
  });
  const cosigned = journal.all().flatMap((record) => (record.kind === 'cosigned' ? [record.body.checkpoint] : []));
  const checkpoint = cosigned.findLast(({ signer }) => signer === 'signer-1') ?? {
    version: 1,
    signer: 'signer-1',
    size: 3,
    root: 'cd'.repeat(32),
  };
  const signature = peerSecrets.statement.sign(statementDigest('checkpoint', checkpoint));
  const known = { checkpoint, signature, from: 0, proof: [] };
  await accepted('peer', '/v1/mesh/checkpoint', known);
  await accepted('peer', '/v1/mesh/signed', first);
  const entitled = { allowed: () => true, same: () => true };
  const asked = (name: string, base: object): FuzzTarget => ({
    ...of(name, 'known', base),
    ...entitled,
    name: `${name}, to the server`,
    path: `/v1/${name}`,
    as: 'server',
  });
  return [
    asked('journal', { after: 0 }),
    asked('request', { hash: transactions[0]?.request ?? '' }),
    { ...of('hello', 'known', await fuzz.hello()), ...entitled, skip: saysBehind },
    { ...of('transcripts', 'known', { after: 0 }), ...entitled },
    { ...of('journal', 'known', { signer: fuzz.target.id, after: 0 }), ...entitled },
    { ...of('request', 'known', { hash: transactions[0]?.request ?? '' }), ...entitled },
    of('signed', 'known', first),
    of('signed', 'fresh', second),
    of('checkpoint', 'known', known),
  ];
}

/** A peer's word that this journal was set back stops the signer until a restart. */
function saysBehind({ your_head: head }: { your_head?: unknown }): boolean {
  return head !== null && head !== undefined;
}

function keyGeneration({ journal }: FuzzStage): FuzzTarget[] {
  const key = journal.all().find((record) => record.kind === 'key');
  const session = key?.kind === 'key' ? key.body.session : '';
  const base = { network: bitcoinNetwork, session };
  const of = (step: string, kind: 'known' | 'fresh', body: object, more: object = {}): FuzzTarget => ({
    name: `key generation: ${step}`,
    path: `/v1/mesh/dkg/${step}`,
    as: 'peer',
    kind,
    base: async () => body,
    ...more,
  });
  return [
    of('step', 'known', { ...base, step: 'confirm' }),
    of('package', 'fresh', base),
    of('echo', 'fresh', base),
    of('share', 'fresh', base),
    of('key', 'known', base, { allowed: () => true, same: () => true }),
  ];
}
