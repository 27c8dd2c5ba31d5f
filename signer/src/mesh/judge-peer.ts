import { Failure } from '@holdfast/core/failure.ts';
import type { MeshHello } from '@holdfast/core/signing/messages.ts';

/** What two signers must have in common before one binds its limits to what the other wants. */
export type Standing = Pick<MeshHello, 'ceremony' | 'policy'>;

/** @throws Failure ceremony-differs, policy-differs; and what `judgeBuild` says about the peer's build. */
export function judgePeer(own: Standing, hello: MeshHello, judgePeersBuild: (build: string) => void): void {
  if (hello.ceremony !== own.ceremony) {
    throw new Failure('ceremony-differs', `${hello.signer} comes from ceremony ${hello.ceremony.slice(0, 16)}`);
  }
  if (hello.policy.version !== own.policy.version || hello.policy.digest !== own.policy.digest) {
    throw new Failure(
      'policy-differs',
      `${hello.signer} has policy version ${hello.policy.version} in force, this signer ${own.policy.version}`,
    );
  }
  judgePeersBuild(hello.build);
}
