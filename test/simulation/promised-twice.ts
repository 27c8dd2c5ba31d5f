interface Accepted {
  readonly txid: string;
  readonly digests: readonly string[];
  /** Its coins. */
  readonly conflict_keys: readonly string[];
  readonly beyond_rules?: true;
}

/**
 * Whether a signer's journal permits two transactions for one withdrawal that could both confirm when the second was accepted,
 * whoever has which signatures by now: what went out and was lost on its way may come back.
 * @param isSpentInstead whether another transaction than the named one has spent a coin: that one is dead then.
 * @returns what it permits; null: nothing.
 */
export function promisedTwice(journal: string, isSpentInstead: (coin: string, txid: string) => boolean): string | null {
  const accepted: Accepted[] = [];
  for (const line of journal.split('\n').filter((text) => text !== '')) {
    const { kind, body } = JSON.parse(line) as { kind: string; body: Accepted };
    if (kind === 'buried') {
      const at = accepted.findIndex(({ txid }) => txid === body.txid);
      const [dead] = at < 0 ? [] : accepted.splice(at, 1);
      if (dead && !dead.conflict_keys.some((key) => isSpentInstead(key, dead.txid)))
        return `has buried ${dead.txid}, which can confirm`;
    }
    // What a peer has accepted against this signer's rules binds only that peer.
    if (kind !== 'accepted' || body.beyond_rules) continue;
    const other = accepted.find((one) => one.txid !== body.txid && isSecond(body, one));
    if (other) return `has accepted ${other.txid} and then ${body.txid} for one withdrawal, and both could confirm`;
    accepted.push(body);
  }
  return null;
}

/** Whether both pay something, and no coin excludes one of them. */
const isSecond = (one: Accepted, other: Accepted): boolean =>
  one.digests.some((digest) => other.digests.includes(digest)) &&
  !one.conflict_keys.some((key) => other.conflict_keys.includes(key));
