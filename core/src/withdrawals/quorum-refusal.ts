import { Failure } from '../failure.ts';

/**
 * So many signers refused a transaction for good, before they had accepted it, that no quorum stands behind it: its
 * signature does not exist anywhere. A reason such as a limit may pass; once its intents have expired it never will be
 * signed. Its code is `intent-expired` only where a blocking number of signers gave that reason.
 */
export class QuorumRefusal extends Failure {
  constructor(refusal: Failure) {
    super(refusal.code, refusal.message, {
      ...(refusal.fix === undefined ? {} : { fix: refusal.fix }),
      cause: refusal,
    });
  }
}
