import type { ChangedEvent, Topic } from "../../management/api/sessions.ts";

/** A stream that the server refused is not tried again by the browser. */
const AGAIN_MS = 5_000;

let live = false;

/** Whether changes are told as they happen. */
export function isLive(): boolean {
  return live;
}

/** Listens to the server's stream of changes until the returned function is called. */
export function listen(changed: (topics: readonly Topic[]) => void): () => void {
  let source: EventSource | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const open = (): void => {
    source = new EventSource("/api/v1/events-stream");
    source.addEventListener("open", () => (live = true));
    source.addEventListener("changed", (event: MessageEvent<string>) => {
      live = true;
      changed((JSON.parse(event.data) as ChangedEvent).topics);
    });
    source.addEventListener("error", () => {
      live = false;
      if (source?.readyState !== EventSource.CLOSED) return;
      timer = setTimeout(open, AGAIN_MS);
    });
  };
  open();
  return () => {
    clearTimeout(timer);
    source?.close();
    live = false;
  };
}
