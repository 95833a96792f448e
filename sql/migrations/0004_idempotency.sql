-- SPDX-License-Identifier: Apache-2.0
-- What was answered to a call with an Idempotency-Key, so that a repeat gets the same and pays nothing.

CREATE TABLE IF NOT EXISTS idempotency (
    key_id INT UNSIGNED NOT NULL COMMENT 'API key that called',
    name_hash BINARY(32) NOT NULL COMMENT 'HMAC-SHA-256 of the Idempotency-Key under the hash of the API key',
    fingerprint BINARY(32) NOT NULL COMMENT 'The same of path and body: a repeat must be the same call',
    state ENUM('in_flight','done') CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'in_flight'
        COMMENT 'in_flight: the call runs (while its lease lasts); done: it was answered',
    owner CHAR(30) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'Request that makes the call',
    request_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin NOT NULL
        COMMENT 'Request id of the call''s hold and usage row; the owner''s own unless it went on with a call that had died early',
    http_status SMALLINT UNSIGNED NULL COMMENT 'Status of the stored answer',
    answer MEDIUMBLOB NULL
        COMMENT 'Headers and body, encrypted under the program''s secret_key; empty in a done row: charged, but not kept',
    created_at DATETIME(6) NOT NULL COMMENT 'When the call began, UTC',
    lease_until DATETIME(6) NOT NULL COMMENT 'in_flight: its process is taken for dead from then on, UTC; a running call moves it ahead',
    expires_at DATETIME(6) NOT NULL COMMENT 'From then on the Idempotency-Key is as new, UTC',
    PRIMARY KEY (key_id, name_hash),
    KEY expires_at (expires_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Calls with an Idempotency-Key of the last 24 hours; written by idempotency_* only';
