-- SPDX-License-Identifier: Apache-2.0
DELIMITER //

-- Decides who makes the call that belongs to an Idempotency-Key.
--
-- outcome    run        the caller makes it, under o_request_id
--            done       it was answered: o_http_status, o_answer
--            gone       it was charged (o_request_id), but its answer was not kept
--            in_flight  another request makes it; ask again in o_retry_after_s
--            mismatch   this Idempotency-Key belongs to another call
--            no_key     the API key may not call
--
-- Nothing is charged twice for a key, whatever died or is merely slow, because the hold decides: a row whose lease is
-- over is taken over only together with the end of its call's hold.
--   settled              it was charged and died before its answer was stored: gone, nobody calls again
--   open, or expired     released here and now, so that a late settlement (also one from a spool file) charges nothing
--   released             it was not charged and cannot be
--   of a job             it may be at its provider: the new owner goes on under the same request id and finds it
--   no hold              it may yet get one, so the new owner goes on under the same request id: both have one hold,
--                        which is charged once
-- Order of locks: this row, then those of ledger_release.
CREATE OR REPLACE PROCEDURE idempotency_begin_inner(
    IN p_key_hash BINARY(32),
    IN p_name_hash BINARY(32),
    IN p_fingerprint BINARY(32),
    IN p_owner CHAR(30) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_lease_s INT UNSIGNED,
    IN p_keep_s INT UNSIGNED,
    OUT o_outcome VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin,
    OUT o_key_id INT UNSIGNED,
    OUT o_request_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin,
    OUT o_http_status SMALLINT UNSIGNED,
    OUT o_retry_after_s INT UNSIGNED,
    OUT o_answer MEDIUMBLOB
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Internal: idempotency_begin without its transaction'
turn: BEGIN
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);
    DECLARE v_state VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_owner CHAR(30) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_hold VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_same, v_old, v_leased, v_found BOOLEAN;

    -- As in ledger_authorize: strangers leave no rows behind, and a disabled key gets no stored answers.
    SELECT k.id INTO o_key_id
    FROM api_key k
        JOIN account o ON o.id = k.account_id
        LEFT JOIN team_member m ON m.id = k.member_id
        LEFT JOIN team t ON t.id = m.team_id
        JOIN account a ON a.id = COALESCE(t.account_id, k.account_id)
    WHERE k.key_hash = p_key_hash AND k.enabled AND COALESCE(m.enabled, 1) AND COALESCE(t.enabled, 1) AND o.enabled
        AND a.enabled AND (k.expires_at IS NULL OR k.expires_at > v_now);
    IF o_key_id IS NULL THEN
        SET o_outcome = 'no_key';
        LEAVE turn;
    END IF;

    -- The update of nothing locks a row that is there already.
    INSERT INTO idempotency (key_id, name_hash, fingerprint, owner, request_id, created_at, lease_until, expires_at)
    VALUES (o_key_id, p_name_hash, p_fingerprint, p_owner, p_owner, v_now, v_now + INTERVAL p_lease_s SECOND,
        v_now + INTERVAL p_keep_s SECOND)
    ON DUPLICATE KEY UPDATE key_id = VALUES(key_id);
    SELECT state, owner, request_id, http_status, answer, fingerprint = p_fingerprint, expires_at <= v_now,
        lease_until > v_now,
        GREATEST(1, LEAST(TIMESTAMPDIFF(SECOND, created_at, v_now), TIMESTAMPDIFF(SECOND, v_now, lease_until)))
    INTO v_state, v_owner, o_request_id, o_http_status, o_answer, v_same, v_old, v_leased, o_retry_after_s
    FROM idempotency WHERE key_id = o_key_id AND name_hash = p_name_hash FOR UPDATE;

    IF v_owner = p_owner THEN
        SET o_outcome = 'run';
        LEAVE turn;
    ELSEIF v_state = 'in_flight' AND v_leased THEN
        SET o_outcome = IF(v_same, 'in_flight', 'mismatch');
        LEAVE turn;
    ELSEIF NOT v_old AND NOT v_same THEN
        SET o_outcome = 'mismatch';
        LEAVE turn;
    ELSEIF NOT v_old AND v_state = 'done' THEN
        SET o_outcome = IF(o_answer IS NULL, 'gone', 'done');
        LEAVE turn;
    END IF;

    IF v_state = 'in_flight' THEN
        -- The hold is locked first: a job that is being noted just now has its hold before its row.
        SELECT state INTO v_hold FROM hold WHERE id = o_request_id FOR UPDATE;
        SELECT EXISTS (SELECT 1 FROM job WHERE request_id = o_request_id) INTO v_found;
        IF v_found THEN
            SET v_hold = 'unknown_hold';
        ELSE
            CALL ledger_release_inner(o_request_id, 'expired', NULL, NULL, NULL, NULL, v_hold);
        END IF;
        IF v_hold = 'settled' AND NOT v_old THEN
            UPDATE idempotency SET state = 'done' WHERE key_id = o_key_id AND name_hash = p_name_hash;
            SET o_outcome = 'gone';
            LEAVE turn;
        END IF;
    END IF;
    SET o_outcome = 'run', o_request_id = IF(v_hold = 'unknown_hold' AND NOT v_old, o_request_id, p_owner);
    UPDATE idempotency SET fingerprint = p_fingerprint, state = 'in_flight', owner = p_owner, request_id = o_request_id,
        http_status = NULL, answer = NULL, created_at = v_now, lease_until = v_now + INTERVAL p_lease_s SECOND,
        expires_at = v_now + INTERVAL p_keep_s SECOND
    WHERE key_id = o_key_id AND name_hash = p_name_hash;
