import type { Session } from "./session.svelte.ts";

/** Returns what belongs to a file, made when it is first asked for. It stays as it was left, whatever view is looked at in between. */
export function perSession<T>(make: (session: Session) => T): (session: Session) => T {
  const all = new WeakMap<Session, { own: T }>();
  return (session) => {
    const there = all.get(session) ?? { own: make(session) };
    all.set(session, there);
    return there.own;
  };
}
