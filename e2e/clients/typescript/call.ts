// A client of the user service in TypeScript, as a developer would write it.
import { deepStrictEqual, rejects } from "node:assert/strict";
import { argv } from "node:process";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { UserService } from "./user/v1/user_pb.js";

const transport = createGrpcTransport({ baseUrl: `http://${argv[2]}`, defaultTimeoutMs: 20_000 });
const users = createClient(UserService, transport);

const created = await users.createUser({ name: "Ada", email: "typescript@example.com" });
const found = await users.getUser({ userId: created.userId });
deepStrictEqual(found.user, created.user);
await rejects(
  users.getUser({ userId: "nobody" }),
  (error: unknown) => error instanceof ConnectError && error.code === Code.InvalidArgument,
);
