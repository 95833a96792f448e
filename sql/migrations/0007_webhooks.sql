-- SPDX-License-Identifier: Apache-2.0
-- Webhooks that go out to customers, and the secrets that sign them. Written by procedures only.

CREATE TABLE IF NOT EXISTS webhook_delivery (
    id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin NOT NULL
        COMMENT 'Number of the message: whd_ and 26 characters that sort by time. The webhook-id header of every attempt',
    account_id INT UNSIGNED NOT NULL COMMENT 'Account whose job it tells about; its secrets sign it',
    event VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'What it tells',
    task_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'Job that it tells about',
    url VARCHAR(2048) NOT NULL COMMENT 'Where it goes to: callBackUrl of the job',
    host_key BIGINT UNSIGNED NOT NULL
        COMMENT 'Hash of the host in the URL: attempts at one host are limited together',
    body MEDIUMTEXT NOT NULL COMMENT 'What is sent, the same in every attempt',
    state ENUM('pending','delivered','dead') CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'pending'
        COMMENT 'pending: is due or will be; delivered: the customer answered 2xx; dead: given up, can be redelivered',
    due DATETIME(6) NOT NULL
        COMMENT 'pending: next attempt, UTC (while one is under way: when it counts as lost); else: when it ended',
    claim CHAR(16) CHARACTER SET ascii COLLATE ascii_bin NULL
        COMMENT 'Process that has an attempt under way, until due; empty: none',
    step TINYINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'Failed attempts since it was made or redelivered',
    attempts INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'Attempts that ended, all together',
    last_status SMALLINT UNSIGNED NULL COMMENT 'HTTP status of the last answer; empty: none came',
    last_error VARCHAR(255) NULL COMMENT 'Why the last attempt failed; empty: it did not',
    response_excerpt VARCHAR(1024) NULL COMMENT 'Beginning of the last answer''s body',
    created_at DATETIME(6) NOT NULL COMMENT 'When the job ended, UTC',
    delivered_at DATETIME(6) NULL COMMENT 'When the customer answered 2xx, UTC',
    PRIMARY KEY (id),
    UNIQUE KEY task_event (task_id, event),
    KEY state_due_id (state, due, id, host_key, account_id),
    KEY account_id (account_id, id),
    KEY account_state (account_id, state, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Webhooks to customers: each is tried until it is answered with 2xx or given up';

CREATE TABLE IF NOT EXISTS webhook_secret (
    id INT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'Number of the secret',
    account_id INT UNSIGNED NOT NULL COMMENT 'Account whose webhooks it signs',
    sealed VARBINARY(128) NOT NULL COMMENT 'The secret''s 32 bytes, encrypted under secret_key of the configuration',
    last4 CHAR(4) CHARACTER SET ascii COLLATE ascii_bin NOT NULL
        COMMENT 'Last 4 characters of the secret as shown, to recognise it',
    created_at DATETIME(6) NOT NULL COMMENT 'When it was made, UTC',
    expires_at DATETIME(6) NULL COMMENT 'Signs until this time, UTC; empty: it is the present one',
    PRIMARY KEY (id),
    KEY account_id (account_id),
    KEY expires_at (expires_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Secrets that sign webhooks; after a rotation the one before stays valid for a time';
