/** A receiver of webhooks that keeps what it is given; what it answers can be changed at any time. */
export interface Received {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export class HttpReceiver {
  readonly received: Received[] = [];
  /** A status, or "hang". */
  behaviour: number | "hang" = 204;
  readonly #server: Bun.Server<undefined>;
  #arrived: (() => void)[] = [];

  constructor() {
    this.#server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: async (request) => {
        if (this.behaviour === "hang") return await new Promise<Response>(() => undefined);
        const status = this.behaviour;
        if (status < 300) this.received.push({ headers: Object.fromEntries(request.headers), body: await request.text() });
        for (const run of this.#arrived.splice(0)) run();
        return new Response(null, { status, ...(status >= 300 && status < 400 ? { headers: { location: "http://127.0.0.1:1/elsewhere" } } : {}) });
      },
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.port}/hook`;
  }

  /** Resolves with the first message, already here or to come, for which `isIt` holds. */
  async message(isIt: (message: Received) => boolean): Promise<Received> {
    for (;;) {
      const found = this.received.find(isIt);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#arrived.push(resolve));
    }
  }

  async stop(): Promise<void> {
    await this.#server.stop(true);
  }
}
