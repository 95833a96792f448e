-- SPDX-License-Identifier: Apache-2.0
-- Media jobs. A job is open until it is known how it ended at the provider; its hold stays open as long. Whoever learns
-- of the end (callback, poll, the request itself) calls job_finish; the first one decides, the others change nothing.
-- Order of locks: the job, then as in the ledger (hold, new rows, key, member, team, account).
DELIMITER //

-- Holds the price of a job and notes the job, or says why not (the row of ledger_authorize). outcome is `known` when another
-- attempt (p_nonce) of the same request has done that: it is that one's to send it to the provider.
-- p_quantity_milli: thousandths of p_unit. The hold lives for p_ttl_s, longer than any job; p_look_s: when poll-jobs
-- looks at it first if nobody has said by then that the provider has it.
CREATE OR REPLACE PROCEDURE job_create(
    IN p_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_request_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_nonce BIGINT UNSIGNED,
    IN p_key_hash BINARY(32),
    IN p_model_id INT UNSIGNED,
    IN p_price_model_id INT UNSIGNED,
    IN p_unit VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_variant VARCHAR(120) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_quantity_milli BIGINT UNSIGNED,
    IN p_metered TINYINT,
    IN p_provider VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_api VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_shape VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_upstream_model VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_param VARCHAR(1000) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_callback_url VARCHAR(2048) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    IN p_ttl_s INT UNSIGNED,
    IN p_look_s INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Jobs: holds the price of a job and notes it, or says which limit it would break'
make: BEGIN
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);
    DECLARE v_outcome VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_scope VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_key_id, v_account_id, v_price_id INT UNSIGNED;
    DECLARE v_hold_usd, v_limit_usd, v_spent_usd, v_held_usd, v_need_usd DECIMAL(18,9);
    DECLARE v_output_limit, v_fit_tokens, v_nonce BIGINT UNSIGNED;
    DECLARE v_resets_at DATETIME;
    DECLARE v_markup DECIMAL(6,4);
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    SELECT nonce INTO v_nonce FROM job WHERE id = p_id;
    IF v_nonce <> p_nonce THEN
        COMMIT;
        SELECT 'known' AS outcome;
        LEAVE make;
    END IF;
    CALL ledger_authorize_inner(p_request_id, p_key_hash, p_model_id, p_price_model_id, p_unit, p_variant,
        p_quantity_milli, p_quantity_milli, 0, 0, 1, p_ttl_s, NULL, NULL,
        v_outcome, v_scope, v_key_id, v_account_id, v_hold_usd, v_output_limit, v_limit_usd, v_spent_usd,
        v_held_usd, v_need_usd, v_fit_tokens, v_resets_at, v_markup, v_price_id);
    IF v_outcome = 'held' THEN
        INSERT INTO job (id, request_id, nonce, owner_id, account_id, key_id, model_id, provider, api, shape, upstream_model,
            param, quantity, metered, callback_url, created_at, updated_at, due)
        SELECT p_id, p_request_id, p_nonce, k.account_id, v_account_id, v_key_id, p_model_id, p_provider, p_api, p_shape,
            p_upstream_model, p_param, p_quantity_milli * 0.001, p_metered, p_callback_url, v_now, v_now,
            v_now + INTERVAL p_look_s SECOND
        FROM api_key k WHERE k.id = v_key_id
        ON DUPLICATE KEY UPDATE id = job.id;
        SELECT IF(nonce = p_nonce, v_outcome, 'known') INTO v_outcome FROM job WHERE id = p_id;
    END IF;
    COMMIT;
    SELECT v_outcome AS outcome, v_scope AS scope, v_key_id AS key_id, v_account_id AS account_id,
        v_hold_usd AS hold_usd, v_output_limit AS output_limit, v_limit_usd AS limit_usd, v_spent_usd AS spent_usd,
        v_held_usd AS held_usd, v_need_usd AS need_usd, v_fit_tokens AS fit_tokens, v_resets_at AS resets_at,
        v_markup AS markup, v_price_id AS price_id;
END //

-- The provider has the job under p_upstream_id. outcome: started; replayed: known before; ended: the job has ended
-- meanwhile; taken: that task belongs to another job, or this job has another task.
CREATE OR REPLACE PROCEDURE job_started(
    IN p_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_upstream_id VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_look_s INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Jobs: the provider has confirmed a job and named its own task id'
BEGIN
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);
    DECLARE v_outcome VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin DEFAULT 'started';
    DECLARE CONTINUE HANDLER FOR 1062 SET v_outcome = 'taken';

    UPDATE job SET upstream_id = p_upstream_id, state = 'waiting', updated_at = v_now,
        due = v_now + INTERVAL p_look_s SECOND
    WHERE id = p_id AND upstream_id IS NULL AND completed_at IS NULL;
    IF ROW_COUNT() = 0 AND v_outcome = 'started' THEN
        SELECT CASE WHEN upstream_id = p_upstream_id THEN 'replayed' WHEN completed_at IS NOT NULL THEN 'ended'
            ELSE 'taken' END
        INTO v_outcome FROM job WHERE id = p_id;
    END IF;
    SELECT v_outcome AS outcome;
