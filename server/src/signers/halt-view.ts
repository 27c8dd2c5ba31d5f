import type { EmergencyAuthorisation } from '@holdfast/core/signing/emergency.ts';
import type { SignerStatus } from '@holdfast/core/signing/messages.ts';
import type { SignerPanel } from './panel.ts';

/** What the signers said last about halts and their policy: saves doing what they would refuse. They themselves decide. */
export interface HaltView {
  /** Asks the signers again. @returns the reasons of all open halts. */
  refresh(): Promise<string[]>;
  /** @param asset CAIP-19; null for the network as a whole. */
  isHalted(network: string, asset: string | null): boolean;
  /** Pauses of a network's vault that signers authorised and ask to have relayed. */
  pauses(network: string): EmergencyAuthorisation[];
  /** Operations of the time locks that may still be executed, each once, in words. */
  governance(): string[];
  /** Of the signers that answered: what is broken in one, by its own word, so that people must repair it; null: nothing. */
  troubles(): { signer: string; trouble: { code: string; message: string } | null }[];
  /** Digest of the policy that each signer that answered has in force at a time. Asks when nobody was asked yet. */
  policiesInForce(nowMs: number): Promise<string[]>;
}

/** What a signer says of itself that does not pass by itself, beside halts and its policy. */
const troubleCodes: ReadonlySet<string> = new Set(['journal-behind', 'journal-broken', 'clock-behind']);

function troubleOf(problem: string | null): { code: string; message: string } | null {
  const [, code = '', message = ''] = /^([a-z-]+): (.*)$/s.exec(problem ?? '') ?? [];
  return troubleCodes.has(code) ? { code, message } : null;
}

export function createHaltView(panel: Pick<SignerPanel, 'status'>): HaltView {
  let known: SignerStatus[] | null = null;
  let scopes: { network: string | null; asset: string | null }[] = [];
  const ask = async (): Promise<SignerStatus[]> => {
    const statuses = (await panel.status()).flatMap(({ status }) => status ?? []);
    scopes = statuses.flatMap(({ halts }) => halts.map(({ statement }) => statement.scope));
    known = statuses;
    return statuses;
  };
  return {
    async refresh() {
      const halts = (await ask()).flatMap((status) => status.halts);
      return [...new Set(halts.map(({ statement, by }) => `${statement.reason} (${by})`))];
    },
    isHalted: (network, asset) =>
      scopes.some(
        (scope) =>
          (scope.network === null || isSame(scope.network, network)) &&
          (scope.asset === null || (asset !== null && isSame(scope.asset, asset))),
      ),
    pauses: (network) =>
      (known ?? []).flatMap(({ emergency }) =>
        (emergency ?? []).filter((one) => one.network === network && one.act.kind === 'pause'),
      ),
    governance: () => {
      const seen = (known ?? []).flatMap(({ signer, governance }) =>
        (governance ?? []).map((one) => ({ signer, ...one })),
      );
      return [...Map.groupBy(seen, ({ network, operation }) => `${operation} on ${network}`)].map(([name, group]) => {
        const { calls, ready_at_ms: readyAtMs } = group[0]!;
        const by = group.map(({ signer }) => signer).join(', ');
        return `${name}, ready ${new Date(readyAtMs).toISOString()}: ${calls.join('; ')} (seen by ${by})`;
      });
    },
    troubles: () => (known ?? []).map(({ signer, problem }) => ({ signer, trouble: troubleOf(problem) })),
    async policiesInForce(nowMs) {
      const statuses = known ?? (await ask());
      return statuses.map(({ policy, policy_pending: next }) =>
        next && next.effective_at_ms <= nowMs ? next.digest : policy.digest,
      );
    },
  };
}

/** Letter case is an address's checksum and no part of its name; the signers ignore it too (refuse-halted.ts in core). */
function isSame(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}
