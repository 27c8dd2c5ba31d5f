import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { policyDigest, type Policy } from '@holdfast/core/policy/policy.ts';
import type { AuthorizedIntent } from '@holdfast/core/signing/intent.ts';
import { signPolicy } from '@holdfast/devnet/policy.ts';
import { withdrawalIntent } from '@holdfast/devnet/story/actors.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import { units } from '../support/payouts.ts';
import type { Attack } from './attack.ts';
import { askedFor } from './attack-tools-11-chain.ts';
import {
  batchOf,
  bitcoinRequest,
  evmRequest,
  execute,
  frostInputs,
  hotAddresses,
  hotCoins,
  safeNonce,
  sendBitcoin,
  withSignatures,
} from './attack-tools-chains.ts';
import { evmLegs } from './attack-tools-legs.ts';
import { codeOf, mustBe } from './attack-tools-signers.ts';
import { aggregateInputs } from '@holdfast/server/signers/aggregate.ts';
import { type DrillStage, everything } from './drill-stage.ts';
import { walletKeyOf } from './attack-tools-chains.ts';

/** Hands a withdrawal in at the API under a new reference. */
async function handIn({ system }: DrillStage, authorized: AuthorizedIntent): Promise<string> {
  const reference = `wd-${randomBytes(8).toString('hex')}`;
  const problem = await system.client.createWithdrawal({ client_reference: reference, ...authorized }).then(
    () => 'accepted',
    (error: unknown) => String((error as { code?: unknown }).code),
  );
  return problem;
}

export const keptIntents: Attack = {
  name: 'an expired intent with its approvals, and a paid one under a new name, with the evidence of then',
  run: async (stage) => {
    const { system, accomplice, asServer } = stage;
    const [one, two, three] = asServer;
    const mark = stage.mark();
    const before = await stage.stolen('ETH', accomplice.destinations.ETH);
    const soon = {
      ...withdrawalIntent(system, accomplice, 'ETH', '0.2', accomplice.destinations.ETH),
      expires_at: new Date(Date.now() + 2_500).toISOString(),
    };
    const expired = { ...system.authorizeWithPasskey(soon), approvals: system.approve(soon) };

    const paid = { ...askedFor(stage, 'ETH', '0.1') };
    const first = evmRequest(system, [paid], await safeNonce(system));
    const owners = await Promise.all([one!, three!].map((client) => client.call('/v1/sign/evm', first)));
    mustBe('the payment', await execute(system, first.safe_transaction, owners), 'executed');

    await sleep(Math.max(0, Date.parse(soon.expires_at) - Date.now() + 100));
    const nonce = await safeNonce(system);
    const evidence: string[] = [];
    for (const client of [one!, two!, three!]) {
      const ask = (authorized: AuthorizedIntent): Promise<string> =>
        codeOf(client.call('/v1/sign/evm', evmRequest(system, [authorized], nonce)));
      // No deadline is both ahead of the signer's clock and within what the customer agreed to.
      mustBe('the expired one', await ask(expired), 'deadline-refused');
      const later = batchOf(system, evmLegs(system, [expired]), nonce);
      const asked = { ...evmRequest(system, [expired], nonce), safe_transaction: later };
      mustBe('the expired one, due later', await codeOf(client.call('/v1/sign/evm', asked)), 'deadline-refused');
      mustBe('the paid one', await ask(paid), 'already-paid-by');
      const renamed = { ...paid, intent: { ...paid.intent, nonce: randomUUID() } };
      mustBe('the paid one under a new name', await ask(renamed), 'authorization-invalid');
      const prolonged = { ...expired, intent: { ...soon, expires_at: new Date(Date.now() + 60_000).toISOString() } };
      mustBe('the expired one with a new expiry', await ask(prolonged), 'authorization-invalid');
    }
    for (const authorized of [expired, { ...expired, intent: { ...soon, nonce: randomUUID() } }]) {
      const code = await handIn(stage, authorized);
      mustBe('at the API', code, 'intent-expired', 'authorization-invalid');
      evidence.push(`api ${code}`);
    }
    const received = (await stage.stolen('ETH', accomplice.destinations.ETH)) - before;
    const left = { ETH: received - units('ETH', '0.1') };
    return { left, haltedAfterMs: null, evidence: [...stage.evidenceSince(mark), ...evidence] };
  },
};

