-- SPDX-License-Identifier: Apache-2.0
-- What a provider needs back on the next turn of a tool loop and most clients drop.

CREATE TABLE IF NOT EXISTS reasoning_carry (
    account_id INT UNSIGNED NOT NULL COMMENT 'Account that paid for the answer',
    call_hash BINARY(32) NOT NULL COMMENT 'SHA-256 of the id of the answer''s first tool call',
    provider VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'Provider that made it; of use there only',
    upstream_model VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'Name of the model there',
    state MEDIUMBLOB NOT NULL COMMENT 'Thoughts and signatures, AES-256-GCM under the secret_key of the configuration',
    expires_at DATETIME NOT NULL COMMENT 'Of no use from this time, UTC',
    PRIMARY KEY (account_id, call_hash),
    KEY expires_at (expires_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Reasoning state of tool calls, encrypted, for 24 hours';
