// Ask a gateway one question and print the answer as it arrives. To copy.
//
//   npm ci && node client.js 127.0.0.1:50051 "What is a hash table?"
//
// GATEWAY_TLS_CA names the PEM file of an authority and turns TLS on; GATEWAY_API_KEY holds a key. GATEWAY_PROTOS
// is the folder of gateway/v1/gateway.proto; without it, that of the repository. Take error_details.proto along.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";
import protobuf from "protobufjs";

const file = (path) => fileURLToPath(new URL(path, import.meta.url));
const { GATEWAY_TLS_CA: ca, GATEWAY_API_KEY: key, GATEWAY_PROTOS: protos = file("../../protos") } = process.env;
const loaded = protoLoader.loadSync("gateway/v1/gateway.proto", {
  includeDirs: [protos], keepCase: true, enums: String, longs: Number, defaults: true, oneofs: true,
});
const { GatewayService } = grpc.loadPackageDefinition(loaded).gateway.v1;
const errorDetails = protobuf.loadSync(file("error_details.proto"));

// A stream is never retried; docs/guides/write-a-client.md has the retry policy for unary calls.
const [server, question] = process.argv.slice(2);
if (question === undefined) {
  console.error('[GATEWAY_PROTOS=FOLDER] node client.js 127.0.0.1:50051 "What is a hash table?"');
  process.exit(1);
}
const gateway = new GatewayService(
  server,
  ca ? grpc.credentials.createSsl(readFileSync(ca)) : grpc.credentials.createInsecure(),
  { "grpc.enable_http_proxy": 0 },
);
const metadata = new grpc.Metadata();
if (key) metadata.set("authorization", `Bearer ${key}`);

/** Return reason and wait of an error; an error without a reason did not come from a gateway. */
function explain(error) {
  const [packed] = error.metadata?.get("grpc-status-details-bin") ?? [];
  const status = packed ? errorDetails.lookupType("google.rpc.Status").decode(packed) : { details: [] };
  const find = (name) => {
    const detail = status.details.find(({ typeUrl }) => typeUrl.endsWith(`/${name}`));
    return detail && errorDetails.lookupType(name).decode(detail.value);
  };
  const delay = find("google.rpc.RetryInfo")?.retryDelay;
  return {
    reason: find("google.rpc.ErrorInfo")?.reason ?? "no gateway",
    wait: delay ? `; try again after ${Number(delay.seconds) + delay.nanos / 1e9} s` : "",
  };
}

const request = { messages: [{ role: "ROLE_USER", content: question }] };
const deadline = Date.now() + 30_000; // Deadline of the whole call.
let completed = null;
const events = gateway.StreamGenerate(request, metadata, { deadline });
events.on("data", ({ delta, restart, completed: last }) => {
  if (delta) process.stdout.write(delta.text);
  if (restart) process.stdout.write(`\n[void: ${restart.reason}]\n`); // The text so far is no answer.
  if (last) completed = last;
});
events.on("error", (error) => {
  const { reason, wait } = explain(error);
  console.error(`${grpc.status[error.code]} (${reason}): ${error.details}${wait}`);
  process.exitCode = 1;
});
events.on("end", () => {
  if (completed?.degraded) console.log(`[${completed.degraded.reason}] ${completed.text}`); // No model answered.
  else if (completed) console.log(`\n(${completed.route}, ${completed.model}, ${completed.cost_usd} USD)`);
});
events.on("close", () => {
  if (!completed && !process.exitCode) {
    console.error("the stream ended without its last message: what came is no answer");
    process.exitCode = 1;
  }
  gateway.close();
});
