-- SPDX-License-Identifier: Apache-2.0
-- Holds, charges, credit. Written by procedures only.

CREATE TABLE IF NOT EXISTS hold (
    id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'Request id, made by the program (x-request-id)',
    state ENUM('open','settled','released','expired') CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'open'
        COMMENT 'open: the call runs; settled: charged; released: not charged; expired: its process died',
    account_id INT UNSIGNED NOT NULL COMMENT 'Account that pays',
    key_id INT UNSIGNED NOT NULL COMMENT 'Key that called',
    member_id INT UNSIGNED NULL COMMENT 'Membership of the key; empty: no team',
    team_id INT UNSIGNED NULL COMMENT 'Team of the key; empty: none',
    model_id INT UNSIGNED NOT NULL COMMENT 'Model that was asked for',
    price_id INT UNSIGNED NOT NULL COMMENT 'Price version that the call will be charged at',
    markup DECIMAL(6,4) NOT NULL COMMENT 'Markup of the call, as a fraction',
    hold_usd DECIMAL(18,9) NOT NULL COMMENT 'Most that the call can be charged, US dollars',
    output_limit INT UNSIGNED NOT NULL COMMENT 'Largest answer that was asked for upstream, tokens per choice',
    created_at DATETIME(6) NOT NULL COMMENT 'When the call began, UTC',
    expires_at DATETIME(6) NOT NULL COMMENT 'The hold may be dropped after this time, UTC; a running call renews it',
    resolved_at DATETIME(6) NULL COMMENT 'When it was settled, released or dropped, UTC',
    PRIMARY KEY (id),
    KEY state_expires_at (state, expires_at),
    CONSTRAINT hold_amount CHECK (hold_usd >= 0)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Money set aside for a call before it is sent; resolved once';

CREATE TABLE IF NOT EXISTS ledger (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'Number of the entry',
    account_id INT UNSIGNED NOT NULL COMMENT 'Account whose balance it changed',
    kind ENUM('charge','purchase','grant','refund','adjustment') CHARACTER SET ascii COLLATE ascii_bin NOT NULL
        COMMENT 'What happened',
    amount_usd DECIMAL(18,9) NOT NULL COMMENT 'Change of the balance, US dollars; charges and refunds are negative',
    reference VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL
        COMMENT 'Request id of a charge; number of the purchase row otherwise',
    usage_at DATETIME(6) NULL COMMENT 'Charges: created_at of the usage row, UTC',
    created_at DATETIME(6) NOT NULL COMMENT 'When it was booked, UTC',
    PRIMARY KEY (id),
    UNIQUE KEY kind_reference (kind, reference),
    KEY account_id (account_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Every change of every balance; rows are only ever inserted';

CREATE TABLE IF NOT EXISTS usage_log (
    request_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'Request id (x-request-id)',
    created_at DATETIME(6) NOT NULL COMMENT 'When the call began, UTC; chooses the partition',
    settled_at DATETIME(6) NOT NULL COMMENT 'When it was charged or released, UTC',
    account_id INT UNSIGNED NOT NULL COMMENT 'Account that pays',
    key_id INT UNSIGNED NOT NULL COMMENT 'Key that called',
    member_id INT UNSIGNED NULL COMMENT 'Membership of the key; empty: no team',
    team_id INT UNSIGNED NULL COMMENT 'Team of the key; empty: none',
    model_id INT UNSIGNED NOT NULL COMMENT 'Model that was asked for',
    price_id INT UNSIGNED NOT NULL COMMENT 'Price version of the charge',
    markup DECIMAL(6,4) NOT NULL COMMENT 'Markup of the charge, as a fraction',
    status ENUM('ok','client_gone','error','upstream_error','timeout','cancelled','expired')
        CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'How the call ended',
    estimated TINYINT(1) NOT NULL DEFAULT 0 COMMENT '1: the provider had not said the token counts',
    late TINYINT(1) NOT NULL DEFAULT 0 COMMENT '1: charged after its hold had expired, so clamped to what was left',
    stream TINYINT(1) NOT NULL DEFAULT 0 COMMENT '1: streamed',
    http_status SMALLINT UNSIGNED NULL COMMENT 'HTTP status of our answer',
    provider VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'Provider that served (or failed) last',
    upstream_model VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '' COMMENT 'Name of the model there',
    hedged_from VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NULL COMMENT 'Provider that failed before; empty: none',
    input_tokens INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'Input tokens that met no cache',
    cached_tokens INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'Input tokens read from a cache',
    cache_write_5m_tokens INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'Input tokens written to a cache for 5 minutes',
    cache_write_1h_tokens INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'Input tokens written to a cache for 1 hour',
    output_tokens INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'Output tokens, reasoning included',
    reasoning_tokens INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'Reasoning tokens, part of output_tokens',
    upstream_cost_usd DECIMAL(27,15) NULL COMMENT 'Cost that the provider named, US dollars; empty: it named none',
    cost_usd DECIMAL(18,9) NOT NULL DEFAULT 0
        COMMENT 'What it cost us, US dollars: what the provider named, else tokens x price; rounded',
    hold_usd DECIMAL(18,9) NOT NULL COMMENT 'What had been held, US dollars',
    charge_usd DECIMAL(18,9) NOT NULL DEFAULT 0 COMMENT 'What the account paid, US dollars',
    absorbed_usd DECIMAL(18,9) NOT NULL DEFAULT 0 COMMENT 'What it would have cost beyond the hold, US dollars; we bore it',
    first_byte_ms INT UNSIGNED NULL COMMENT 'Time to the first byte from the provider, milliseconds',
    duration_ms INT UNSIGNED NULL COMMENT 'Time of the whole call, milliseconds',
    PRIMARY KEY (request_id, created_at),
    KEY account_created_at (account_id, created_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='One row a call, with all that its charge was made of; old months can be dropped (CALL usage_drop_before)'
  PARTITION BY RANGE COLUMNS (created_at) (PARTITION pmax VALUES LESS THAN (MAXVALUE));

CREATE TABLE IF NOT EXISTS spend_hourly (
    account_id INT UNSIGNED NOT NULL COMMENT 'Account that paid',
    hour DATETIME NOT NULL COMMENT 'Beginning of the hour in which the calls were charged, UTC',
    key_id INT UNSIGNED NOT NULL COMMENT 'Key that called',
    model_id INT UNSIGNED NOT NULL COMMENT 'Model that was asked for',
    provider VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'Provider that served',
    member_id INT UNSIGNED NULL COMMENT 'Membership of the key; empty: no team',
    team_id INT UNSIGNED NULL COMMENT 'Team of the key; empty: none',
    calls INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'Charged calls',
    input_tokens BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'Input tokens of all kinds',
    output_tokens BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'Output tokens, reasoning included',
    charge_usd DECIMAL(18,9) NOT NULL DEFAULT 0 COMMENT 'Paid by the account, US dollars',
    cost_usd DECIMAL(18,9) NOT NULL DEFAULT 0 COMMENT 'What it cost us, US dollars: named by the provider, else tokens x price',
    absorbed_usd DECIMAL(18,9) NOT NULL DEFAULT 0 COMMENT 'Beyond the holds, borne by us, US dollars',
    PRIMARY KEY (account_id, hour, key_id, model_id, provider),
    KEY hour (hour)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Charges by hour, for tiers, dashboards and statistics';

CREATE TABLE IF NOT EXISTS purchase (
    id INT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'Number of the purchase or grant',
    account_id INT UNSIGNED NOT NULL COMMENT 'Account that got the credit',
    kind ENUM('purchase','grant') CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'Paid for, or given free',
    amount_usd DECIMAL(18,9) NOT NULL COMMENT 'Credit bought or given, US dollars',
    remaining_usd DECIMAL(18,9) NOT NULL
        COMMENT 'Part not spent as of the account''s last credit event, US dollars (spending is assigned then)',
    refunded_usd DECIMAL(18,9) NOT NULL DEFAULT 0 COMMENT 'Part paid back, US dollars',
    reference VARCHAR(128) NULL COMMENT 'Number at the payment provider; unique; empty for grants',
    note VARCHAR(255) NOT NULL DEFAULT '' COMMENT 'Why it was given',
    created_at DATETIME(6) NOT NULL COMMENT 'When, UTC',
    refunded_at DATETIME(6) NULL COMMENT 'When it was last refunded, UTC',
    PRIMARY KEY (id),
    UNIQUE KEY reference (reference),
    KEY account_id (account_id),
    CONSTRAINT purchase_amount CHECK (amount_usd > 0),
    CONSTRAINT purchase_remaining CHECK (remaining_usd >= 0 AND remaining_usd + refunded_usd <= amount_usd),
    CONSTRAINT purchase_refunded CHECK (refunded_usd >= 0)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Credit by lot: purchases (CALL credit_purchase) and free grants (CALL grant_credit)';

CREATE TABLE IF NOT EXISTS retention (
    name VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'Table',
    kept_from DATETIME(6) NOT NULL COMMENT 'Older rows have been dropped, UTC',
    PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='How far back tables reach whose old rows are dropped';
