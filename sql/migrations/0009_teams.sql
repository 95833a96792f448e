-- SPDX-License-Identifier: Apache-2.0
-- What customers manage themselves: keys with a list of models, invitations to teams, the history of tiers, payments.
-- Every statement can be repeated, so a migration that was interrupted is simply run again.

ALTER TABLE api_key
    ADD COLUMN IF NOT EXISTS models_limited TINYINT(1) NOT NULL DEFAULT 0
        COMMENT '1: may call the models of api_key_model only, 0: every model' AFTER expires_at,
    ADD COLUMN IF NOT EXISTS deleted_at DATETIME NULL
        COMMENT 'When its owner deleted it, UTC; it stays refused; empty: not deleted' AFTER created_at;

CREATE TABLE IF NOT EXISTS api_key_model (
    key_id INT UNSIGNED NOT NULL COMMENT 'Key',
    model_id INT UNSIGNED NOT NULL COMMENT 'Model that it may call',
    PRIMARY KEY (key_id, model_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Which models a key with models_limited may call (CALL set_key_models)';

ALTER TABLE team
    ADD COLUMN IF NOT EXISTS transfer_member_id INT UNSIGNED NULL
        COMMENT 'Member to whom the owner has offered team and payment, who has not accepted yet; empty: no offer'
        AFTER account_id;

-- Whoever paid for a team once: its spend of a window may lie with several accounts.
CREATE TABLE IF NOT EXISTS team_payer (
    team_id INT UNSIGNED NOT NULL COMMENT 'Team',
    account_id INT UNSIGNED NOT NULL COMMENT 'Account that pays or has paid for it',
    since DATETIME NOT NULL DEFAULT UTC_TIMESTAMP() COMMENT 'When it first did, UTC',
    PRIMARY KEY (team_id, account_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Accounts that pay or have paid for a team';
INSERT IGNORE INTO team_payer (team_id, account_id, since) SELECT id, account_id, created_at FROM team;

CREATE TABLE IF NOT EXISTS team_invitation (
    id INT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'Number of the invitation',
    team_id INT UNSIGNED NOT NULL COMMENT 'Team',
    email VARCHAR(254) NOT NULL COMMENT 'Address that was invited; only its account can accept',
    role ENUM('admin','member') CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'What the new member may do',
    token_hash BINARY(32) NOT NULL COMMENT 'SHA-256 of the token in the mail; the token itself is not kept',
    invited_by INT UNSIGNED NOT NULL COMMENT 'Account that invited',
    created_at DATETIME NOT NULL DEFAULT UTC_TIMESTAMP() COMMENT 'When, UTC',
    expires_at DATETIME NOT NULL COMMENT 'Cannot be accepted from this time, UTC',
    closed_at DATETIME NULL COMMENT 'When it was accepted, withdrawn or replaced, UTC; empty: open',
    outcome ENUM('accepted','withdrawn','replaced') CHARACTER SET ascii COLLATE ascii_bin NULL
        COMMENT 'How it ended; empty: open or expired',
    PRIMARY KEY (id),
    UNIQUE KEY token_hash (token_hash),
    KEY team_id (team_id, closed_at),
    KEY invited_by (invited_by, created_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Invitations to teams by e-mail';

CREATE TABLE IF NOT EXISTS tier_change (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'Number of the change',
    account_id INT UNSIGNED NOT NULL COMMENT 'Account',
    from_tier_id SMALLINT UNSIGNED NOT NULL COMMENT 'Tier before',
    to_tier_id SMALLINT UNSIGNED NOT NULL COMMENT 'Tier since',
    spend_usd DECIMAL(18,9) NULL COMMENT 'Charged spend of 30 days that decided it, US dollars; empty: an operator did',
    changed_by ENUM('recompute','operator') CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'Who changed it',
    changed_at DATETIME(6) NOT NULL COMMENT 'When, UTC',
    PRIMARY KEY (id),
    KEY account_id (account_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Every change of the tier of an account';

-- Statements read the credit events of one account and month; charges come from spend_hourly.
ALTER TABLE ledger
    ADD INDEX IF NOT EXISTS account_kind_created (account_id, kind, created_at),
    DROP INDEX IF EXISTS account_id;

-- The calls of one key, newest first.
ALTER TABLE usage_log
    ADD INDEX IF NOT EXISTS key_created_at (key_id, created_at);

-- What one key has spent, whoever pays for it.
ALTER TABLE spend_hourly
    ADD INDEX IF NOT EXISTS key_hour (key_id, hour);

CREATE TABLE IF NOT EXISTS checkout (
    id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'Our number of the purchase, sent along to Stripe',
    account_id INT UNSIGNED NOT NULL COMMENT 'Account that buys credit',
    amount_usd DECIMAL(18,9) NOT NULL COMMENT 'Credit, US dollars (whole cents)',
    state ENUM('open','paid','failed','expired','mismatch') CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'open'
        COMMENT 'open: not paid yet; paid: credited; mismatch: paid, but not this amount in US dollars, so not credited',
    session_id VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NULL COMMENT 'Stripe''s number of the page (cs_...)',
    payment_id VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NULL COMMENT 'Stripe''s number of the payment (pi_...)',
    purchase_id INT UNSIGNED NULL COMMENT 'Credit that came of it; empty: none yet',
    created_at DATETIME NOT NULL DEFAULT UTC_TIMESTAMP() COMMENT 'When the page was asked for, UTC',
    changed_at DATETIME NOT NULL DEFAULT UTC_TIMESTAMP() COMMENT 'Last change of the state, UTC',
    PRIMARY KEY (id),
    UNIQUE KEY payment_id (payment_id),
    UNIQUE KEY purchase_id (purchase_id),
    KEY account_id (account_id, created_at),
    CONSTRAINT checkout_amount CHECK (amount_usd > 0)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Credit bought on Stripe''s page';

CREATE TABLE IF NOT EXISTS refund (
    id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'Our number of the refund, sent along to Stripe',
    purchase_id INT UNSIGNED NOT NULL COMMENT 'Purchase that is paid back',
    account_id INT UNSIGNED NOT NULL COMMENT 'Account that gave the credit back',
    amount_usd DECIMAL(18,9) NOT NULL COMMENT 'Paid back, US dollars (whole cents)',
    state ENUM('pending','done','failed') CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'pending'
        COMMENT 'pending: out of the balance, Stripe has not confirmed; failed: Stripe refused, the credit was given back',
    stripe_id VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NULL COMMENT 'Stripe''s number of the refund (re_...)',
    note VARCHAR(255) NOT NULL DEFAULT '' COMMENT 'Why it failed',
    created_at DATETIME NOT NULL DEFAULT UTC_TIMESTAMP() COMMENT 'When it was asked for, UTC',
    changed_at DATETIME NOT NULL DEFAULT UTC_TIMESTAMP() COMMENT 'Last change of the state, UTC',
    PRIMARY KEY (id),
    KEY purchase_id (purchase_id),
    KEY state (state, created_at),
    CONSTRAINT refund_amount CHECK (amount_usd > 0)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Refunds through Stripe';

CREATE TABLE IF NOT EXISTS stripe_event (
    id VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'Stripe''s number of the event (evt_...)',
    type VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'What happened, in Stripe''s words',
    subject VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '' COMMENT 'Our number that it is about',
    outcome VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'What was done about it',
    received_at DATETIME(6) NOT NULL COMMENT 'When it first came, UTC',
    PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Events of Stripe that had an effect: each has it once';