END //

-- The provider is still at it. Never goes back, never touches a job that has ended.
CREATE OR REPLACE PROCEDURE job_progress(
    IN p_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_state VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Jobs: notes how far an open job is (waiting, queuing, generating)'
BEGIN
    UPDATE job SET state = p_state, updated_at = UTC_TIMESTAMP(6)
    WHERE id = p_id AND completed_at IS NULL AND p_state IN ('waiting', 'queuing', 'generating')
        AND FIELD(state, 'creating', 'waiting', 'queuing', 'generating')
            < FIELD(p_state, 'creating', 'waiting', 'queuing', 'generating');
    SELECT ROW_COUNT() AS changed;
END //

-- Takes note of the time in a callback, which must be newer than any before: otherwise it is a repeated one. Whatever
-- becomes of this callback, poll-jobs looks at the job soon.
CREATE OR REPLACE PROCEDURE job_callback(
    IN p_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_ts BIGINT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Jobs: lets a callback of the provider in once'
BEGIN
    UPDATE job SET callback_ts = p_ts, due = IF(completed_at IS NULL, UTC_TIMESTAMP(6), NULL)
    WHERE id = p_id AND callback_ts < p_ts;
    SELECT IF(ROW_COUNT() = 1, 'accepted', 'repeated') AS outcome;
END //

-- Up to p_limit jobs that are due, for whoever calls: each becomes due again by itself, the later the older it is (a
-- quarter of its age, 5 s to 15 min), so that a process that dies loses nothing.
CREATE OR REPLACE PROCEDURE job_claim(
    IN p_limit INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Cron: gives out jobs that are due to be looked at'
BEGIN
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);
    DECLARE v_ids LONGTEXT CHARACTER SET ascii COLLATE ascii_bin DEFAULT '[]';
    DECLARE v_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_end BOOLEAN DEFAULT FALSE;
    DECLARE due_jobs CURSOR FOR
        SELECT id FROM job WHERE due <= v_now ORDER BY due LIMIT p_limit FOR UPDATE SKIP LOCKED;
    DECLARE CONTINUE HANDLER FOR NOT FOUND SET v_end = TRUE;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    OPEN due_jobs;
    claim: LOOP
        FETCH due_jobs INTO v_id;
        IF v_end THEN
            LEAVE claim;
        END IF;
        UPDATE job SET due = v_now
            + INTERVAL LEAST(900, GREATEST(5, TIMESTAMPDIFF(SECOND, created_at, v_now) DIV 4)) SECOND
        WHERE id = v_id AND due <= v_now;
        IF ROW_COUNT() = 1 THEN
            SET v_ids = JSON_ARRAY_APPEND(v_ids, '$', v_id);
        END IF;
    END LOOP;
    CLOSE due_jobs;
    COMMIT;
    SELECT j.id, m.name, j.provider, j.api, j.shape, j.upstream_id, j.state, j.param, j.callback_url, j.result,
        j.fail_code, j.fail_msg, j.charge_usd, TIMESTAMPDIFF(MICROSECOND, '1970-01-01', j.created_at) DIV 1000,
        TIMESTAMPDIFF(MICROSECOND, '1970-01-01', j.updated_at) DIV 1000,
        TIMESTAMPDIFF(MICROSECOND, '1970-01-01', j.completed_at) DIV 1000,
        TIMESTAMPDIFF(SECOND, j.created_at, v_now) AS age_s
    FROM JSON_TABLE(v_ids, '$[*]' COLUMNS (id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin PATH '$')) s
        STRAIGHT_JOIN job j ON j.id = s.id
        STRAIGHT_JOIN model m ON m.id = j.model_id;
END //

-- Ends a job: charges it (p_ok) or drops its hold, and puts the customer's webhook in line, all in one transaction.
-- p_upstream_id   the provider's task that the news is about (NULL: none was ever known); another one: nothing happens
-- p_took          units that the provider says it took; NULL: it does not say. Counts for metered jobs
-- p_cost          what the provider says it cost, in credits of p_cost_rate US dollars each; NULL: it does not say.
--                 Without p_took a metered job took as many units as that buys
-- p_body          body of the webhook, "@charge" in it becomes the charge; NULL: there is nobody to tell
-- outcome: finished; replayed: it had ended before; changed: not about this job's task; unknown_job
CREATE OR REPLACE PROCEDURE job_finish(
    IN p_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_upstream_id VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_ok TINYINT,
    IN p_result MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    IN p_fail_code VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_fail_msg VARCHAR(500) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    IN p_status VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_http_status SMALLINT UNSIGNED,
    IN p_took DECIMAL(18,9),
    IN p_cost DECIMAL(27,15),
    IN p_cost_rate DECIMAL(18,9),
    IN p_body MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    IN p_event VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Jobs: ends a job once: charge or release, and the webhook to the customer'
finish: BEGIN
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);
    DECLARE v_request_id, v_delivery CHAR(30) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_outcome, v_state VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_provider VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_upstream_model, v_upstream_id VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_url VARCHAR(2048) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
    DECLARE v_account_id, v_owner_id INT UNSIGNED;
    DECLARE v_quantity DECIMAL(12,3);
    DECLARE v_charge, v_absorbed, v_hold, v_unit_usd DECIMAL(18,9);
    DECLARE v_cost_usd DECIMAL(38,15) DEFAULT LEAST(p_cost * p_cost_rate, 999999999);
    DECLARE v_metered BOOLEAN;
    DECLARE v_duration_ms BIGINT UNSIGNED;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    SELECT request_id, state, provider, upstream_model, upstream_id, callback_url, account_id, owner_id, quantity, metered,
        charge_usd, LEAST(4294967295, TIMESTAMPDIFF(MICROSECOND, created_at, v_now) DIV 1000)
    INTO v_request_id, v_state, v_provider, v_upstream_model, v_upstream_id, v_url, v_account_id, v_owner_id, v_quantity,
        v_metered, v_charge, v_duration_ms
    FROM job WHERE id = p_id FOR UPDATE;
    IF v_state IS NULL OR v_state IN ('success', 'fail') OR NOT (v_upstream_id <=> p_upstream_id) THEN
        COMMIT;
        SELECT CASE WHEN v_state IS NULL THEN 'unknown_job' WHEN v_state IN ('success', 'fail') THEN 'replayed'
            ELSE 'changed' END AS outcome, v_charge AS charge_usd, NULL AS delivery_id;
        LEAVE finish;
    END IF;

    IF p_ok THEN
        IF v_metered AND p_took IS NOT NULL THEN
            SET v_quantity = LEAST(CEILING(p_took * 1000) * 0.001, 999999999);
        ELSEIF v_metered AND v_cost_usd IS NOT NULL THEN
            -- Upwards, so that what was taken is never sold for less than it cost.
            SELECT p.unit_usd INTO v_unit_usd FROM hold h JOIN price p ON p.id = h.price_id WHERE h.id = v_request_id;
            SET v_quantity = IF(v_unit_usd > 0, LEAST(CEILING(v_cost_usd / v_unit_usd * 1000) * 0.001, 999999999), v_quantity);
        END IF;
        CALL ledger_settle_inner(v_request_id, 0, 0, 0, 0, 0, 0, v_quantity, NULL, FALSE, 'ok', v_provider,
            v_upstream_model, NULL, FALSE, 200, NULL, v_duration_ms, NULL, NULL, NULL, NULL, NULL,
            v_outcome, v_charge, v_absorbed, v_hold, v_account_id);
        SET v_charge = COALESCE(v_charge, 0);
    ELSE
        CALL ledger_release_inner(v_request_id, p_status, v_provider, p_http_status, NULL, v_duration_ms, v_outcome);
        SET v_charge = 0;
    END IF;
    UPDATE job SET state = IF(p_ok, 'success', 'fail'), result = IF(p_ok, p_result, NULL),
        fail_code = IF(p_ok, '', COALESCE(p_fail_code, '')), fail_msg = IF(p_ok, '', COALESCE(p_fail_msg, '')),
        charge_usd = v_charge, upstream_cost_usd = ROUND(v_cost_usd, 9),
        updated_at = v_now, completed_at = v_now, due = NULL
    WHERE id = p_id;
    IF p_body IS NOT NULL THEN
        -- Of whoever called: he sees it and has its secret, also where a team pays.
        CALL webhook_enqueue_inner(v_owner_id, p_event, p_id, v_url,
            REPLACE(p_body, '"@charge"', TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM v_charge))), v_delivery);
    END IF;
    COMMIT;
    SELECT 'finished' AS outcome, v_charge AS charge_usd, v_delivery AS delivery_id;
END //

-- Deletes jobs that ended more than p_days days ago, in small transactions.
CREATE OR REPLACE PROCEDURE job_purge(
    IN p_days INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Cron: deletes jobs that ended more than so many days ago (at least 30)'
BEGIN
    DECLARE v_before DATETIME(6);
    DECLARE v_rows, v_deleted BIGINT UNSIGNED DEFAULT 0;

    IF COALESCE(p_days, 0) < 30 THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'Jobs that have ended must be kept for 30 days or more.';
    END IF;
    SET v_before = UTC_TIMESTAMP(6) - INTERVAL p_days DAY;
    REPEAT
        DELETE FROM job WHERE completed_at < v_before LIMIT 500;
        SET v_rows = ROW_COUNT(), v_deleted = v_deleted + v_rows;
    UNTIL v_rows < 500 END REPEAT;
    SELECT v_deleted AS deleted;
END //

DELIMITER ;
