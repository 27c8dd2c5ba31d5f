import { isDevelopmentNetwork } from '../money/development-network.ts';
import { lintNetwork } from './lint-network.ts';
import { assetPolicies } from './network-of.ts';
import type { Policy, RelyingParty } from './policy.ts';
import { duplicates, type PolicyFinding, type Report } from './policy-finding.ts';

const day = 86_400;

/**
 * Finds what the schema cannot: mistakes (`error`, no signer takes the version) and weak settings (`warning`).
 * Paths are like `networks[0].assets[1].limits`.
 */
export function lintPolicy(policy: Policy): PolicyFinding[] {
  const findings: PolicyFinding[] = [];
  const report: Report = (level, path, message) => void findings.push({ level, path, message });
  lintChain(policy, report);
  lintKeys(policy, report);
  lintPeople(policy, report);
  lintRelyingParties(policy, report);
  lintDelays(policy, report);
  lintBuilds(policy, report);
  duplicates(policy.networks, ({ network }) => network, 'networks', report);
  policy.networks.forEach((network, index) => lintNetwork(network, policy.approvers, `networks[${index}]`, report));
  lintCodes(policy, report);
  lintHotSums(policy, report);
  return findings;
}

/** A signer's build is the SHA-256 of its bundle; one that runs from source is for development chains. */
function lintBuilds({ builds, networks }: Policy, report: Report): void {
  duplicates(builds.permitted, (build) => build, 'builds.permitted', report);
  const development = networks.every(({ network }) => isDevelopmentNetwork(network));
  builds.permitted.forEach((build, index) => {
    const path = `builds.permitted[${index}]`;
    if (build !== 'source') {
      if (!/^[0-9a-f]{64}$/.test(build)) report('warning', path, 'is no SHA-256 of a bundle: no signer runs it');
    } else if (!development) {
      report('error', path, 'is whatever code lies on a host: it is for development chains only');
    }
  });
}

function lintChain({ version, previous }: Policy, report: Report): void {
  if (version === 1 && previous !== null) report('error', 'previous', 'is null in version 1');
  if (version > 1 && previous === null) report('error', 'previous', 'must be the digest of the version before');
}

/** Keys of machines and administrators: one key has one role. */
function lintKeys(policy: Policy, report: Report): void {
  const { administrators, halt_keys, integrator_keys, engine_keys } = policy;
  const lists = { 'administrators.keys': administrators.keys, halt_keys, integrator_keys, engine_keys };
  const roles = new Map<string, string>();
  for (const [path, keys] of Object.entries(lists)) {
    duplicates(keys, (key) => key.key_id, path, report, 'key_id');
    keys.forEach((key, index) => {
      const other = roles.get(key.public_key);
      if (other !== undefined) report('error', `${path}[${index}].public_key`, `is the key of ${other} too`);
      roles.set(key.public_key, `${path}[${index}]`);
    });
  }
  integrator_keys.forEach((key, index) => duplicates(key.may, (may) => may, `integrator_keys[${index}].may`, report));
  if (administrators.quorum > administrators.keys.length) {
    const count = administrators.keys.length;
    report('error', 'administrators.quorum', `${administrators.quorum} signatures of ${count} administrators`);
  }
  if (administrators.quorum === 1)
    report('warning', 'administrators.quorum', 'one administrator alone changes everything');
}

function lintPeople(policy: Policy, report: Report): void {
  const { approvers, operators, resume, positions, halt_keys } = policy;
  for (const [path, people] of Object.entries({ approvers, operators })) {
    duplicates(people, ({ id }) => id, path, report, 'id');
    duplicates(people, (person) => person.credential_id, path, report, 'credential_id');
    duplicates(people, (person) => person.public_key, path, report, 'public_key');
  }
  // An approver may be an operator with the same credential; then it must be the same one.
  operators.forEach((operator, index) => {
    const twin = approvers.find(
      (approver) => approver.credential_id === operator.credential_id || approver.public_key === operator.public_key,
    );
    if (twin === undefined) return;
    if (twin.credential_id !== operator.credential_id || twin.public_key !== operator.public_key) {
      report('error', `operators[${index}]`, `shares half of its credential with approver ${twin.id}`);
    }
  });
  const count = `the ${approvers.length} approvers`;
  if (resume.approvals > approvers.length) {
    report('error', 'resume.approvals', `${resume.approvals}, more than ${count}: no halt could be lifted`);
  }
  if (positions.approvals > approvers.length) {
    report('error', 'positions.approvals', `${positions.approvals}, more than ${count}`);
  }
  if (approvers.length === 0) report('warning', 'approvers', 'nobody can approve anything');
  if (resume.approvals === 1) report('warning', 'resume.approvals', 'one approver alone lifts every halt');
  if (positions.approvals === 0) {
    report('warning', 'positions.approvals', 'payments are not compared with what signers know that customers have');
  }
  if (positions.approvals === 1) {
    report('warning', 'positions.approvals', 'one approver alone gives a customer any position');
  }
  if (operators.length + halt_keys.length === 0) report('warning', 'operators', 'nobody but a signer can halt');
}

