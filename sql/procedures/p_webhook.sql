-- SPDX-License-Identifier: Apache-2.0
-- Webhooks to customers. A row is pending until an attempt was answered with 2xx (delivered) or the last one failed
-- (dead). Whoever makes an attempt claims the row first: its claim is set and due is moved to the end of a lease, so
-- that nobody else takes it, and a process that dies leaves a row that becomes due by itself.
DELIMITER //

-- Called by the procedure that ends a job, within its transaction. Idempotent for a task and an event. Without a URL
-- there is nobody to tell: no row, o_id is NULL.
CREATE OR REPLACE PROCEDURE webhook_enqueue_inner(
    IN p_account_id INT UNSIGNED,
    IN p_event VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_task_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_url VARCHAR(2048) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    IN p_body MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    OUT o_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Webhooks, internal: puts a webhook in line, at once due. Account, event, task, URL, body'
BEGIN
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);
    DECLARE v_host VARCHAR(2048) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

    SET o_id = NULL;
    IF COALESCE(p_url, '') <> '' THEN
        -- 48 bits of milliseconds and 80 random ones, five a character, in digits that sort.
        SET o_id = CONCAT('whd_', LPAD(CONV(FLOOR(UNIX_TIMESTAMP(v_now) * 1000), 10, 32), 10, '0'),
            LPAD(CONV(HEX(RANDOM_BYTES(5)), 16, 32), 8, '0'), LPAD(CONV(HEX(RANDOM_BYTES(5)), 16, 32), 8, '0'));
        -- What stands between the scheme (with a user name, if any) and the port or path.
        SET v_host = SUBSTRING_INDEX(REGEXP_SUBSTR(SUBSTRING(p_url, LOCATE('://', p_url) + 3), '^[^/?#]*'), '@', -1);
        SET v_host = IF(v_host LIKE '[%', SUBSTRING_INDEX(v_host, ']', 1), SUBSTRING_INDEX(v_host, ':', 1));
        INSERT INTO webhook_delivery (id, account_id, event, task_id, url, host_key, body, due, created_at)
        VALUES (o_id, p_account_id, p_event, p_task_id, p_url, CONV(LEFT(MD5(LOWER(v_host)), 15), 16, 10), p_body,
            v_now, v_now)
        ON DUPLICATE KEY UPDATE id = id;
        SELECT id INTO o_id FROM webhook_delivery WHERE task_id = p_task_id AND event = p_event FOR UPDATE;
    END IF;
END //

-- The claimed rows, as an attempt needs them. secrets: those valid now in hex, the newest first; empty: the account has
-- none yet. body: empty if it is too long to be sent.
CREATE OR REPLACE PROCEDURE webhook_claimed_inner(
    IN p_ids LONGTEXT CHARACTER SET utf8mb4,
    IN p_now DATETIME(6)
)
SQL SECURITY DEFINER
READS SQL DATA
COMMENT 'Webhooks, internal: what an attempt needs of the claimed rows'
BEGIN
    SELECT d.id, d.claim, d.account_id, d.task_id, d.url, d.host_key, d.step,
        IF(LENGTH(d.body) <= 1048576, d.body, NULL) AS body,
        (SELECT GROUP_CONCAT(HEX(s.sealed) ORDER BY s.id DESC) FROM webhook_secret s
            WHERE s.account_id = d.account_id AND (s.expires_at IS NULL OR s.expires_at > p_now)) AS secrets
    FROM JSON_TABLE(p_ids, '$[*]' COLUMNS (id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin PATH '$')) j
        STRAIGHT_JOIN webhook_delivery d FORCE INDEX (PRIMARY) ON d.id = j.id;
END //

