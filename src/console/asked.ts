import { useCallback, useEffect, useRef, useState } from "react";

/** What a question to the server has come to. */
export type Asked<T> = { readonly state: "idle" } | { readonly state: "asking" } | { readonly state: "answered"; readonly answer: T } | { readonly state: "failed"; readonly sentence: string };

/** One question at a time, asked when `ask` is called; an answer that comes after the screen has gone is thrown away. */
export function useAsked<T>(): { readonly asked: Asked<T>; readonly ask: (work: () => Promise<T>, then?: (answer: T) => void) => void; readonly forget: () => void } {
  const [asked, setAsked] = useState<Asked<T>>({ state: "idle" });
  const turn = useRef(0);
  useEffect(() => () => void (turn.current = -1), []);
  const ask = useCallback((work: () => Promise<T>, then?: (answer: T) => void) => {
    if (turn.current === -1) return;
    const mine = ++turn.current;
    setAsked({ state: "asking" });
    work().then(
      (answer) => {
        if (turn.current !== mine) return;
        setAsked({ state: "answered", answer });
        then?.(answer);
      },
      (error: unknown) => {
        if (turn.current === mine) setAsked({ state: "failed", sentence: error instanceof Error ? error.message : String(error) });
      },
    );
  }, []);
  const forget = useCallback(() => {
    turn.current += turn.current === -1 ? 0 : 1;
    setAsked({ state: "idle" });
  }, []);
  return { asked, ask, forget };
}

export type Polled<T> = { readonly latest: T | null; readonly problem: string | null };

/**
 * Asks again and again, each time `everyMs` after the last answer, and draws only when the answer is another one than before. What was
 * known stays while nobody answers.
 */
export function usePolled<T>(ask: () => Promise<T>, everyMs: number): Polled<T> {
  const [polled, setPolled] = useState<Polled<T>>({ latest: null, problem: null });
  const latestAsk = useRef(ask);
  latestAsk.current = ask;
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | null = null;
    let gone = false;
    let known = "";
    const keep = (next: (before: Polled<T>) => Polled<T>, text: string): void => {
      if (gone) return;
      if (text !== known) setPolled(next);
      known = text;
      timer = setTimeout(look, everyMs);
    };
    const look = (): void => {
      latestAsk.current().then(
        (latest) => keep(() => ({ latest, problem: null }), JSON.stringify(latest)),
        (error: unknown) => {
          const problem = error instanceof Error ? error.message : String(error);
          keep((before) => ({ latest: before.latest, problem }), problem);
        },
      );
    };
    look();
    return () => {
      gone = true;
      if (timer !== null) clearTimeout(timer);
    };
  }, [everyMs]);
  return polled;
}
