import { toJsonSchema } from "@valibot/to-json-schema";
import { VERSION } from "../base/version.ts";
import type { Access, Route } from "./route.ts";

const ACCESS: Record<Access, string> = {
  public: "Needs no login.",
  setup: "Answered only while the server belongs to no cluster.",
  viewer: "For viewers and administrators.",
  administrator: "For administrators.",
};

/** The OpenAPI 3.1 document, made from the route table. Types of the answers are in src/management/api.ts and api/. */
export function openApi(routes: readonly Route[], base: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const row of routes) {
    const path = `${base}${row.path.replaceAll(/:([a-z]+)/g, "{$1}")}`;
    (paths[path] ??= {})[row.method.toLowerCase()] = operation(row);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "VirtuStor",
      version: VERSION,
      description: "Any server answers for the cluster. Sizes are in bytes, times in milliseconds since 1970. Failures are problem details (RFC 9457). A change with a session's cookie needs the header x-virtustor: 1.",
    },
    paths,
    components: {
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer", description: "The cluster's token, or a session's from POST /login with the header x-virtustor-token: 1" },
        session: { type: "apiKey", in: "cookie", name: "__Host-virtustor" },
      },
      schemas: {
        Problem: {
          type: "object",
          properties: { type: { type: "string" }, title: { type: "string" }, status: { type: "integer" }, detail: { type: "string" }, code: { type: "string" } },
          required: ["type", "title", "status", "detail", "code"],
        },
      },
    },
  };
}

function operation(row: Route): object {
  const parameters = [...row.path.matchAll(/:([a-z]+)/g)].map(([, name]) => ({ name, in: "path", required: true, schema: { type: "string" } }));
  const open = row.access === "public" || row.access === "setup";
  return {
    operationId: `${row.method.toLowerCase()}${row.path.replaceAll(/[/:-]+([a-z]?)/g, (_, letter: string) => letter.toUpperCase())}`,
    summary: row.summary,
    description: ACCESS[row.access],
    ...(parameters.length > 0 && { parameters }),
    ...(row.body !== null && { requestBody: { required: true, content: { "application/json": { schema: bodySchema(row.body) } } } }),
    responses: {
      [String(row.status ?? 200)]: { description: row.answer },
      default: { description: "A problem", content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } } },
    },
    security: open ? [] : [{ bearer: [] }, { session: [] }],
  };
}

/** What JSON Schema cannot say (a check in code) is left out: the answer to a request that misses it says it. */
function bodySchema(schema: NonNullable<Route["body"]>): object {
  const { $schema: _, ...rest } = toJsonSchema(schema, { errorMode: "ignore", typeMode: "input" });
  return rest;
}
