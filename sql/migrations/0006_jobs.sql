-- SPDX-License-Identifier: Apache-2.0
-- Media jobs: what is asked of a provider now and answered later. Money stands in hold, ledger and usage_log, as for chat.

CREATE TABLE IF NOT EXISTS job (
    id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'Task id that the customer has: tsk_ and the ULID of the request',
    request_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'Request that made it; its hold and its usage row',
    nonce BIGINT UNSIGNED NOT NULL COMMENT 'Number of the attempt that made it: only that one sends it to the provider',
    owner_id INT UNSIGNED NOT NULL COMMENT 'Account of the owner of the key',
    account_id INT UNSIGNED NOT NULL COMMENT 'Account that pays',
    key_id INT UNSIGNED NOT NULL COMMENT 'Key that made it',
    model_id INT UNSIGNED NOT NULL COMMENT 'Model that was asked for',
    provider VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'Provider that makes it',
    api VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'Interface of the provider (name of a table in the program)',
    shape VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL
        COMMENT 'Interface that the customer used, whose form the webhook has (as api)',
    upstream_model VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'Name of the model there',
    upstream_id VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NULL
        COMMENT 'The provider''s own task id; empty: not known (yet). Customers never see it',
    state ENUM('creating','waiting','queuing','generating','success','fail') CHARACTER SET ascii COLLATE ascii_bin NOT NULL
        DEFAULT 'creating' COMMENT 'creating: held, and the provider has not confirmed it; success: charged; fail: not charged',
    param VARCHAR(1000) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '{}'
        COMMENT 'What its price was made of, JSON; texts and pictures of the customer are not kept',
    quantity DECIMAL(12,3) NOT NULL COMMENT 'Units that were held',
    metered TINYINT(1) NOT NULL DEFAULT 0 COMMENT '1: the provider tells at the end how many units it took, at most quantity is charged',
    callback_url VARCHAR(2048) NULL COMMENT 'Where the customer wants to be told; empty: nowhere',
    callback_ts BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'Unix time in the newest callback of the provider that was accepted',
    result MEDIUMTEXT NULL COMMENT 'What the provider made, JSON: addresses of the files',
    fail_code VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '' COMMENT 'Why it failed, for programs',
    fail_msg VARCHAR(500) NOT NULL DEFAULT '' COMMENT 'Why it failed, for people',
    charge_usd DECIMAL(18,9) NULL COMMENT 'What the account paid, US dollars; empty: it has not ended',
    upstream_cost_usd DECIMAL(18,9) NULL COMMENT 'Cost that the provider named, US dollars; empty: it named none',
    created_at DATETIME(6) NOT NULL COMMENT 'When it was asked for, UTC',
    updated_at DATETIME(6) NOT NULL COMMENT 'When its state was last seen to change, UTC',
    completed_at DATETIME(6) NULL COMMENT 'When it ended, UTC; empty: it is open',
    due DATETIME(6) NULL COMMENT 'When poll-jobs looks at it next, UTC; empty: it has ended',
    PRIMARY KEY (id),
    UNIQUE KEY request_id (request_id),
    UNIQUE KEY provider_upstream_id (provider, upstream_id),
    KEY due (due),
    KEY owner_id (owner_id, id),
    KEY key_id (key_id, id),
    KEY completed_at (completed_at),
    CONSTRAINT job_ended CHECK ((completed_at IS NULL) = (state NOT IN ('success', 'fail'))),
    CONSTRAINT job_due CHECK ((due IS NULL) = (completed_at IS NOT NULL)),
    CONSTRAINT job_charge CHECK ((charge_usd IS NULL) = (completed_at IS NULL))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Image, video, music and voice jobs. Written by procedures only';

ALTER TABLE usage_log ADD COLUMN IF NOT EXISTS quantity DECIMAL(12,3) NULL
    COMMENT 'Media: units that were charged, in the unit of the price version; empty: tokens, or not charged' AFTER reasoning_tokens;

ALTER TABLE price MODIFY unit ENUM('image','megapixel','second','video','request','kchar','song')
    CHARACTER SET ascii COLLATE ascii_bin NULL COMMENT 'Media: what is counted (kchar: 1000 characters)';

ALTER TABLE route MODIFY provider ENUM('openai','openai-responses','anthropic','google','openrouter','kie','recraft','mureka','replicate')
    CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'Provider and its interface';

-- What an older seed had: Recraft now means Recraft's own generation, and the songs of a discontinued model have a successor.
UPDATE route r JOIN model m ON m.id = r.model_id SET r.provider = 'recraft', r.upstream_model = 'recraft/generations'
WHERE m.name = 'recraft' AND r.provider = 'kie' AND r.upstream_model = 'recraft/crisp-upscale';
INSERT INTO price (model_id, valid_from, unit, unit_usd, set_by)
SELECT m.id, UTC_TIMESTAMP(6), 'image', 0.04, 'seed' FROM model m JOIN price p ON p.model_id = m.id
WHERE m.name = 'recraft' GROUP BY m.id HAVING MAX(p.set_by = 'operator') = 0 AND MAX(p.unit_usd) = 0.0025;
UPDATE model SET retires_on = '2026-09-25', successor = 'suno-v6'
WHERE name = 'suno-v4.5-plus' AND retires_on IS NULL AND successor IS NULL;
