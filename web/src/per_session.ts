import type { Session } from "./session.svelte.ts";

/** Returns a function that makes a value for a session at the first call and returns the same value later. So state survives a change of view. */
export function perSession<T>(make: (session: Session) => T): (session: Session) => T {
  const all = new WeakMap<Session, { own: T }>();
  return (session) => {
    const there = all.get(session) ?? { own: make(session) };
    all.set(session, there);
    return there.own;
  };
}
