// SPDX-License-Identifier: Apache-2.0
// Verifies webhooks with the standardwebhooks package: [{secret, headers, body}, ...] on stdin, the parsed bodies on stdout,
// or null where the package refuses.
import { readFileSync } from "node:fs";
import { Webhook } from "standardwebhooks";

const verified = JSON.parse(readFileSync(0, "utf8")).map(({ secret, headers, body }) => {
  try {
    return new Webhook(secret).verify(body, headers);
  } catch (problem) {
    if (problem.name !== "WebhookVerificationError") throw problem;
    return null;
  }
});
process.stdout.write(JSON.stringify(verified));