-- p_hosts, p_accounts: host_keys and accounts, with commas between, whose rows are left alone for now; '' for none. First
-- candidates are read from the index alone and without locks, as there may be very many rows to pass over; then they are
-- locked by their primary key, as everybody else does it (locking them in the order of the other index would wait for
-- rows that somebody holds by their key, and deadlock with him). Some may be taken by others meanwhile.
-- FORCE INDEX (PRIMARY), here and below: a small table would rather be scanned, which locks all of it.
CREATE OR REPLACE PROCEDURE webhook_claim(
    IN p_limit INT UNSIGNED,
    IN p_lease_s INT UNSIGNED,
    IN p_hosts TEXT CHARACTER SET ascii COLLATE ascii_bin,
    IN p_accounts TEXT CHARACTER SET ascii COLLATE ascii_bin
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Webhooks: claims due rows for a time, the longest due first. How many, seconds, hosts and accounts to leave out'
BEGIN
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);
    DECLARE v_claim CHAR(16) CHARACTER SET ascii COLLATE ascii_bin DEFAULT LOWER(HEX(RANDOM_BYTES(8)));
    DECLARE v_ids LONGTEXT CHARACTER SET utf8mb4;
    DECLARE v_some INT UNSIGNED DEFAULT 4 * p_limit;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    SELECT JSON_ARRAYAGG(q.id) INTO v_ids FROM (
        SELECT d.id FROM (
            SELECT e.id FROM webhook_delivery e FORCE INDEX (state_due_id)
            WHERE e.state = 'pending' AND e.due <= v_now
                AND NOT FIND_IN_SET(e.host_key, p_hosts) AND NOT FIND_IN_SET(e.account_id, p_accounts)
            ORDER BY e.due, e.id LIMIT v_some) c
            STRAIGHT_JOIN webhook_delivery d FORCE INDEX (PRIMARY) ON d.id = c.id
        WHERE d.state = 'pending' AND d.due <= v_now LIMIT p_limit FOR UPDATE SKIP LOCKED) q;
    IF v_ids IS NOT NULL THEN
        UPDATE JSON_TABLE(v_ids, '$[*]' COLUMNS (id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin PATH '$')) j
            STRAIGHT_JOIN webhook_delivery d FORCE INDEX (PRIMARY) ON d.id = j.id
        SET d.claim = v_claim, d.due = v_now + INTERVAL p_lease_s SECOND;
    END IF;
    COMMIT;
    CALL webhook_claimed_inner(COALESCE(v_ids, '[]'), v_now);
END //

CREATE OR REPLACE PROCEDURE webhook_claim_one(
    IN p_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_lease_s INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Webhooks: claims one row for a time, if it is due. Row, seconds'
BEGIN
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);
    DECLARE v_rows INT;

    UPDATE webhook_delivery SET claim = LOWER(HEX(RANDOM_BYTES(8))), due = v_now + INTERVAL p_lease_s SECOND
    WHERE id = p_id AND state = 'pending' AND due <= v_now;
    SET v_rows = ROW_COUNT();
    CALL webhook_claimed_inner(IF(v_rows = 1, JSON_ARRAY(p_id), '[]'), v_now);
END //

-- How attempts ended: [[id, claim, outcome, HTTP status or null, error or null, excerpt or null, delay in ms], ...].
-- Outcomes: delivered; retry (in so many ms); dead; back (no attempt was made: due at once). Whoever lost its claim may
-- still say that a row was delivered, as it was, and nothing else.
CREATE OR REPLACE PROCEDURE webhook_finish(IN p_results LONGTEXT CHARACTER SET utf8mb4)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Webhooks: writes down how attempts ended'
BEGIN
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);

    UPDATE JSON_TABLE(p_results, '$[*]' COLUMNS (
            id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin PATH '$[0]',
            claim CHAR(16) CHARACTER SET ascii COLLATE ascii_bin PATH '$[1]',
            outcome VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin PATH '$[2]',
            status SMALLINT UNSIGNED PATH '$[3]',
            error VARCHAR(255) CHARACTER SET utf8mb4 PATH '$[4]',
            excerpt VARCHAR(1024) CHARACTER SET utf8mb4 PATH '$[5]',
            delay_ms BIGINT UNSIGNED PATH '$[6]')) r
        STRAIGHT_JOIN webhook_delivery d FORCE INDEX (PRIMARY) ON d.id = r.id
    SET d.claim = NULL,
        d.state = CASE r.outcome WHEN 'delivered' THEN 'delivered' WHEN 'dead' THEN 'dead' ELSE 'pending' END,
        d.due = v_now + INTERVAL IF(r.outcome = 'retry', r.delay_ms, 0) * 1000 MICROSECOND,
        d.step = d.step + (r.outcome IN ('retry', 'dead')),
        d.attempts = d.attempts + (r.outcome <> 'back'),
        d.last_status = IF(r.outcome = 'back', d.last_status, r.status),
        d.last_error = IF(r.outcome = 'back', d.last_error, r.error),
        d.response_excerpt = IF(r.outcome = 'back', d.response_excerpt, r.excerpt),
        d.delivered_at = IF(r.outcome = 'delivered', v_now, NULL)
    WHERE d.state = 'pending' AND (r.outcome = 'delivered' OR d.claim = r.claim);
