import { createServer, type Server, type Socket } from "node:net";
import { TLSSocket, createSecureContext } from "node:tls";

export interface SinkMail {
  readonly from: string;
  readonly to: readonly string[];
  /** Header names in small letters, unfolded. */
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  readonly secure: boolean;
  /** null: without a login. */
  readonly user: string | null;
}

export interface SinkBehaviour {
  /** Where it says nothing any more, for ever. */
  readonly hang?: "greeting" | "ehlo" | "data";
  /** Offers STARTTLS with this key and certificate (PEM). */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Speaks TLS from the first byte. */
  readonly implicitTls?: boolean;
  /** Demands this login. */
  readonly login?: { readonly user: string; readonly password: string };
  /** What it answers instead of yes: `{ rcpt: "550 no such user" }`. */
  readonly answers?: Partial<Record<"mail" | "rcpt" | "data" | "message", string>>;
}

/** A mail server that keeps what it is given (RFC 5321, as far as clients ask for it). Behaviour can be changed at any time. */
export class SmtpSink {
  readonly mails: SinkMail[] = [];
  behaviour: SinkBehaviour;
  /** Connections so far. */
  connections = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #arrived: (() => void)[] = [];

  private constructor(behaviour: SinkBehaviour) {
    this.behaviour = behaviour;
    this.#server = createServer((socket) => this.#connected(socket));
  }

  static async start(behaviour: SinkBehaviour = {}, address = "127.0.0.1", port = 0): Promise<SmtpSink> {
    const sink = new SmtpSink(behaviour);
    await new Promise<void>((resolve, reject) => {
      sink.#server.once("error", reject);
      sink.#server.listen(port, address, resolve);
    });
    return sink;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** Resolves with the first mail, already here or to come, for which `isIt` holds. */
  async mail(isIt: (mail: SinkMail) => boolean): Promise<SinkMail> {
    for (;;) {
      const found = this.mails.find(isIt);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#arrived.push(resolve));
    }
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #connected(socket: Socket): void {
    this.connections += 1;
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("error", () => undefined);
    if (this.behaviour.hang === "greeting") return;
    const { implicitTls, tls } = this.behaviour;
    this.#talk(implicitTls === true && tls !== undefined ? secured(socket, tls) : socket, true, implicitTls === true);
  }

  #talk(socket: Socket, greet: boolean, secure: boolean): void {
    let buffer = "";
    let data: string[] | null = null;
    let from = "";
    let to: string[] = [];
    let user: string | null = null;
    let step: "none" | "user" | "password" = "none";
    const say = (line: string): void => void socket.write(`${line}\r\n`);
    const judge = (name: string, password: string): void => {
      const { login } = this.behaviour;
      if (login !== undefined && (login.user !== name || login.password !== password)) return say("535 5.7.8 wrong user or password");
      user = name;
      say("235 2.7.0 welcome");
    };
    const command = (line: string): void => {
      if (step !== "none") {
        const text = Buffer.from(line, "base64").toString();
        if (step === "user") {
          user = text;
          step = "password";
          return say("334 UGFzc3dvcmQ6");
        }
        step = "none";
        return judge(user ?? "", text);
      }
      const verb = line.slice(0, 4).toUpperCase();
      if (verb === "EHLO" || verb === "HELO") {
        if (this.behaviour.hang === "ehlo") return;
        const features = [...(this.behaviour.tls !== undefined && !secure ? ["STARTTLS"] : []), ...(this.behaviour.login === undefined ? [] : ["AUTH PLAIN LOGIN"]), "8BITMIME"];
        socket.write(["250-sink", ...features.slice(0, -1).map((one) => `250-${one}`), `250 ${features.at(-1)}`, ""].join("\r\n"));
        return;
      }
      if (verb === "STAR") {
        const { tls } = this.behaviour;
        if (tls === undefined) return say("502 5.5.1 no TLS here");
        say("220 go ahead");
        socket.removeAllListeners("data");
        return this.#talk(secured(socket, tls), false, true);
      }
      if (verb === "AUTH") {
        const [, method, initial] = line.split(" ");
        if (method?.toUpperCase() === "PLAIN" && initial !== undefined) {
          const [, name = "", password = ""] = Buffer.from(initial, "base64").toString().split("\0");
          return judge(name, password);
        }
        step = "user";
        return say("334 VXNlcm5hbWU6");
      }
      if (verb === "MAIL") {
        if (this.behaviour.login !== undefined && user === null) return say("530 5.7.0 log in first");
        from = /<([^>]*)>/.exec(line)?.[1] ?? "";
        to = [];
        return say(this.behaviour.answers?.mail ?? "250 ok");
      }
      if (verb === "RCPT") {
        const answer = this.behaviour.answers?.rcpt ?? "250 ok";
        if (answer.startsWith("2")) to.push(/<([^>]*)>/.exec(line)?.[1] ?? "");
        return say(answer);
      }
      if (verb === "DATA") {
        if (this.behaviour.hang === "data") return;
        const answer = this.behaviour.answers?.data ?? "354 go on";
        if (answer.startsWith("3")) data = [];
        return say(answer);
      }
      if (verb === "QUIT") {
        say("221 bye");
        return void socket.end();
      }
      say(verb === "RSET" || verb === "NOOP" ? "250 ok" : "500 what?");
    };
    socket.on("data", (chunk: Buffer) => {
      buffer += chunk.toString("latin1");
      for (let end = buffer.indexOf("\r\n"); end >= 0; end = buffer.indexOf("\r\n")) {
        const line = buffer.slice(0, end);
        buffer = buffer.slice(end + 2);
        if (data === null) command(line);
        else if (line !== ".") data.push(line.startsWith(".") ? line.slice(1) : line);
        else {
          const answer = this.behaviour.answers?.message ?? "250 taken";
          if (answer.startsWith("2")) this.#take({ ...parsed(data), from, to, secure, user });
          data = null;
          say(answer);
        }
      }
    });
    if (greet) say("220 sink ESMTP");
  }

  #take(mail: SinkMail): void {
    this.mails.push(mail);
    for (const run of this.#arrived.splice(0)) run();
  }
}

function secured(socket: Socket, { key, cert }: { key: string; cert: string }): Socket {
  const secure = new TLSSocket(socket, { isServer: true, secureContext: createSecureContext({ key, cert }) });
  secure.on("error", () => undefined);
  return secure;
}

function parsed(lines: readonly string[]): { headers: Record<string, string>; text: string } {
  const empty = lines.indexOf("");
  const headers: Record<string, string> = {};
  let last = "";
  for (const line of lines.slice(0, empty)) {
    if (/^\s/.test(line)) headers[last] += ` ${line.trim()}`;
    else {
      const colon = line.indexOf(":");
      last = line.slice(0, colon).toLowerCase();
      headers[last] = line.slice(colon + 1).trim();
    }
  }
  const body = lines.slice(empty + 1).join("\n");
  const encoding = headers["content-transfer-encoding"]?.toLowerCase();
  const bytes = encoding === "base64" ? Buffer.from(body, "base64") : encoding === "quoted-printable" ? quotedPrintable(body) : Buffer.from(body, "latin1");
  return { headers, text: bytes.toString("utf8") };
}

function quotedPrintable(text: string): Buffer {
  return Buffer.from(text.replaceAll(/=\n/g, "").replaceAll(/=([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))), "latin1");
}
