/** What is known of a token or coin that is listed on a network. Amounts in base units. */
export interface ListingFacts {
  readonly asset: string;
  readonly decimals: number;
  readonly caip19: string;
  readonly contract: string | null;
  /** The policy's entry with this CAIP-19 id; null when it has none. */
  readonly policy: { readonly code: string; readonly contract: string | null } | null;
  readonly tiers: readonly { readonly below: bigint | null; readonly confirmations: number }[];
  /** What the guard lets pass now; null without a guard, `paused` while nothing passes. */
  readonly guardRoom: bigint | 'paused' | null;
  readonly depositMinimum: bigint;
  readonly withdrawalMinimum: bigint;
  /** Of one deposit, in the network's coin. */
  readonly collectionCost: bigint;
  readonly token: TokenFacts | null;
}

export interface TokenFacts {
  /** Keccak-256 of the code; null where there is none. */
  readonly codeHash: string | null;
  /** By the slots of ERC-1967. */
  readonly isProxy: boolean;
  readonly decimals: number | null;
  readonly symbol: string | null;
  /** A transfer from the vault, simulated; null where the node cannot. */
  readonly transfer: {
    readonly sent: string;
    readonly arrived: string;
    readonly returned: 'true' | 'nothing' | 'false' | 'reverted';
  } | null;
}

export interface ListingFinding {
  readonly check: string;
  readonly result: 'ok' | 'failed' | 'note';
  readonly detail: string;
  readonly fix: string;
}

/** Goes through the checklist of one asset. */
export function judgeListing(facts: ListingFacts): ListingFinding[] {
  const { policy, contract, token } = facts;
  const samePolicy = policy?.code === facts.asset && policy.contract?.toLowerCase() === contract?.toLowerCase();
  const found: ListingFinding[] = [
    finding(
      'policy',
      samePolicy,
      policy ? `the policy has it as ${policy.code} ${policy.contract ?? 'coin'}` : `the policy has no ${facts.caip19}`,
      'A version of the policy with this CAIP-19 id, code and contract.',
    ),
    finding(
      'confirmations',
      areSound(facts.tiers),
      facts.tiers.map(({ below, confirmations }) => `${confirmations} below ${below ?? 'any'}`).join(', '),
      'Tiers with rising amounts and confirmations, the last with "below": null.',
    ),
    guardFinding(facts),
    costFinding(facts),
  ];
  if (contract === null || !token) return found;
  return [...found, ...judgeToken(facts, contract, token)];
}

function judgeToken(facts: ListingFacts, contract: string, token: TokenFacts): ListingFinding[] {
  const named = facts.caip19.toLowerCase().endsWith(`/erc20:${contract.toLowerCase()}`);
  const { transfer } = token;
  return [
    finding('caip19', named, facts.caip19, `The id ends with /erc20:${contract}.`),
    finding(
      'code',
      token.codeHash !== null,
      token.codeHash ?? 'there is no code',
      'Correct the contract; look it up in a source other than the node.',
    ),
    token.isProxy
      ? {
          check: 'proxy',
          result: 'note',
          detail: 'a proxy (ERC-1967)',
          fix: 'Its owner can change what it does: keep the hash of its code, and know the owner.',
        }
      : { check: 'proxy', result: 'ok', detail: 'not by ERC-1967', fix: '' },
    finding(
      'decimals',
      token.decimals === facts.decimals,
      `${token.decimals ?? 'none'} on chain, ${facts.decimals} here`,
      'Correct decimals in config.json before the first deposit.',
    ),
    token.symbol === facts.asset
      ? { check: 'symbol', result: 'ok', detail: token.symbol, fix: '' }
      : {
          check: 'symbol',
          result: 'note',
          detail: `${token.symbol ?? 'none'} on chain, ${facts.asset} here`,
          fix: 'See that it is the token that you mean.',
        },
    transfer
      ? finding(
          'transfer',
          transfer.returned === 'true' || transfer.returned === 'nothing',
          `returns ${transfer.returned}`,
          'Do not list it: a transfer that fails without reverting would count as paid.',
        )
      : unknown('transfer', 'the node has no eth_simulateV1'),
    transfer && transfer.sent !== '0'
      ? finding(
          'fee on transfer',
          transfer.sent === transfer.arrived,
          `${transfer.arrived} of ${transfer.sent} arrived`,
          'Do not list it: payments and deposits would differ from what they say.',
        )
      : unknown('fee on transfer', transfer ? 'the vault holds none of it yet' : 'the node has no eth_simulateV1'),
  ];
}

function guardFinding({ guardRoom }: ListingFacts): ListingFinding {
  if (guardRoom === null) return { check: 'guard', result: 'ok', detail: 'no guard, or none on this family', fix: '' };
  const detail = guardRoom === 'paused' ? 'the guard is paused' : `lets ${guardRoom} pass now`;
  return finding(
    'guard',
    guardRoom !== 'paused' && guardRoom > 0n,
    detail,
    'Governance schedules vault-guard setLimit; the bucket begins empty.',
  );
}

function costFinding({ contract, depositMinimum, collectionCost, withdrawalMinimum }: ListingFacts): ListingFinding {
  const detail = `a deposit costs ${collectionCost} of the network’s coin to collect; minimums ${depositMinimum} in, ${withdrawalMinimum} out`;
  const fix = 'Raise deposit_minimum: holdfast fees set.';
  // Only in its own coin can the two be compared.
  if (contract !== null)
    return {
      check: 'minimum',
      result: depositMinimum > 0n ? 'ok' : 'note',
      detail,
      fix: depositMinimum > 0n ? '' : fix,
    };
  return finding('minimum', depositMinimum >= collectionCost, detail, fix);
}

function areSound(tiers: ListingFacts['tiers']): boolean {
  return tiers.every((tier, at) => {
    const before = tiers[at - 1];
    if ((tier.below === null) !== (at === tiers.length - 1)) return false;
    if (!before) return true;
    return (
      tier.confirmations >= before.confirmations &&
      (tier.below === null || (before.below !== null && tier.below > before.below))
    );
  });
}

function finding(check: string, ok: boolean, detail: string, fix: string): ListingFinding {
  return { check, result: ok ? 'ok' : 'failed', detail, fix: ok ? '' : fix };
}

function unknown(check: string, detail: string): ListingFinding {
  return { check, result: 'note', detail, fix: 'Try it with one unit of your own before customers do.' };
}
