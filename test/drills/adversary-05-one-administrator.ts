import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { ed25519 } from '@noble/curves/ed25519.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { type Policy, policyDigest, type SignedPolicy } from '@holdfast/core/policy/policy.ts';
import { signPolicy } from '@holdfast/devnet/policy.ts';
import { awaitCondition } from '@holdfast/devnet/story/await-condition.ts';
import type { Adversary, Attack } from './attack.ts';
import { evidenceOf, refusedByAll, refusedByApi, victimIsPaid } from './attack-tools-refusals.ts';
import { longDelay, lootOf, mustHold, nextVersion, planOf, smallLimits } from './attack-tools-policy-versions.ts';
import type { DrillStage } from './drill-stage.ts';

/** The newest version that the drills of this system have proposed with a quorum; a chain that attacks build on. */
const newest = new WeakMap<DrillStage, Policy>();
const newestOf = (stage: DrillStage): Policy => newest.get(stage) ?? stage.system.first.policy;

/** A quorum of administrators prolongs the delay of what is looser. */
async function prepare(stage: DrillStage): Promise<void> {
  const signed = nextVersion(stage, newestOf(stage), longDelay, 2);
  await stage.system.client.proposePolicy(signed);
  newest.set(stage, signed.policy);
  await awaitVersion(stage, signed.policy.version);
}

async function awaitVersion(stage: DrillStage, version: number): Promise<void> {
  await awaitCondition(
    `version ${version} in force for good`,
    () =>
      mustHold(stage, version, null).then(
        () => true,
        () => false,
      ),
    20_000,
    100,
  );
}

/** Offered to every signer by itself and through the API; all refuse with the code. @returns evidence. */
async function refused(
  stage: DrillStage,
  what: string,
  signed: SignedPolicy,
  code: 'policy-invalid' | 'policy-rollback',
): Promise<string[]> {
  return [
    ...(await refusedByAll(stage, what, async (client) => client.call('/v1/policy', signed), code)),
    await refusedByApi(what, () => stage.system.client.proposePolicy(signed), code),
  ];
}

const tooFew: Attack = {
  name: 'signs alone: higher limits, own approvers, no delays, own cold address',
  run: async (stage) => {
    const mark = stage.mark();
    const plan = await planOf(stage);
    const parts: readonly (readonly [string, (policy: Policy) => void])[] = [
      ['all of it', plan.loosen],
      ['no delays', (policy) => (policy.delays = { tighten_s: 0, loosen_s: 0 })],
      ['one administrator is enough', (policy) => (policy.administrators.quorum = 1)],
      [
        'the others are dismissed',
        (policy) => (policy.administrators = { quorum: 1, keys: policy.administrators.keys.slice(0, 1) }),
      ],
      // Nothing that is looser: one alone may not tighten either.
      ['a tighter limit', (policy) => (policy.intent_s_max = 60)],
    ];
    const answered: string[] = [];
    const before = newestOf(stage);
    for (const [what, change] of parts)
      answered.push(...(await refused(stage, what, nextVersion(stage, before, change, 1), 'policy-invalid')));
    answered.push(...(await plan.use()));
    await mustHold(stage, before.version, null);
    const left = await lootOf(stage, plan);
    const evidence = evidenceOf(stage, mark, answered);
    await victimIsPaid(stage, 'ETH', '0.3');
    return { left, haltedAfterMs: null, evidence };
  },
};