/** Positions are kept in base units by code: what is a millionth on one network must not be a coin on another. */
function lintCodes({ networks }: Policy, report: Report): void {
  const seen = new Map<string, string>();
  networks.forEach((network, index) => {
    for (const { code } of assetPolicies(network)) {
      const first = seen.get(code);
      if (first === undefined) seen.set(code, network.network);
      else if (first !== network.network) {
        const what = `has ${code} as ${first} has: both must have the same decimals, for a deposit on one is paid out on the other`;
        report('warning', `networks[${index}]`, what);
      }
    }
  });
}

/** The ceilings of an asset's networks are of the same customers' assets, so they add up. */
function lintHotSums({ networks }: Policy, report: Report): void {
  const sums = new Map<string, bigint[]>();
  for (const { code, hot } of networks.flatMap(assetPolicies)) {
    if (hot) sums.set(code, [...(sums.get(code) ?? []), BigInt(hot.ceiling_bps)]);
  }
  for (const [code, ceilings] of sums) {
    const bps = Number(ceilings.reduce((sum, one) => sum + one, 0n));
    if (ceilings.length > 1 && bps > 200) {
      report('warning', 'networks', `the ceilings of ${code} add up to ${bps / 100} % of what customers are owed`);
    }
  }
}

function lintRelyingParties({ webauthn }: Policy, report: Report): void {
  const { customers, approvals } = webauthn;
  if (customers.rp_id === approvals.rp_id) {
    report('error', 'webauthn.approvals.rp_id', 'is the customers’: approval credentials must never sign in');
  }
  for (const [name, party] of Object.entries({ customers, approvals })) lintOrigins(party, `webauthn.${name}`, report);
  approvals.origins.forEach((origin, index) => {
    if (customers.origins.includes(origin)) {
      report('error', `webauthn.approvals.origins[${index}]`, 'is an origin of the customers’ pages');
    }
  });
}

function lintOrigins({ rp_id: rpId, origins }: RelyingParty, path: string, report: Report): void {
  duplicates(origins, (origin) => origin, `${path}.origins`, report);
  origins.forEach((origin, index) => {
    const at = `${path}.origins[${index}]`;
    const [, scheme, host = ''] = /^(https?):\/\/([a-z0-9.-]+)(?::[0-9]{1,5})?$/.exec(origin) ?? [];
    if (scheme === undefined) return report('error', at, 'is no origin: scheme, host in lower case, port');
    // Web Authentication Level 3, 5.1.2: the relying party's id is a suffix of the origin's host.
    if (host !== rpId && !host.endsWith(`.${rpId}`)) report('error', at, `is not below ${rpId}`);
    if (scheme === 'http' && !/(^|\.)localhost$/.test(host))
      report('error', at, 'browsers give no assertions over http');
  });
}

function lintDelays({ delays, destinations, credentials, builds, intent_s_max }: Policy, report: Report): void {
  if (delays.loosen_s < delays.tighten_s) {
    report('error', 'delays.loosen_s', 'is shorter than tighten_s: loosening takes longer than tightening');
  }
  const soon = (path: string, seconds: number, what: string): void => {
    if (seconds < day) report('warning', path, `${seconds} s: ${what} before anybody wakes up`);
  };
  soon('delays.loosen_s', delays.loosen_s, 'a looser version counts');
  soon('destinations.delay_s', destinations.delay_s, 'a new destination is paid');
  soon('credentials.delay_s', credentials.delay_s, 'a new credential pays');
  if (builds.soak_s === 0) report('warning', 'builds.soak_s', 'a new build signs at once, at every signer');
  if (intent_s_max > 7 * day) report('warning', 'intent_s_max', 'intents that were signed over a week ago still pay');
}
