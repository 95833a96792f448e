-- SPDX-License-Identifier: Apache-2.0
-- Sign-up and sign-in: passwords, links by mail, sessions, the outbox, throttles. Tokens are random (32 bytes) and only
-- their SHA-256 is kept.

ALTER TABLE account
    ADD COLUMN IF NOT EXISTS password_hash VARCHAR(200) CHARACTER SET ascii COLLATE ascii_bin NULL
        COMMENT 'scrypt with its parameters ($scrypt$ln=..,r=..,p=..$salt$hash); empty: cannot sign in (a reset by mail sets one)',
    ADD COLUMN IF NOT EXISTS verified_at DATETIME NULL
        COMMENT 'When the owner showed that the address is theirs, UTC; empty: opened by the operator';

CREATE TABLE IF NOT EXISTS mailbox_grant (
    mailbox VARCHAR(254) CHARACTER SET ascii COLLATE ascii_bin NOT NULL
        COMMENT 'Mailbox behind an address: lower case, without +tag and dots where the provider ignores them',
    account_id INT UNSIGNED NOT NULL COMMENT 'Account that got the credit',
    created_at DATETIME NOT NULL DEFAULT UTC_TIMESTAMP() COMMENT 'When, UTC',
    PRIMARY KEY (mailbox),
    KEY account_id (account_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Mailboxes that have had the welcome credit: one grant each, for ever';

CREATE TABLE IF NOT EXISTS signup_token (
    token_hash BINARY(32) NOT NULL COMMENT 'SHA-256 of the token in the link',
    kind ENUM('verify','reset') CHARACTER SET ascii COLLATE ascii_bin NOT NULL
        COMMENT 'verify: opens an account; reset: sets a new password',
    email VARCHAR(254) NOT NULL COMMENT 'Address that the link was sent to',
    account_id INT UNSIGNED NULL COMMENT 'reset: account; verify: account that was opened',
    mailbox VARCHAR(254) CHARACTER SET ascii COLLATE ascii_bin NULL COMMENT 'verify: mailbox behind the address',
    name VARCHAR(120) NULL COMMENT 'verify: name for the account',
    password_hash VARCHAR(200) CHARACTER SET ascii COLLATE ascii_bin NULL
        COMMENT 'verify: scrypt of the password that was chosen; emptied once used',
    created_at DATETIME(6) NOT NULL COMMENT 'When it was made, UTC',
    expires_at DATETIME(6) NOT NULL COMMENT 'Refused from this time, UTC',
    used_at DATETIME(6) NULL COMMENT 'When it was used, UTC; a second use is refused',
    PRIMARY KEY (token_hash),
    KEY email (email),
    KEY account_id (account_id),
    KEY expires_at (expires_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Links that were sent by mail: single use, they expire';

CREATE TABLE IF NOT EXISTS session (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'Number of the session',
    token_hash BINARY(32) NOT NULL COMMENT 'SHA-256 of the token in the cookie',
    account_id INT UNSIGNED NOT NULL COMMENT 'Account that is signed in',
    created_at DATETIME(6) NOT NULL COMMENT 'When it was opened, UTC',
    last_used_at DATETIME(6) NOT NULL COMMENT 'Last request, UTC, to some minutes',
    expires_at DATETIME(6) NOT NULL COMMENT 'Ends at this time at the latest, UTC; earlier when it is not used',
    user_agent VARCHAR(200) NOT NULL DEFAULT '' COMMENT 'Browser, as it names itself',
    network VARCHAR(50) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT ''
        COMMENT 'Network of the client (/24 of IPv4, /48 of IPv6)',
    PRIMARY KEY (id),
    UNIQUE KEY token_hash (token_hash),
    KEY account_id (account_id),
    KEY expires_at (expires_at),
    KEY last_used_at (last_used_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Who is signed in where (CALL reset_sessions ends all of an account)';

CREATE TABLE IF NOT EXISTS outbox_mail (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT COMMENT 'Number of the mail',
    kind VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'What it is: verify, exists, reset, changed, invite',
    recipient VARCHAR(254) NOT NULL COMMENT 'Address that it goes to',
    subject VARCHAR(200) NOT NULL COMMENT 'Subject',
    body TEXT NULL COMMENT 'Text; emptied once it was sent or given up, since it may hold a token',
    state ENUM('pending','sent','dead') CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'pending'
        COMMENT 'pending: to be sent; sent: the mail server took it; dead: given up',
    attempts SMALLINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'How often it was tried',
    next_attempt_at DATETIME(6) NOT NULL COMMENT 'Not tried before this time, UTC; while it is tried, when others may',
    last_error VARCHAR(255) NOT NULL DEFAULT '' COMMENT 'What the mail server said to the last try',
    created_at DATETIME(6) NOT NULL COMMENT 'When it was written, UTC',
    done_at DATETIME(6) NULL COMMENT 'When it was sent or given up, UTC',
    PRIMARY KEY (id),
    KEY state_next (state, next_attempt_at),
    KEY done_at (done_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Mails to be sent (send-mail)';

CREATE TABLE IF NOT EXISTS throttle (
    subject BINARY(32) NOT NULL COMMENT 'SHA-256 of what is counted: an action with an address or a network',
    attempts INT UNSIGNED NOT NULL COMMENT 'Attempts in the window',
    window_end DATETIME(6) NOT NULL COMMENT 'From this time it counts from 0 again, UTC',
    PRIMARY KEY (subject),
    KEY window_end (window_end)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='How often an address or a network has tried to sign up, in, or to reset';