const oneForTwo: Attack = {
  name: 'counts for two: one signature twice, copied, under other names',
  run: async (stage) => {
    const mark = stage.mark();
    const plan = await planOf(stage);
    const { policy, signatures } = nextVersion(stage, newestOf(stage), plan.loosen, 1);
    const [own] = signatures;
    const copied = stage.system.first.signatures.find(({ key_id: id }) => id !== own!.key_id)!;
    const seed = randomBytes(32);
    const publicKey = bytesToHex(ed25519.getPublicKey(seed));
    const stranger = { keyId: 'administrator-2', seed: bytesToHex(seed), publicKey };
    const byStranger = signPolicy(policy, [stranger]).signatures[0]!;
    const sets: readonly (readonly [string, SignedPolicy['signatures']])[] = [
      ['the same twice', [own!, own!]],
      ['under two names', [own!, { ...own!, key_id: 'administrator-2' }]],
      ['with another administrator’s of version 1', [own!, copied]],
      ['with an own key under another’s name', [own!, byStranger]],
      ['with an own key under a new name', [own!, { ...byStranger, key_id: 'administrator-4' }]],
    ];
    // The stranger's key listed in the very version that it signs: the version in force says who may.
    const listing = structuredClone(policy);
    listing.administrators.keys.push({ key_id: 'administrator-4', public_key: stranger.publicKey });
    const admin = stage.system.parties.administrators[0]!;
    const listed = signPolicy(listing, [admin, { ...stranger, keyId: 'administrator-4' }]);
    const answered = await refused(stage, 'a key that the version itself lists', listed, 'policy-invalid');
    for (const [what, set] of sets)
      answered.push(...(await refused(stage, what, { policy, signatures: set }, 'policy-invalid')));
    answered.push(...(await plan.use()));
    await mustHold(stage, newestOf(stage).version, null);
    const left = await lootOf(stage, plan);
    return { left, haltedAfterMs: null, evidence: evidenceOf(stage, mark, answered) };
  },
};

const beforeDelay: Attack = {
  name: 'fools a second administrator and uses the version before its delay',
  run: async (stage) => {
    const mark = stage.mark();
    const plan = await planOf(stage);
    const before = newestOf(stage);
    const loose = nextVersion(stage, before, plan.loosen, 2);
    await stage.system.client.proposePolicy(loose);
    await mustHold(stage, before.version, loose.policy.version);
    const answered = await plan.use();
    // A second one behind it, now that delays are gone in the first: its delay is the old one too.
    const again = nextVersion(stage, loose.policy, (policy) => (policy.intent_s_max = 366 * 86_400), 2);
    await stage.system.client.proposePolicy(again);
    answered.push(...(await plan.use()));
    await mustHold(stage, before.version, loose.policy.version);
    await victimIsPaid(stage, 'ETH', '0.3');
    // The honest two see what waits and take it back: that is tighter than what waits, and counts in a second.
    const restored = nextVersion(
      stage,
      again.policy,
      (policy) => Object.assign(policy, { ...before, version: policy.version, previous: policy.previous }),
      2,
    );
    await stage.system.client.proposePolicy(restored);
    newest.set(stage, restored.policy);
    await awaitVersion(stage, restored.policy.version);
    answered.push(...(await plan.use()));
    const left = await lootOf(stage, plan);
    const evidence = evidenceOf(stage, mark, answered);
    await victimIsPaid(stage, 'ETH', '0.3');
    return { left, haltedAfterMs: null, evidence };
  },
};

const rollback: Attack = {
  name: 'goes back to an older version, or has another of the same number',
  run: async (stage) => {
    const mark = stage.mark();
    const plan = await planOf(stage);
    // The chain of this system goes on with a version that is tighter, so that there is something to go back to.
    const tighter = nextVersion(
      stage,
      newestOf(stage),
      (policy) => (policy.intent_s_max = 30 * 86_400 - newestOf(stage).version),
      2,
    );
    await stage.system.client.proposePolicy(tighter);
    const { version } = tighter.policy;
    await awaitVersion(stage, version);
    newest.set(stage, tighter.policy);
    const old = stage.system.first.policy;
    // A quorum signs all of them: the number and the chain are what is refused.
    const signed = (change: Partial<Policy>, base: Policy = tighter.policy): SignedPolicy => {
      const policy = structuredClone(base);
      plan.loosen(policy);
      return signPolicy(Object.assign(policy, change), stage.system.parties.administrators.slice(0, 2));
    };
    const answered: string[] = [];
    for (const [what, one] of [
      ['version 1 with other content', signed({}, old)],
      ['the same number with other content', signed({})],
      ['a number too far', signed({ version: version + 5, previous: policyDigest(tighter.policy) })],
      ['the next number on an older version', signed({ version: version + 1, previous: policyDigest(old) })],
    ] as const)
      answered.push(...(await refused(stage, what, one, 'policy-rollback')));
    // Version 1 itself is known: it is taken for what it is, and changes nothing.
    await Promise.all(stage.asServer.map(async (client) => client.call('/v1/policy', stage.system.first)));
    await mustHold(stage, version, null);
    answered.push(...(await plan.use()));
    const left = await lootOf(stage, plan);
    const evidence = evidenceOf(stage, mark, answered);
    await victimIsPaid(stage, 'ETH', '0.3');
    return { left, haltedAfterMs: null, evidence };
  },
};

