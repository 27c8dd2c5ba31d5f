/**
 * The one table of expected failures: code -> HTTP status, command-line exit code, whether the same request may
 * succeed later, and what to do. The API's problem+json, the CLI and the signers' refusals all read it.
 */
interface ErrorRow {
  readonly status: number;
  /** Exit code of `holdfast`: 1 internal, 2 bad input, 3 refused, 4 not found, 5 unavailable. */
  readonly exit: 1 | 2 | 3 | 4 | 5;
  readonly retryable: boolean;
  readonly fix: string;
}

const bad = (fix: string): ErrorRow => ({ status: 400, exit: 2, retryable: false, fix });
const unprocessable = (fix: string): ErrorRow => ({ status: 422, exit: 2, retryable: false, fix });
const refused = (fix: string): ErrorRow => ({ status: 422, exit: 3, retryable: false, fix });
const later = (fix: string): ErrorRow => ({ status: 503, exit: 5, retryable: true, fix });

export const errorCodes = {
  // Requests.
  'invalid-request': bad('Correct the fields that `errors` points to.'),
  'invalid-amount': bad(
    'Send a positive whole number of base units as a decimal string, without sign or leading zeros.',
  ),
  'invalid-address': bad(
    'Send an address of the network, copied in full; mixed-case EVM addresses must carry their EIP-55 checksum.',
  ),
  'network-mismatch': bad('The address belongs to another network. Choose the network of the address.'),
  'unknown-asset': bad('List the assets with GET /v1/assets.'),
  'unknown-network': bad('List the networks with GET /v1/networks.'),
  'body-too-large': { status: 413, exit: 2, retryable: false, fix: 'Send less than 1 MiB.' },
  'not-found': { status: 404, exit: 4, retryable: false, fix: 'Check the id.' },
  unauthenticated: {
    status: 401,
    exit: 3,
    retryable: false,
    fix: 'Sign the request (RFC 9421, Ed25519) with a registered key and a current clock.',
  },
  forbidden: { status: 403, exit: 3, retryable: false, fix: 'Use a key whose scopes include this action.' },
  'idempotency-key-missing': bad('Send an Idempotency-Key header of 1 to 255 characters.'),
  'idempotency-key-reused': unprocessable('Use a new Idempotency-Key for a new request.'),
  'idempotency-in-flight': {
    status: 409,
    exit: 5,
    retryable: true,
    fix: 'The first request with this key has not ended. Ask again in a moment.',
  },
  'client-reference-taken': {
    status: 409,
    exit: 2,
    retryable: false,
    fix: 'A client_reference names one resource for ever. Look the existing one up.',
  },
  'rate-limited': { status: 429, exit: 5, retryable: true, fix: 'Wait for the time in Retry-After.' },
  // Ledger and policy.
  'insufficient-funds': refused('Ask for no more than the available balance less the fee.'),
  'below-minimum': refused('Ask for at least the minimum withdrawal of the asset on this network.'),
  'fee-above-maximum': refused('Sign an intent whose fee_max covers the asset’s withdrawal fee.'),
  'too-precise': unprocessable('Send an amount with no more decimal places than the asset’s `precision`.'),
  'quote-expired': refused('Ask for a new quote, and use it before its expires_at.'),
  'quote-differs': unprocessable('Send the customer, network, asset and amount that the quote was given for, once.'),
  'engine-missing': unprocessable('This is for mode custodian: docs/how-to/let-the-engine-own-balances.md.'),
  'reservation-missing': unprocessable('Send the engine’s signed reservation with the withdrawal.'),
  'reservation-differs': unprocessable('Set aside amount and fee of this withdrawal, under a name used once.'),
  'reservation-released': refused('Set the money aside anew, under another name.'),
  'statement-invalid': unprocessable('State what is owed after an entry that exists, not before the last statement’s.'),
  'nothing-to-claim': refused('Claim deposits whose state is below_minimum.'),
  'claim-too-dear': refused('Wait until fees fall or more has arrived, or agree to a higher cost_max.'),
  'schedule-invalid': unprocessable('Correct the terms; docs/how-to/change-a-fee-rule.md says what each means.'),
  'limit-exceeded': refused('Wait for the rolling window to pass or ask for less.'),
  'withdrawals-blocked': refused(
    'The customer owes a receivable from a reversed deposit; a deposit that covers it lifts the block.',
  ),
  'destination-refused': refused('Pay to an address outside the wallet system.'),
  'cancel-refused': refused('Only what nothing was signed for can be canceled. Read the withdrawal again later.'),
  'authorization-invalid': {
    status: 403,
    exit: 3,
    retryable: false,
    fix: 'Sign the intent digest with the integrator key that the signers pin.',
  },
  // Signers.
  'intent-expired': refused('Request the withdrawal again with a later expires_at.'),
  'deadline-refused': refused('Name a deadline that is ahead and not after the first intent of the batch expires.'),
  'already-paid-by': refused(
    'A transaction for this withdrawal exists; only one that conflicts with it may be signed.',
  ),
  'output-unaccounted': refused('Every output must be a withdrawal of the batch or own change.'),
  'payment-mismatch': refused('Destination, asset and amount must equal the intent.'),
  'payment-missing': refused('Every intent of the batch must be paid by the transaction, once.'),
  'change-not-ours': refused('Change must pay an address on the wallet’s own change path.'),
  'input-not-ours': refused('Inputs must be confirmed coins of the wallet.'),
  'fee-too-high': refused('Build with a fee under the signer’s own ceiling.'),
  'nonce-mismatch': {
    status: 422,
    exit: 3,
    retryable: true,
    fix: 'Use the Safe nonce that the signer’s own node reports.',
  },
  'transaction-malformed': refused('The bytes could not be decoded to the last one.'),
  'contract-not-allowed': refused('Only listed tokens, the vault and its MultiSendCallOnly may be called.'),
  'would-revert': refused(
    'The chain would revert the transaction; the batch is taken apart and each payout tried alone.',
  ),
  'chain-mismatch': refused('The transaction is for another chain or another Safe.'),
  'address-index-taken': refused('This derivation index belongs to another customer.'),
  'session-unknown': {
    status: 409,
    exit: 5,
    retryable: true,
    fix: 'Start the signing session again; nonces do not survive a restart.',
  },
  'commitments-invalid': refused(
    'Send the commitments of this session, one list an input, this signer’s own unchanged.',
  ),
  'peer-unknown': {
    status: 403,
    exit: 3,
    retryable: false,
    fix: 'Only peers pinned by certificate fingerprint may call.',
  },
  'key-missing': later('Key generation has not finished; start all signers.'),
  'key-not-ordered': later(
    'Administrators order keys of the next epoch with `key_epoch` in the policy: docs/how-to/rotate-keys.md.',
  ),
  'key-superseded': refused(
    'The wallet has keys of a later epoch: pay from its coins, and sweep those of this epoch to it.',
  ),
  'sweep-refused': refused('A sweep takes coins of an epoch before the newest, to one address of the newest.'),
  'consolidation-refused': refused(
    'A consolidation makes at least `inputs_min` coins into one own output, at a rate up to that of `consolidation` in the policy.',
  ),
  'skim-refused': refused(
    'A skim takes at least `skim_min` to sealed cold addresses and leaves the rest as own change, by the rule `hot` of the policy.',
  ),
  'key-generation-failed': later(
    'The signers try again by themselves with new secrets. If it stays, read their logs: one of them misbehaves.',
  ),
  'clock-behind': later(
    'The signer’s clock does not go with its journal, the other signers or the chain. Repair the clock, or the node that is stuck.',
  ),
  'journal-broken': {
    status: 500,
    exit: 1,
    retryable: false,
    fix: 'Restore the journal from backup; the signer signs nothing until it verifies.',
  },
  'wrong-passphrase': {
    status: 500,
    exit: 3,
    retryable: false,
    fix: 'Check the file that HOLDFAST_PASSPHRASE_FILE names.',
  },
  // Of the signer and not of what it was asked: the same request is signed when the HSM is repaired.
  'hsm-unavailable': later('Check the HSM, its PKCS#11 module and its token: docs/how-to/use-an-hsm.md.'),
  'hsm-pin-refused': {
    status: 503,
    // Not 5: what restarts a process for ever must be able to leave this one alone, or it locks the token.
    exit: 3,
    retryable: true,
    fix: 'Correct the PIN file and start again. Nothing tries it twice: an HSM locks. A locked PIN is reset with the HSM’s own tool.',
  },
  'hsm-key-missing': later('Use the token that this signer’s keys were made in, or restore it by the HSM’s own means.'),
  'hsm-key-differs': later(
    'Use the token and the key label that this signer was made with. Another key needs a new signer and a new ceremony.',
  ),
  // Policy, evidence, halts.
  'policy-invalid': bad('Run holdfast policy lint on the file.'),
  'policy-rollback': refused('A version counts once and never goes back: propose one above the version in force.'),
  'policy-missing': later('This signer has no policy in force: bring its policies folder back and run it again.'),
  'policy-differs': later('The signers hold different versions of the policy; hand the newest to all of them.'),
  'build-not-permitted': later('Run a build that the policy lists and whose soak time has passed.'),
  'ceremony-differs': refused(
    'Compare the ceremony transcript of all signers again; one of them was told something else.',
  ),
  'approval-missing': refused('Collect the approvals that the policy asks for over this intent’s digest.'),
  'approval-invalid': refused(
    'Approve the digest with a listed credential, at the pinned origin, with user verification.',
  ),
  'destination-not-approved': refused('Add the destination to the customer’s address book first, signed.'),
  'destination-immature': refused('Wait until the policy’s delay for new destinations has passed.'),
  'credential-unknown': refused('Enrol the credential first and wait for the policy’s delay.'),
  'credential-conflict': refused('A credential belongs to one customer, with one key, once.'),
  'position-exceeded': refused(
    'The signers have not proven that the customer has so much: hand them the deposits and settlements, or collect approvals.',
  ),
  'deposit-unproven': later('The signer’s own nodes do not show the deposit deep enough yet.'),
  'already-released': refused('Approvers decided about this deposit before; its first decision stands.'),
  'deposit-not-quarantined': refused('Only a deposit in quarantine is decided about. List them by their state.'),
  'deposit-not-final': later('Wait until the deposit is as deep as the network’s final_confirmations.'),
  'settlement-invalid': refused(
    'Settlements are zero-sum per asset, in sequence, and signed by an engine key of the policy.',
  ),
  halted: later('Signing is halted. See holdfast halts; a quorum of approvers resumes.'),
  'halt-invalid': refused('Halt with a listed operator’s passkey, a listed key or an unused token.'),
  'resume-invalid': refused('Resume with enough approvals over a statement that names the halts, before it expires.'),
  'reservation-refused': refused('Another signer has bound one of these withdrawals to another transaction.'),
  'degraded-limit': later('With a signer away only the degraded limit may leave. Start the signer.'),
  'journal-behind': {
    status: 500,
    exit: 1,
    retryable: false,
    fix: 'Peers have countersigned records that this journal lacks. docs/runbooks/halts.md, journal-behind, says the way out.',
  },
  'backup-invalid': {
    status: 500,
    exit: 3,
    retryable: false,
    fix: 'Take another backup of this signer: docs/how-to/back-up-and-restore-a-signer.md.',
  },
  'evacuation-refused': refused('An evacuation pays sealed cold addresses of the policy and nothing else.'),
  'emergency-refused': refused(
    'Only what the policy in force names counts: its desk, its emergency keys, at most a day ahead.',
  ),
  'attestation-invalid': refused('Do not show this address: too few pinned signers vouch for it.'),
  'node-proof-invalid': later('A node’s answer does not follow from its block header. Find the node that lies.'),
  'nodes-too-few': later('Configure at least node_faults + 1 endpoints of this signer’s own.'),
  'audit-invalid': {
    status: 422,
    exit: 3,
    retryable: false,
    fix: 'Keep the files as they are; somebody changed or cut one.',
  },
  // Cold custody.
  'cold-setup-invalid': bad('Correct the setup, have every custodian check it, and compare its digest anew.'),
  'cold-setup-differs': refused(
    'This machine pins another setup. Compare the digests with the other custodians, and sign nothing until they agree.',
  ),
  'cold-request-invalid': refused('The file is damaged or altered. Have it sent again, and compare its digest.'),
  'cold-request-expired': refused('Sign nothing that is late. Ask for a new request.'),
  'cold-digest-differs': refused('Sign nothing. Compare the digest with the other custodians, over another channel.'),
  'cold-already-signed': refused(
    'Abort the earlier request with holdfast cold abort once the custodians have agreed that it is dropped.',
  ),
  'cold-keys-missing': bad('Name the folder that holdfast cold keygen made.'),
  'cold-register-broken': refused(
    'Restore the newest backup of the key folder, and sign nothing before the custodians agree what is open.',
  ),
  'cold-partial-invalid': refused('Leave this file out; have the custodian sign again and send it anew.'),
  'cold-partial-stranger': refused('Leave this file out. Whoever signed it is no custodian of the setup.'),
  'cold-partial-duplicate': refused('Give each custodian’s file once.'),
  'cold-partial-other': refused('Leave this file out; it signs another request.'),
  'cold-partials-too-few': refused('Collect the signatures of three custodians.'),
  'cold-frames-missing': refused('Let the scanner run until it has every frame.'),
  'cold-frames-invalid': refused('Scan the code again from its start, one file at a time.'),
  // Operation.
  'signers-unavailable': later('Start the signers; what is queued goes on by itself.'),
  'database-behind': {
    status: 503,
    exit: 5,
    retryable: false,
    fix: 'An older database was put back. Stop the server and rebuild what it lacks: docs/runbooks/database-restored.md.',
  },
  'database-unchecked': later(
    'Start the signers: before anything is decided they say once what they were told, so that a lost database is noticed.',
  ),
  'node-unavailable': later('Start the chain node or repair its endpoint.'),
  'node-disagreement': later(
    'Two endpoints report different chains. Find the one that lies; nothing is credited until they agree.',
  ),
  'node-quorum-lost': later(
    'Repair the endpoints that the message names. Nothing is credited or paid until so many agree as config.json asks for.',
  ),
  'derivation-mismatch': {
    status: 500,
    exit: 1,
    retryable: false,
    fix: 'Server and signer derive different addresses. Compare their configurations; issue no address.',
  },
  'database-newer': {
    status: 500,
    exit: 1,
    retryable: false,
    fix: 'The database was migrated by a newer release. Run that release.',
  },
  'migration-changed': {
    status: 500,
    exit: 1,
    retryable: false,
    fix: 'Applied migrations never change: restore the file, or reset a development database with npm run reset.',
  },
  'config-invalid': { status: 500, exit: 2, retryable: false, fix: 'Correct config.json at the place named.' },
  'already-running': {
    status: 409,
    exit: 3,
    retryable: true,
    fix: 'Another Holdfast runs on this data folder. Stop it first.',
  },
  'process-failed': { status: 500, exit: 5, retryable: true, fix: 'Read the log file that the message names.' },
  overloaded: later('Nothing of it was done. Wait for the time in Retry-After.'),
  'database-unavailable': later(
    'Ask again with the same Idempotency-Key: what was asked for may have been done. See docs/how-to/run-ha.md.',
  ),
  'server-unavailable': later('Start the server, or correct the address it is asked at.'),
  outcome_unknown: {
    status: 202,
    exit: 5,
    retryable: true,
    fix: 'Read the resource; do not send a second request with another key.',
  },
  internal: { status: 500, exit: 1, retryable: true, fix: 'Report the request id.' },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof errorCodes;

/** The row of a code. */
export function errorRow(code: ErrorCode): ErrorRow {
  return errorCodes[code];
}

export function isErrorCode(value: string): value is ErrorCode {
  return Object.hasOwn(errorCodes, value);
}
