-- SPDX-License-Identifier: Apache-2.0
-- Who calls and who pays.
--
-- The four scopes of a call (api_key, team_member, team, account) carry the same counters:
--   cap_usd, cap_period       the limit and the window that it is for (UTC; weeks start on Monday; none: never resets)
--   spent_usd, window_end     charged in the window that ends on that day, from which it counts as 0 (rolled over by
--                             the next charge)
--   held_usd                  sum of the open holds; carries over from window to window
--   cap_committed_usd         spent + held when the cap was last set below that sum, else 0
-- No foreign key points at these tables: each would make every call lock or open its parents and children.
-- Rows are disabled, never deleted.

CREATE TABLE IF NOT EXISTS account (
    id INT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'Number of the account',
    email VARCHAR(254) NOT NULL COMMENT 'Address of the owner',
    name VARCHAR(120) NOT NULL DEFAULT '' COMMENT 'Name of the person or company',
    enabled TINYINT(1) NOT NULL DEFAULT 1 COMMENT '1: may call, 0: every call is refused',
    tier_id SMALLINT UNSIGNED NOT NULL COMMENT 'Tier, which gives the markup',
    markup_override DECIMAL(6,4) NULL COMMENT 'Markup as a fraction instead of the tier''s; empty: the tier''s',
    balance_usd DECIMAL(18,9) NOT NULL DEFAULT 0 COMMENT 'Credit left, US dollars: always the sum of its ledger rows',
    held_usd DECIMAL(18,9) NOT NULL DEFAULT 0 COMMENT 'Part of the balance that running calls hold, US dollars',
    cap_usd DECIMAL(18,9) NULL COMMENT 'Most that may be spent in a period, US dollars; empty: no cap',
    cap_period ENUM('none','daily','weekly','monthly') CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'none'
        COMMENT 'When spent starts again from 0 (UTC)',
    cap_committed_usd DECIMAL(18,9) NOT NULL DEFAULT 0
        COMMENT 'What was spent and held already when a lower cap was set, US dollars',
    spent_usd DECIMAL(18,9) NOT NULL DEFAULT 0 COMMENT 'Charged in the window that ends at window_end, US dollars',
    window_end DATE NOT NULL DEFAULT '9999-12-31' COMMENT 'Day from which spent_usd counts as 0 again (UTC)',
    created_at DATETIME NOT NULL DEFAULT UTC_TIMESTAMP() COMMENT 'When it was opened, UTC',
    PRIMARY KEY (id),
    UNIQUE KEY email (email),
    KEY tier_id (tier_id),
    CONSTRAINT account_tier FOREIGN KEY (tier_id) REFERENCES tier (id),
    CONSTRAINT account_balance CHECK (balance_usd >= 0),
    CONSTRAINT account_held CHECK (held_usd >= 0 AND held_usd <= balance_usd),
    CONSTRAINT account_spent CHECK (spent_usd >= 0),
    CONSTRAINT account_cap CHECK (cap_usd IS NULL OR cap_usd >= 0),
    CONSTRAINT account_markup CHECK (markup_override IS NULL OR markup_override >= 0)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Accounts and their prepaid credit. Balance and held are changed by procedures only';

CREATE TABLE IF NOT EXISTS team (
    id INT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'Number of the team',
    name VARCHAR(120) NOT NULL COMMENT 'Name of the team',
    account_id INT UNSIGNED NOT NULL COMMENT 'Account that pays for the calls of the team',
    enabled TINYINT(1) NOT NULL DEFAULT 1 COMMENT '1: may call, 0: every call is refused',
    held_usd DECIMAL(18,9) NOT NULL DEFAULT 0 COMMENT 'Held by running calls, US dollars',
    cap_usd DECIMAL(18,9) NULL COMMENT 'Most that may be spent in a period, US dollars; empty: no cap',
    cap_period ENUM('none','daily','weekly','monthly') CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'none'
        COMMENT 'When spent starts again from 0 (UTC)',
    cap_committed_usd DECIMAL(18,9) NOT NULL DEFAULT 0
        COMMENT 'What was spent and held already when a lower cap was set, US dollars',
    spent_usd DECIMAL(18,9) NOT NULL DEFAULT 0 COMMENT 'Charged in the window that ends at window_end, US dollars',
    window_end DATE NOT NULL DEFAULT '9999-12-31' COMMENT 'Day from which spent_usd counts as 0 again (UTC)',
    created_at DATETIME NOT NULL DEFAULT UTC_TIMESTAMP() COMMENT 'When it was made, UTC',
    PRIMARY KEY (id),
    KEY account_id (account_id),
    CONSTRAINT team_held CHECK (held_usd >= 0),
    CONSTRAINT team_spent CHECK (spent_usd >= 0),
    CONSTRAINT team_cap CHECK (cap_usd IS NULL OR cap_usd >= 0)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Teams: members share the credit of one paying account';

CREATE TABLE IF NOT EXISTS team_member (
    id INT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'Number of the membership',
    team_id INT UNSIGNED NOT NULL COMMENT 'Team',
    account_id INT UNSIGNED NOT NULL COMMENT 'Account of the member',
    role ENUM('owner','admin','member') CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'member'
        COMMENT 'What the member may do in the team',
    enabled TINYINT(1) NOT NULL DEFAULT 1 COMMENT '1: may call, 0: left the team, its keys are refused',
    held_usd DECIMAL(18,9) NOT NULL DEFAULT 0 COMMENT 'Held by running calls, US dollars',
    cap_usd DECIMAL(18,9) NULL COMMENT 'Most that may be spent in a period, US dollars; empty: no cap',
    cap_period ENUM('none','daily','weekly','monthly') CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'none'
        COMMENT 'When spent starts again from 0 (UTC)',
    cap_committed_usd DECIMAL(18,9) NOT NULL DEFAULT 0
        COMMENT 'What was spent and held already when a lower cap was set, US dollars',
    spent_usd DECIMAL(18,9) NOT NULL DEFAULT 0 COMMENT 'Charged in the window that ends at window_end, US dollars',
    window_end DATE NOT NULL DEFAULT '9999-12-31' COMMENT 'Day from which spent_usd counts as 0 again (UTC)',
    created_at DATETIME NOT NULL DEFAULT UTC_TIMESTAMP() COMMENT 'When the member joined, UTC',
    PRIMARY KEY (id),
    UNIQUE KEY team_account (team_id, account_id),
    KEY account_id (account_id),
    CONSTRAINT team_member_held CHECK (held_usd >= 0),
    CONSTRAINT team_member_spent CHECK (spent_usd >= 0),
    CONSTRAINT team_member_cap CHECK (cap_usd IS NULL OR cap_usd >= 0)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Who belongs to which team, and what each may spend there';

CREATE TABLE IF NOT EXISTS api_key (
    id INT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'Number of the key',
    account_id INT UNSIGNED NOT NULL COMMENT 'Account of the owner',
    member_id INT UNSIGNED NULL COMMENT 'Membership that it calls for; empty: the owner''s account pays',
    name VARCHAR(120) NOT NULL DEFAULT '' COMMENT 'Name given by the owner',
    key_hash BINARY(32) NOT NULL COMMENT 'SHA-256 of the key; the key itself is not kept',
    key_prefix CHAR(11) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'First 11 characters, to recognise it',
    key_last4 CHAR(4) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'Last 4 characters, to recognise it',
    enabled TINYINT(1) NOT NULL DEFAULT 1 COMMENT '1: may call, 0: refused',
    expires_at DATETIME NULL COMMENT 'Refused from this time, UTC; empty: never',
    held_usd DECIMAL(18,9) NOT NULL DEFAULT 0 COMMENT 'Held by running calls, US dollars',
    cap_usd DECIMAL(18,9) NULL COMMENT 'Most that may be spent in a period, US dollars; empty: no cap',
    cap_period ENUM('none','daily','weekly','monthly') CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'none'
        COMMENT 'When spent starts again from 0 (UTC)',
    cap_committed_usd DECIMAL(18,9) NOT NULL DEFAULT 0
        COMMENT 'What was spent and held already when a lower cap was set, US dollars',
    spent_usd DECIMAL(18,9) NOT NULL DEFAULT 0 COMMENT 'Charged in the window that ends at window_end, US dollars',
    window_end DATE NOT NULL DEFAULT '9999-12-31' COMMENT 'Day from which spent_usd counts as 0 again (UTC)',
    last_used_at DATETIME(6) NULL COMMENT 'Last call that was let in, UTC',
    created_at DATETIME NOT NULL DEFAULT UTC_TIMESTAMP() COMMENT 'When it was made, UTC',
    PRIMARY KEY (id),
    UNIQUE KEY key_hash (key_hash),
    KEY account_id (account_id),
    KEY member_id (member_id),
    CONSTRAINT api_key_held CHECK (held_usd >= 0),
    CONSTRAINT api_key_spent CHECK (spent_usd >= 0),
    CONSTRAINT api_key_cap CHECK (cap_usd IS NULL OR cap_usd >= 0)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='API keys (CALL create_key); only their hash is stored';
