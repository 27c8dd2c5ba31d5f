import type { Cryptoki, Handle } from './cryptoki.ts';
import { findTokenKey, type TokenKeyKind } from './token-keys.ts';
import type { TokenSessions } from './token-sessions.ts';

interface Held {
  readonly session: Handle;
  readonly key: Handle;
}

/** A key of the token with a session of its own, both kept between uses. */
export interface HeldKey {
  /** Opens and looks for the key where nothing is kept. @throws Failure. */
  readonly get: () => Held;
  readonly isHeld: () => boolean;
  /** After a failure: nothing of a session that failed is used again. */
  readonly drop: () => void;
}

export function heldKey(cryptoki: Cryptoki, sessions: TokenSessions, label: string, kind: TokenKeyKind): HeldKey {
  let held: Held | null = null;
  const find = (session: Handle): Held => ({ session, key: findTokenKey(cryptoki, session, label, kind) });
  const drop: HeldKey['drop'] = () => {
    if (held) sessions.close(held.session);
    held = null;
  };
  return { get: () => (held ??= sessions.open('use', find)), isHeld: () => held !== null, drop };
}
