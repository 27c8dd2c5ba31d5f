import { Failure } from '@holdfast/core/failure.ts';
import { asFailure, attempt, ck, ckrOf, type Cryptoki, type Handle } from './cryptoki.ts';

/** Sessions with one token, its user logged in. */
export interface TokenSessions {
  /**
   * Opens a session and uses it for the first time; when either fails, it is closed. Every call blocks the process until the
   * module answers, so after one that failed nothing is asked of it for some seconds.
   * @param mode `make` may change what is on the token, `use` may not.
   * @throws Failure hsm-unavailable; hsm-pin-refused, after a PIN that was refused from then on at once and without another try.
   */
  readonly open: <T>(mode: 'use' | 'make', first: (session: Handle) => T) => T;
  readonly close: (session: Handle) => void;
}

/** How long a token that failed is left alone. */
const restMs = 3_000;

/**
 * @param token label or serial number.
 * @param readPin called when the user has to be logged in; the PIN is not kept.
 */
export function tokenSessions(
  cryptoki: Cryptoki,
  token: string,
  readPin: () => string,
  monotonicMs: () => number,
): TokenSessions {
  /** An HSM locks after a few wrong PINs: one that was refused is never tried again. */
  let refused: Failure | null = null;
  let failed: { readonly why: Failure; readonly untilMs: number } | null = null;

  const logIn = (session: Handle, flags: number): void => {
    const { state } = attempt('tell the state of a session', () => cryptoki.C_GetSessionInfo(session));
    if (state === ck.CKS_RO_USER_FUNCTIONS || state === ck.CKS_RW_USER_FUNCTIONS) return;
    if (refused) throw refused;
    assertPinUsable(token, flags);
    const pin = usablePin(readPin);
    try {
      cryptoki.C_Login(session, ck.CKU_USER, pin);
    } catch (error) {
      if (ckrOf(error) === 'CKR_USER_ALREADY_LOGGED_IN') return;
      const why = asFailure(`log in to ${token}`, error);
      if (saysNothingOfPin.test(ckrOf(error))) throw why;
      throw (refused = new Failure('hsm-pin-refused', why.message));
    }
  };

  const close: TokenSessions['close'] = (session) => {
    try {
      cryptoki.C_CloseSession(session);
    } catch {
      // It is gone already.
    }
  };

  const openNow: TokenSessions['open'] = (mode, first) => {
    const { slot, flags } = findToken(cryptoki, token);
    const kind = ck.CKF_SERIAL_SESSION | (mode === 'make' ? ck.CKF_RW_SESSION : 0);
    const session = attempt(`open a session with ${token}`, () => cryptoki.C_OpenSession(slot, kind));
    try {
      logIn(session, flags);
      return first(session);
    } catch (error) {
      close(session);
      throw error;
    }
  };

  const open: TokenSessions['open'] = (mode, first) => {
    if (failed && monotonicMs() < failed.untilMs) throw failed.why;
    failed = null;
    try {
      return openNow(mode, first);
    } catch (error) {
      if (error instanceof Failure && error.code === 'hsm-unavailable')
        failed = { why: error, untilMs: monotonicMs() + restMs };
      throw error;
    }
  };
  return { open, close };
}

/**
 * What C_Login may fail with that cannot be about the PIN. All else counts as a refused one, for a token says it in many
 * ways, some of them its maker's own, and counts the try.
 */
const saysNothingOfPin =
  /^CKR_(SESSION_\w+|DEVICE_REMOVED|DEVICE_ERROR|TOKEN_NOT_PRESENT|CRYPTOKI_NOT_INITIALIZED|HOST_MEMORY)$/;

/**
 * The PIN as it was read. Whatever is wrong with it is wrong with this signer's HSM, not with what it was asked to sign.
 * @throws Failure hsm-pin-refused; nothing was tried with it, so a file that is put right is read the next time.
 */
function usablePin(readPin: () => string): string {
  let pin: string;
  try {
    pin = readPin();
  } catch (error) {
    throw new Failure('hsm-pin-refused', error instanceof Failure ? error.message : 'the PIN cannot be read');
  }
  if (!/\p{Cc}/u.test(pin)) return pin;
  throw new Failure('hsm-pin-refused', 'the PIN has a control character in it, such as the end of a line', {
    fix: 'Write the PIN alone into the PIN file, in one line that ends with a newline or with nothing.',
  });
}

/** @throws Failure hsm-pin-refused when logging in is pointless, or could lock the token for good. */
function assertPinUsable(token: string, flags: number): void {
  if (flags & ck.CKF_USER_PIN_LOCKED)
    throw new Failure('hsm-pin-refused', `the PIN of ${token} is locked`, {
      fix: 'Find out who tried it; then reset it with the HSM’s own tool and its security officer.',
    });
  if (flags & ck.CKF_USER_PIN_FINAL_TRY)
    throw new Failure(
      'hsm-pin-refused',
      `${token} would lock at the next wrong PIN; the last try is left to a person`,
      {
        fix: 'Log in once with the HSM’s own tool, correct the PIN file, and start again.',
      },
    );
  if (!(flags & ck.CKF_USER_PIN_INITIALIZED))
    throw new Failure('hsm-pin-refused', `${token} has no user PIN yet`, {
      fix: 'Set the user PIN with the HSM’s own tool and its security officer.',
    });
}

function findToken(cryptoki: Cryptoki, token: string): { readonly slot: Handle; readonly flags: number } {
  const slots = attempt('list its slots', () => cryptoki.C_GetSlotList(true));
  const present = slots.flatMap((slot) => {
    try {
      const { label, serialNumber, flags } = cryptoki.C_GetTokenInfo(slot);
      return [{ slot, flags, names: [text(label), text(serialNumber)] }];
    } catch {
      // Taken out between the two calls.
      return [];
    }
  });
  const found = present.filter(({ names }) => names.includes(token));
  const [one] = found;
  if (one && found.length === 1) return one;
  const others = present.map(({ names }) => names[0]).filter((name) => name !== '');
  if (found.length > 1)
    throw new Failure('hsm-unavailable', `${found.length} tokens are called ${token}`, {
      fix: 'Name the token by its serial number in config.json.',
    });
  throw new Failure('hsm-unavailable', `the HSM has no token ${token}; there are ${others.join(', ') || 'none'}`);
}

/** Padded to its length with blanks. */
function text(padded: string): string {
  return padded.replace(/[\0 ]+$/, '');
}