END //

-- One row; see idempotency_begin_inner. The answer comes in lines of base64.
CREATE OR REPLACE PROCEDURE idempotency_begin(
    IN p_key_hash BINARY(32),
    IN p_name_hash BINARY(32),
    IN p_fingerprint BINARY(32),
    IN p_owner CHAR(30) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_lease_s INT UNSIGNED,
    IN p_keep_s INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Program: who makes the call of an Idempotency-Key, or what was answered to it'
BEGIN
    DECLARE v_outcome VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_key_id, v_retry_after_s INT UNSIGNED;
    DECLARE v_request_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_http_status SMALLINT UNSIGNED;
    DECLARE v_answer MEDIUMBLOB;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    CALL idempotency_begin_inner(p_key_hash, p_name_hash, p_fingerprint, p_owner, p_lease_s, p_keep_s,
        v_outcome, v_key_id, v_request_id, v_http_status, v_retry_after_s, v_answer);
    COMMIT;
    SELECT v_outcome AS outcome, v_key_id AS key_id, v_request_id AS request_id, v_http_status AS http_status,
        v_retry_after_s AS retry_after_s, IF(v_outcome = 'done', TO_BASE64(v_answer), NULL) AS answer;
END //

-- A running call says that it lives.
CREATE OR REPLACE PROCEDURE idempotency_beat(
    IN p_key_id INT UNSIGNED,
    IN p_name_hash BINARY(32),
    IN p_owner CHAR(30) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_lease_s INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Program: moves the lease of a running call ahead'
BEGIN
    DECLARE v_rows INT;

    UPDATE idempotency SET lease_until = UTC_TIMESTAMP(6) + INTERVAL p_lease_s SECOND
    WHERE key_id = p_key_id AND name_hash = p_name_hash AND owner = p_owner AND state = 'in_flight';
    SET v_rows = ROW_COUNT();
    SELECT IF(v_rows = 1, 'leased', 'lost') AS outcome;
END //

-- The owner's call has ended. p_http_status is that of an answer which a repeat is to get (NULL: none), p_answer that
-- answer (NULL: it is not kept). The hold has the last word:
--   an answer of a call that is or will be charged, or a refusal that came after the call had been let in, is stored
--   a call that was charged stays known, also without an answer that could be given again
--   a call whose hold is still open may yet be charged, from a spool file: the next one with this key makes sure
--   all else was not charged: the key is as new
CREATE OR REPLACE PROCEDURE idempotency_end(
    IN p_key_id INT UNSIGNED,
    IN p_name_hash BINARY(32),
    IN p_owner CHAR(30) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_http_status SMALLINT UNSIGNED,
    IN p_answer MEDIUMBLOB
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Program: the call of an Idempotency-Key has ended; stores its answer, or forgets it'
BEGIN
    DECLARE v_outcome VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin DEFAULT 'lost';
    DECLARE v_state, v_hold VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_request_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_charged BOOLEAN;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    SELECT state, request_id INTO v_state, v_request_id
    FROM idempotency
    WHERE key_id = p_key_id AND name_hash = p_name_hash AND owner = p_owner AND answer IS NULL FOR UPDATE;
    IF v_state IS NOT NULL THEN
        SELECT state INTO v_hold FROM hold WHERE id = v_request_id;
        SET v_charged = COALESCE(v_hold IN ('settled', 'open', 'expired'), FALSE);
        IF p_http_status IS NOT NULL AND IF(p_http_status < 300, v_charged, v_hold IS NOT NULL) THEN
            UPDATE idempotency SET state = 'done', http_status = p_http_status, answer = p_answer
            WHERE key_id = p_key_id AND name_hash = p_name_hash;
            SET v_outcome = 'stored';
        ELSEIF v_hold = 'settled' THEN
            UPDATE idempotency SET state = 'done' WHERE key_id = p_key_id AND name_hash = p_name_hash;
            SET v_outcome = 'gone';
        ELSEIF v_charged THEN
            UPDATE idempotency SET lease_until = UTC_TIMESTAMP(6)
            WHERE key_id = p_key_id AND name_hash = p_name_hash;
            SET v_outcome = 'left';
        ELSE
            DELETE FROM idempotency WHERE key_id = p_key_id AND name_hash = p_name_hash;
            SET v_outcome = 'forgotten';
        END IF;
    END IF;
    COMMIT;
    SELECT v_outcome AS outcome;
END //

-- Deletes rows whose time is over, in small transactions.
CREATE OR REPLACE PROCEDURE idempotency_purge()
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Cron: deletes the Idempotency-Keys whose time is over'
BEGIN
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);
    DECLARE v_rows, v_deleted BIGINT UNSIGNED DEFAULT 0;

    REPEAT
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        START TRANSACTION;
        DELETE FROM idempotency WHERE expires_at <= v_now AND lease_until <= v_now LIMIT 500;
        SET v_rows = ROW_COUNT(), v_deleted = v_deleted + v_rows;
        COMMIT;
    UNTIL v_rows < 500 END REPEAT;
    SELECT v_deleted AS deleted;
END //

DELIMITER ;