END //

-- Outcomes: queued; under_way: an attempt is being made just now; unknown: the account has no such row.
CREATE OR REPLACE PROCEDURE webhook_redeliver_inner(
    IN p_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_account_id INT UNSIGNED,
    OUT o_outcome VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Webhooks, internal: makes a row due at once, with all its attempts before it'
BEGIN
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);

    UPDATE webhook_delivery SET state = 'pending', due = v_now, claim = NULL, step = 0, delivered_at = NULL
    WHERE id = p_id AND (account_id = p_account_id OR p_account_id IS NULL) AND (claim IS NULL OR due <= v_now);
    SET o_outcome = IF(ROW_COUNT() > 0, 'queued', 'unknown');
    IF o_outcome = 'unknown' THEN
        SELECT 'under_way' INTO o_outcome FROM webhook_delivery
        WHERE id = p_id AND (account_id = p_account_id OR p_account_id IS NULL);
    END IF;
END //

CREATE OR REPLACE PROCEDURE webhook_redeliver(
    IN p_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_account_id INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Webhooks: makes a row of an account due at once, whatever became of it'
BEGIN
    DECLARE v_outcome VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin;

    CALL webhook_redeliver_inner(p_id, COALESCE(p_account_id, 0), v_outcome);
    SELECT v_outcome AS outcome;
END //

-- --- Secrets. The account's row is locked first, so that one account has one present secret. ---------------------

CREATE OR REPLACE PROCEDURE webhook_secret_valid_inner(IN p_account_id INT UNSIGNED)
SQL SECURITY DEFINER
READS SQL DATA
COMMENT 'Webhooks, internal: the valid secrets of an account, the newest first'
BEGIN
    SELECT id, HEX(sealed) AS sealed, last4,
        CONCAT(LEFT(DATE_FORMAT(created_at, '%Y-%m-%dT%H:%i:%s.%f'), 23), 'Z') AS created_at,
        CONCAT(LEFT(DATE_FORMAT(expires_at, '%Y-%m-%dT%H:%i:%s.%f'), 23), 'Z') AS expires_at
    FROM webhook_secret
    WHERE account_id = p_account_id AND (expires_at IS NULL OR expires_at > UTC_TIMESTAMP(6)) ORDER BY id DESC;
END //

CREATE OR REPLACE PROCEDURE webhook_secret_first(
    IN p_account_id INT UNSIGNED,
    IN p_sealed VARBINARY(128),
    IN p_last4 CHAR(4) CHARACTER SET ascii COLLATE ascii_bin
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Webhooks: keeps this secret if the account has none yet; answers the valid ones'
BEGIN
    DECLARE v_id INT UNSIGNED;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    SELECT id INTO v_id FROM account WHERE id = p_account_id FOR UPDATE;
    INSERT INTO webhook_secret (account_id, sealed, last4, created_at)
    SELECT v_id, p_sealed, p_last4, UTC_TIMESTAMP(6)
    WHERE v_id IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM webhook_secret w WHERE w.account_id = v_id AND w.expires_at IS NULL);
    COMMIT;
    CALL webhook_secret_valid_inner(p_account_id);
END //

-- The one before stays valid for p_overlap_h hours, any older one ends now: at most two are valid. A repetition (the same
-- sealed text) changes nothing.
CREATE OR REPLACE PROCEDURE webhook_secret_rotate(
    IN p_account_id INT UNSIGNED,
    IN p_sealed VARBINARY(128),
    IN p_last4 CHAR(4) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_overlap_h SMALLINT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Webhooks: a new secret for an account; the one before stays valid for so many hours'
BEGIN
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);
    DECLARE v_id INT UNSIGNED;
    DECLARE v_found BOOLEAN;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    SELECT id INTO v_id FROM account WHERE id = p_account_id FOR UPDATE;
    SELECT EXISTS (SELECT 1 FROM webhook_secret w
        WHERE w.account_id = v_id AND w.expires_at IS NULL AND w.sealed = p_sealed) INTO v_found;
    IF v_found THEN
        SET v_id = NULL;
    END IF;
    UPDATE webhook_secret
    SET expires_at = IF(expires_at IS NULL, v_now + INTERVAL COALESCE(p_overlap_h, 0) HOUR, v_now)
    WHERE account_id = v_id AND (expires_at IS NULL OR expires_at > v_now);
    INSERT INTO webhook_secret (account_id, sealed, last4, created_at)
    SELECT v_id, p_sealed, p_last4, v_now WHERE v_id IS NOT NULL;
    COMMIT;
    CALL webhook_secret_valid_inner(p_account_id);
END //

-- --- Housekeeping and the operator ------------------------------------------------------------------------------

CREATE OR REPLACE PROCEDURE webhook_drop_inner(
    IN p_state VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_days INT UNSIGNED,
    OUT o_deleted BIGINT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Webhooks, internal: deletes rows that ended more than so many days ago, in small transactions'
BEGIN
    DECLARE v_before DATETIME(6) DEFAULT UTC_TIMESTAMP(6) - INTERVAL p_days DAY;
    DECLARE v_rows BIGINT UNSIGNED DEFAULT 0;

    SET o_deleted = 0;
    REPEAT
        DELETE FROM webhook_delivery WHERE state = p_state AND due < v_before AND state <> 'pending' LIMIT 500;
        SET v_rows = ROW_COUNT(), o_deleted = o_deleted + v_rows;
    UNTIL v_rows < 500 END REPEAT;
END //

CREATE OR REPLACE PROCEDURE webhook_purge(
    IN p_delivered_days INT UNSIGNED,
    IN p_dead_days INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Cron: deletes webhooks that were delivered or given up more than so many days ago (at least 7), old secrets'
BEGIN
    DECLARE v_delivered, v_dead BIGINT UNSIGNED;

    IF LEAST(COALESCE(p_delivered_days, 0), COALESCE(p_dead_days, 0)) < 7 THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'Webhooks must be kept for 7 days or more.';
    END IF;
    CALL webhook_drop_inner('delivered', p_delivered_days, v_delivered);
    CALL webhook_drop_inner('dead', p_dead_days, v_dead);
    DELETE FROM webhook_secret WHERE expires_at < UTC_TIMESTAMP(6) - INTERVAL 1 DAY;
    SELECT v_delivered AS delivered, v_dead AS dead;
END //

CREATE OR REPLACE PROCEDURE redeliver_webhook(
    IN p_delivery_id VARCHAR(64) CHARACTER SET ascii
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Operator: sends a webhook once more, whatever became of it. Number of the delivery (whd_...)'
BEGIN
    DECLARE v_outcome VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin;

    CALL webhook_redeliver_inner(p_delivery_id, NULL, v_outcome);
    IF v_outcome = 'unknown' THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'There is no such delivery; the numbers are in webhook_delivery.';
    END IF;
    SELECT d.id, a.email, d.url, d.state, v_outcome AS outcome
    FROM webhook_delivery d JOIN account a ON a.id = d.account_id WHERE d.id = p_delivery_id COLLATE ascii_bin;
END //

CREATE OR REPLACE PROCEDURE redeliver_dead_webhooks(
    IN p_email VARCHAR(254) CHARACTER SET utf8mb4,
    IN p_since DATETIME
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Operator: sends all webhooks of an account again that were given up since a time (UTC). E-mail, time'
BEGIN
    DECLARE v_account_id INT UNSIGNED;
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);
    DECLARE v_rows, v_queued BIGINT UNSIGNED DEFAULT 0;

    CALL account_find_inner(p_email, v_account_id);
    IF p_since IS NULL OR p_since > v_now THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT =
            'Say since when, as a time in UTC in the past: ''2026-11-23 10:00:00''.';
    END IF;
    REPEAT
        UPDATE webhook_delivery SET state = 'pending', due = v_now, claim = NULL, step = 0
        WHERE account_id = v_account_id AND state = 'dead' AND due >= p_since LIMIT 500;
        SET v_rows = ROW_COUNT(), v_queued = v_queued + v_rows;
    UNTIL v_rows < 500 END REPEAT;
    SELECT v_queued AS queued;
END //

CREATE OR REPLACE PROCEDURE drop_dead_webhooks(
    IN p_days INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Operator: deletes webhooks that were given up more than so many days ago (at least 1)'
BEGIN
    DECLARE v_deleted BIGINT UNSIGNED;

    IF COALESCE(p_days, 0) < 1 THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'Webhooks that were given up must be kept for a day or more.';
    END IF;
    CALL webhook_drop_inner('dead', p_days, v_deleted);
    SELECT v_deleted AS deleted;
END //

DELIMITER ;