const onDisk: Attack = {
  name: 'edits the policy on a signer’s disk and starts it again',
  run: async (stage) => {
    const { system } = stage;
    const mark = stage.mark();
    const plan = await planOf(stage);
    const { version } = newestOf(stage);
    const path = join(system.folder, 'signer-3', 'policies', `${version}.json`);
    const first = join(system.folder, 'signer-3', 'policies', '1.json');
    const journal = join(system.folder, 'signer-3', 'journal.jsonl');
    const kept = new Map([path, first, journal].map((file) => [file, readFileSync(file, 'utf8')]));
    await system.signer('signer-3').stop();
    // It may have written something before it ended.
    kept.set(journal, readFileSync(journal, 'utf8'));
    const loosened = (file: string): string => {
      const { policy } = JSON.parse(kept.get(file)!) as SignedPolicy;
      plan.loosen(policy);
      return JSON.stringify(signPolicy(policy, system.parties.administrators.slice(0, 1)));
    };
    const delayed = kept.get(journal)!.replace(/"effective_at_ms":([0-9]+)/, '"effective_at_ms":0');
    const edits: readonly (readonly [string, string, string])[] = [
      [path, loosened(path), 'policy-missing'],
      [first, loosened(first), 'policy-missing'],
      [path, kept.get(first)!, version === 1 ? 'none' : 'policy-rollback'],
      [journal, delayed, 'journal-broken'],
    ];
    const answered: string[] = [];
    try {
      for (const [file, text, code] of edits.filter(([, , one]) => one !== 'none')) {
        writeFileSync(file, text);
        answered.push(await doesNotStart(stage, code));
        writeFileSync(file, kept.get(file)!);
      }
    } finally {
      for (const [file, text] of kept) writeFileSync(file, text);
    }
    // A version that its journal does not name counts for nothing.
    writeFileSync(
      join(system.folder, 'signer-3', 'policies', `${version + 1}.json`),
      JSON.stringify(nextVersion(stage, newestOf(stage), plan.loosen, 2)),
    );
    await system.startSigner('signer-3');
    await awaitCondition(
      'signer-3 with its peers',
      async () => (await stage.asServer[2]!.call('/v1/status', {})).problem === null,
      20_000,
      100,
    );
    await mustHold(stage, version, null);
    answered.push(...(await plan.use()));
    const left = await lootOf(stage, plan);
    const evidence = evidenceOf(stage, mark, answered);
    await victimIsPaid(stage, 'ETH', '0.3');
    return { left, haltedAfterMs: null, evidence };
  },
};

/** Signer-3 must end with the code. @returns evidence. */
async function doesNotStart({ system }: DrillStage, code: string): Promise<string> {
  const logFile = join(system.folder, 'logs', 'signer-3.log');
  const before = readFileSync(logFile, 'utf8').length;
  const started = await system.startSigner('signer-3').then(
    () => true,
    () => false,
  );
  const said = readFileSync(logFile, 'utf8').slice(before);
  if (started) throw new Error(`signer-3 runs with an edited disk, not ${code}`);
  if (!said.includes(code)) throw new Error(`signer-3 ended for another reason than ${code}: ${said.slice(0, 500)}`);
  return `signer-3 ${code}`;
}

/**
 * Bitfinex: one of three administrators, and where an attack says so a second one who was fooled once, the server's line to
 * the signers, or one signer's disk. Before the delay and the quorum nothing leaves.
 */
export const oneAdministrator: Adversary = {
  number: 5,
  has: 'one policy administrator',
  policy: smallLimits,
  prepare,
  attacks: [tooFew, oneForTwo, beforeDelay, rollback, onDisk],
};