export const keptResumption: Attack = {
  name: 'a used halt token, and the resumption of an earlier halt against the one in force',
  haltWithinMs: 3_000,
  run: async (stage) => {
    const { system, asServer } = stage;
    const mark = stage.mark();
    const all = <T>(ask: (client: (typeof asServer)[number]) => Promise<T>): Promise<T[]> =>
      Promise.all(asServer.map(ask));
    const token = system.haltToken(everything, 'first');
    await asServer[0]!.call('/v1/halt', token);
    await stage.haltedAfterMs(performance.now(), 3_000);
    const [status] = await all((client) => client.call('/v1/status', {}));
    const kept = system.resumption(
      status!.halts.map(({ digest }) => digest),
      'looked at',
    );
    await all((client) => client.call('/v1/resume', kept));
    for (const code of await all((client) => codeOf(client.call('/v1/halt', token)))) {
      mustBe('the used token', code, 'halt-invalid');
    }

    const startedAtMs = performance.now();
    await asServer[0]!.call('/v1/halt', system.haltToken(everything, 'second'));
    const haltedAfterMs = await stage.haltedAfterMs(startedAtMs, 3_000);
    // Nothing new in it: it is taken, and lifts nothing. Its approvals are not good for another statement.
    for (const code of await all((client) => codeOf(client.call('/v1/resume', kept)))) {
      mustBe('the resumption of then', code, 'accepted', 'resume-invalid');
    }
    const open = (await asServer[0]!.call('/v1/status', {})).halts.map(({ digest }) => digest);
    const moved = { ...kept, statement: { ...kept.statement, halts: open, nonce: randomUUID() } };
    for (const code of await all((client) => codeOf(client.call('/v1/resume', moved)))) {
      mustBe('its approvals under another statement', code, 'approval-invalid');
    }
    await stage.haltedAfterMs(startedAtMs, 3_000);
    const request = evmRequest(system, [askedFor(stage, 'ETH', '0.01')], await safeNonce(system));
    for (const code of await all((client) => codeOf(client.call('/v1/sign/evm', request)))) {
      mustBe('a payment', code, 'halted');
    }
    return { left: {}, haltedAfterMs, evidence: stage.evidenceSince(mark) };
  },
};

export const keptSessions: Attack = {
  name: 'a session of the threshold key is used twice, kept across a halt and a restart, and its share in another session',
  run: async (stage) => {
    const { system, accomplice, asServer } = stage;
    const [, two, three] = asServer;
    const mark = stage.mark();
    const evidence: string[] = [];
    const expect = (what: string, found: string, ...codes: string[]): void => {
      mustBe(what, found, ...codes);
      evidence.push(`session ${found}`);
    };
    const before = await stage.stolen('BTC', accomplice.destinations.BTC);
    const derive = await hotAddresses(system, two!);
    const coins = (await hotCoins(system, derive)).slice(0, 1);
    const request = bitcoinRequest(coins, [askedFor(stage, 'BTC', '0.01')], derive, 3_000);
    const open = (): Promise<Sessions> => openBoth([two!, three!], request);
    const first = await open();
    const second = await open();
    const shares = await sharesOf([two!, three!], first);
    // The same nonces for other lists would give the share of the key away.
    expect('a second use', await codeOf(sharesOf([two!], first)), 'session-unknown');
    const mixed = { ...first, lists: second.lists };
    expect('other lists', await codeOf(sharesOf([two!], mixed)), 'session-unknown');
    // One kept share, one fresh: the sum is no signature.
    const fresh = await sharesOf([two!], second);
    const inputs = frostInputs(request.raw_tx, coins);
    const key = await walletKeyOf(two!);
    const sum = (lists: Sessions['lists'], parts: Awaited<ReturnType<typeof sharesOf>>): Uint8Array[] =>
      aggregateInputs(key, inputs, lists, parts, 2, 3);
    expect(
      'a share in another session',
      tried(() => sum(second.lists, [fresh[0]!, shares[1]!])),
      'refused',
    );

    const third = await open();
    await two!.call('/v1/halt', system.haltToken(everything, 'kept sessions'));
    await stage.haltedAfterMs(performance.now(), 3_000);
    expect('across a halt', await codeOf(sharesOf([two!], third)), 'halted');
    await stage.calm();
    const fourth = await open();
    await system.signer('signer-2').stop();
    await system.startSigner('signer-2');
    expect('across a restart', await codeOf(sharesOf([two!], fourth)), 'session-unknown');

    const signed = withSignatures(request.raw_tx, sum(first.lists, shares));
    mustBe('what the first session signed', await sendBitcoin(system, signed), 'accepted');
    evidence.push(`chain ${await sendBitcoin(system, signed)}`);
    const received = (await stage.stolen('BTC', accomplice.destinations.BTC)) - before;
    const left = { BTC: received - units('BTC', '0.01') };
    return { left, haltedAfterMs: null, evidence: [...stage.evidenceSince(mark), ...evidence] };
  },
};

