import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Policy } from '@holdfast/core/policy/policy.ts';
import type { SignerProgram } from '@holdfast/devnet/signer-program.ts';
import { alterProgram, asksNobody, letsItselfIn, pays, saysThatItIs } from '../support/altered-program.ts';
import { changePolicy } from '../support/change-policy.ts';
import type { Adversary, Attack } from './attack.ts';
import { collect, divert, withPoisoned } from './attack-tools-poison.ts';
import { evidenceOf, mustRefuse, victimIsPaid } from './attack-tools-refusals.ts';
import { mustBe } from './attack-tools-signers.ts';
import { type DrillStage, signerNames } from './drill-stage.ts';

/** Longer than any drill. */
const soakS = 3_600;
/** A halt needs two signers to notice and to tell each other. */
const noticeMs = 10_000;

function policy(version1: Policy): void {
  version1.builds.soak_s = soakS;
  version1.delays = { tighten_s: 1, loosen_s: 1 };
}

/** Releases whose code was poisoned before anybody looked: a quorum of administrators lists them, and they soak. */
interface Releases {
  /** Does not compare recipients, and is an honest signer else: a dependency that nobody wrote for Holdfast. */
  readonly blind: SignerProgram;
  /** Made for Holdfast: it signs for whoever asks, asks no peer, and is in its own eyes a build that may. */
  readonly made: SignerProgram;
}

const released = new WeakMap<DrillStage, Releases>();
const releasesOf = (stage: DrillStage): Releases => released.get(stage)!;

async function prepare(stage: DrillStage): Promise<void> {
  const { system } = stage;
  const releases = {
    blind: alterProgram(system.program, system.folder, 'blind', [pays]),
    made: alterProgram(system.program, system.folder, 'made', [pays, asksNobody, letsItselfIn]),
  };
  released.set(stage, releases);
  await changePolicy(system, ({ builds }) => builds.permitted.push(releases.blind.build, releases.made.build));
}

/** One signer signs for the thief; the others refuse, and what one has signed is nothing to the Safe. */
async function oneAlone(stage: DrillStage, program: SignerProgram): ReturnType<Attack['run']> {
  const mark = stage.mark();
  const diversion = await divert(stage, '0.7');
  const startedAtMs = performance.now();
  const halted = await withPoisoned(stage, ['signer-1'], program, async () => {
    const { answers, chain } = await collect(stage, diversion.request);
    const [own, ...others] = answers;
    mustBe('the poisoned signer', own!.code ?? 'signed', 'signed');
    mustRefuse('the others', others, 'payment-mismatch');
    mustBe('the Safe', chain, 'GS020');
    // What was signed without anybody's word is noticed.
    return stage.haltedAfterMs(startedAtMs, noticeMs);
  });
  const left = { ETH: await stage.stolen('ETH', diversion.address) };
  return { left, haltedAfterMs: halted, evidence: [...evidenceOf(stage, mark), 'chain GS020'] };
}

const unlisted: Attack = {
  name: 'a release that no policy lists, which lets itself in at one signer',
  run: async (stage) => {
    const { system } = stage;
    const mark = stage.mark();
    const diversion = await divert(stage, '0.7');
    const program = alterProgram(system.program, system.folder, 'unlisted', [pays, letsItselfIn]);
    await withPoisoned(stage, ['signer-1'], program, async () => {
      const { answers, chain } = await collect(stage, diversion.request);
      // It asks its peers as every signer does, and they look at its build before they look at the payment.
      mustRefuse('its peers', answers.slice(0, 1), 'build-not-permitted');
      mustRefuse('the others', answers.slice(1), 'payment-mismatch');
      mustBe('the Safe', chain, 'GS020');
    });
    const left = { ETH: await stage.stolen('ETH', diversion.address) };
    const evidence = evidenceOf(stage, mark);
    await victimIsPaid(stage, 'ETH', '0.3');
    return { left, haltedAfterMs: null, evidence };
  },
};

const liar: Attack = {
  name: 'a release at one signer that says it is the build which the policy lists',
  haltWithinMs: 2 * noticeMs,
  run: async (stage) => {
    const { system } = stage;
    const alterations = [pays, asksNobody, letsItselfIn, saysThatItIs(system.program.build)];
    return oneAlone(stage, alterProgram(system.program, system.folder, 'liar', alterations));
  },
};

const soaking: Attack = {
  name: 'a poisoned dependency in a listed release, at two signers inside its soak time',
  run: async (stage) => {
    const mark = stage.mark();
    const diversion = await divert(stage, '0.7');
    const { blind } = releasesOf(stage);
    await withPoisoned(stage, ['signer-1', 'signer-2'], blind, async () => {
      const shown = (await stage.system.client.listSigners()).data.map(({ build, detail }) => `${build} ${detail}`);
      const problem = `${blind.build} build-not-permitted`;
      mustBe('what operators see', String(shown.filter((line) => line.startsWith(problem)).length), '2');
      const { answers, chain } = await collect(stage, diversion.request);
      mustRefuse('the poisoned signers', answers.slice(0, 2), 'build-not-permitted');
      mustRefuse('the third one', answers.slice(2), 'payment-mismatch');
      mustBe('the Safe', chain, 'GS020');
      // Nor is anything else paid by a quorum that has to include one of them.
      const honest = await collect(stage, diversion.honest);
      mustRefuse('the poisoned signers', honest.answers.slice(0, 2), 'build-not-permitted');
      mustRefuse('the third one', honest.answers.slice(2), 'signers-unavailable');
    });
    const left = { ETH: await stage.stolen('ETH', diversion.address) };
    const evidence = evidenceOf(stage, mark);
    await victimIsPaid(stage, 'ETH', '0.3');
    return { left, haltedAfterMs: null, evidence };
  },
};

const admitted: Attack = {
  name: 'a listed release that would let itself in, brought to two hosts inside its soak time',
  run: async (stage) => {
    const { system } = stage;
    const mark = stage.mark();
    const answered: string[] = [];
    for (const id of signerNames.slice(0, 2)) {
      // Before a new build runs for the first time, the one in use is asked: docs/how-to/release.md.
      const args = [system.program.main, 'admit', releasesOf(stage).made.main, join(system.folder, id)];
      const said = await promisify(execFile)(process.execPath, args, { env: {} }).then(
        ({ stdout }) => stdout,
        ({ stdout }: { stdout: string }) => stdout,
      );
      mustBe(`${id} admits`, /"code":"([a-z-]+)"/.exec(said)?.[1] ?? said, 'build-not-permitted');
      mustBe(`${id} says why`, /still soaks/.exec(said)?.[0] ?? said, 'still soaks');
      answered.push(`${id} admits build-not-permitted`);
    }
    await victimIsPaid(stage, 'ETH', '0.3');
    return { left: {}, haltedAfterMs: null, evidence: evidenceOf(stage, mark, answered) };
  },
};

/**
 * Row 15 of the threat model. A quorum that runs code made for Holdfast is the whole hot quorum (13), whatever a policy says:
 * that no host runs a build before it has soaked rests on the build in use and on each signer's own administrator.
 */
export const signerRelease: Adversary = {
  number: 15,
  has: 'a release of the signer, or one of its dependencies',
  policy,
  prepare,
  attacks: [unlisted, liar, soaking, admitted],
};