type Client = DrillStage['asServer'][number];
type Request = ReturnType<typeof bitcoinRequest>;
interface Sessions {
  readonly ids: ReadonlyMap<string, { readonly session: string; readonly identifier: string }>;
  readonly lists: readonly { readonly identifier: string; readonly hiding: string; readonly binding: string }[][];
}

async function openBoth(clients: readonly Client[], request: Request): Promise<Sessions> {
  const opened = await Promise.all(clients.map((client) => client.call('/v1/sign/bitcoin/commit', request)));
  const lists = request.input_paths.map((_, at) => opened.map(({ commitments }) => commitments[at]!));
  const ids = opened.map(({ session, commitments }, at) => {
    return [clients[at]!.id, { session, identifier: commitments[0]!.identifier }] as const;
  });
  return { ids: new Map(ids), lists };
}

async function sharesOf(clients: readonly Client[], { ids, lists }: Sessions) {
  return Promise.all(
    clients.map(async (client) => {
      const { session, identifier } = ids.get(client.id)!;
      const commitments = lists.map((list) => [...list]);
      const answer = await client.call('/v1/sign/bitcoin/share', { session, commitments });
      return { identifier, shares: answer.shares };
    }),
  );
}

function tried(run: () => unknown): string {
  try {
    run();
    return 'accepted';
  } catch {
    return 'refused';
  }
}

export const keptPolicy: Attack = {
  name: 'a looser version of the policy that a quorum signed once and gave up, after the one that replaced it',
  run: async (stage) => {
    const { system, asServer } = stage;
    const mark = stage.mark();
    const administrators = system.parties.administrators.slice(0, 2);
    const next = (change: (policy: Policy) => void): Policy => {
      const policy = structuredClone(system.first.policy);
      policy.version = 2;
      policy.previous = policyDigest(system.first.policy);
      change(policy);
      return policy;
    };
    const kept = signPolicy(
      next((policy) => (policy.positions.approvals = 0)),
      administrators,
    );
    const tighter = signPolicy(
      next((policy) => (policy.intent_s_max = 86_400)),
      administrators,
    );
    await Promise.all(asServer.map((client) => client.call('/v1/policy', tighter)));
    const evidence: string[] = [];
    const offer = async (): Promise<void> => {
      for (const client of asServer) {
        const code = await codeOf(client.call('/v1/policy', kept));
        mustBe('the kept version', code, 'policy-rollback', 'policy-invalid');
        evidence.push(`policy ${code}`);
      }
    };
    await offer();
    await awaitCondition(
      'version 2 in force',
      async () => {
        const all = await Promise.all(asServer.map((client) => client.call('/v1/status', {})));
        return all.every(({ policy }) => policy.version === 2);
      },
      10_000,
      50,
    );
    await offer();
    mustBe(
      'version 1',
      await codeOf(asServer[0]!.call('/v1/policy', system.first)),
      'policy-rollback',
      'policy-invalid',
      'accepted',
    );
    // And its rules are not in force: above the position it still takes approvals.
    const request = evmRequest(system, [askedFor(stage, 'ETH', '15')], await safeNonce(system));
    for (const client of asServer) {
      mustBe('above the position', await codeOf(client.call('/v1/sign/evm', request)), 'position-exceeded');
    }
    return { left: {}, haltedAfterMs: null, evidence: [...stage.evidenceSince(mark), ...evidence] };
  },
};
