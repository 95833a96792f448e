-- SPDX-License-Identifier: Apache-2.0
DELIMITER //

-- Drops a hold without a charge and leaves a usage row that says why. The hold's row must be locked and open.
CREATE OR REPLACE PROCEDURE ledger_drop_inner(
    IN p_request_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_state VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_status VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_provider VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_http_status SMALLINT UNSIGNED,
    IN p_first_byte_ms INT UNSIGNED,
    IN p_duration_ms INT UNSIGNED,
    IN p_now DATETIME(6)
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Ledger, internal: drops a hold without a charge'
BEGIN
    DECLARE v_key_id, v_member_id, v_team_id, v_account_id INT UNSIGNED;
    DECLARE v_hold DECIMAL(18,9);

    UPDATE hold SET state = p_state, resolved_at = p_now WHERE id = p_request_id;
    SELECT key_id, member_id, team_id, account_id, hold_usd
    INTO v_key_id, v_member_id, v_team_id, v_account_id, v_hold
    FROM hold WHERE id = p_request_id FOR UPDATE;

    INSERT INTO usage_log (request_id, created_at, settled_at, account_id, key_id, member_id, team_id, model_id,
        price_id, markup, status, http_status, provider, hold_usd, first_byte_ms, duration_ms)
    SELECT id, created_at, p_now, account_id, key_id, member_id, team_id, model_id,
        price_id, markup, p_status, p_http_status, COALESCE(p_provider, ''), hold_usd, p_first_byte_ms, p_duration_ms
    FROM hold WHERE id = p_request_id;

    UPDATE api_key SET held_usd = held_usd - v_hold WHERE id = v_key_id;
    IF v_member_id IS NOT NULL THEN
        UPDATE team_member SET held_usd = held_usd - v_hold WHERE id = v_member_id;
        UPDATE team SET held_usd = held_usd - v_hold WHERE id = v_team_id;
    END IF;
    UPDATE account SET held_usd = held_usd - v_hold WHERE id = v_account_id;
END //

CREATE OR REPLACE PROCEDURE ledger_release_inner(
    IN p_request_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_status VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_provider VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_http_status SMALLINT UNSIGNED,
    IN p_first_byte_ms INT UNSIGNED,
    IN p_duration_ms INT UNSIGNED,
    OUT o_outcome VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Ledger, internal: ledger_release without its transaction'
BEGIN
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);
    DECLARE v_state VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_created_at DATETIME(6);

    SELECT state, created_at INTO v_state, v_created_at FROM hold WHERE id = p_request_id FOR UPDATE;
    IF v_state IS NULL THEN
        SET o_outcome = 'unknown_hold';
    ELSEIF v_state = 'settled' THEN
        SET o_outcome = 'settled';
    ELSEIF v_state = 'released' THEN
        SET o_outcome = 'replayed';
    ELSEIF v_state = 'expired' THEN
        -- Nothing is held any more; from now on nothing can be charged, and the usage row says why.
        SET o_outcome = 'replayed';
        UPDATE hold SET state = 'released' WHERE id = p_request_id;
        UPDATE usage_log SET status = p_status, http_status = p_http_status, provider = COALESCE(p_provider, ''),
            first_byte_ms = p_first_byte_ms, duration_ms = p_duration_ms
        WHERE request_id = p_request_id AND created_at = v_created_at;
    ELSE
        SET o_outcome = 'released';
        CALL ledger_drop_inner(p_request_id, 'released', p_status, p_provider, p_http_status, p_first_byte_ms,
            p_duration_ms, v_now);
    END IF;
END //

CREATE OR REPLACE PROCEDURE ledger_release(
    IN p_request_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_status VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_provider VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_http_status SMALLINT UNSIGNED,
    IN p_first_byte_ms INT UNSIGNED,
    IN p_duration_ms INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Ledger: ends a call that failed; drops its hold, charges nothing'
BEGIN
    DECLARE v_outcome VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    CALL ledger_release_inner(p_request_id, p_status, p_provider, p_http_status, p_first_byte_ms, p_duration_ms,
        v_outcome);
    COMMIT;
    SELECT v_outcome AS outcome;
END //

-- A running call says that it lives: its hold expires p_ttl_s seconds from now, never earlier than before.
CREATE OR REPLACE PROCEDURE ledger_renew_inner(
    IN p_request_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_ttl_s INT UNSIGNED,
    OUT o_outcome VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Ledger, internal: ledger_renew without its transaction'
BEGIN
    DECLARE v_state VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin;

    SELECT state INTO v_state FROM hold WHERE id = p_request_id FOR UPDATE;
    IF v_state = 'open' THEN
        UPDATE hold SET expires_at = GREATEST(expires_at, UTC_TIMESTAMP(6) + INTERVAL p_ttl_s SECOND)
        WHERE id = p_request_id;
    END IF;
    SET o_outcome = CASE WHEN v_state IS NULL THEN 'unknown_hold' WHEN v_state = 'open' THEN 'renewed'
        ELSE 'resolved' END;
END //

CREATE OR REPLACE PROCEDURE ledger_renew(
    IN p_request_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_ttl_s INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Ledger: keeps the hold of a running call from expiring'
BEGIN
    DECLARE v_outcome VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    CALL ledger_renew_inner(p_request_id, p_ttl_s, v_outcome);
    COMMIT;
    SELECT v_outcome AS outcome;
END //

-- Drops the hold of a process that died: only if it is open and its time is over.
CREATE OR REPLACE PROCEDURE ledger_expire_inner(
    IN p_request_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin,
    OUT o_outcome VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Ledger, internal: ledger_expire without its transaction'
BEGIN
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);
    DECLARE v_state VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_expires_at DATETIME(6);

    SELECT state, expires_at INTO v_state, v_expires_at FROM hold WHERE id = p_request_id FOR UPDATE;
    IF v_state IS NULL THEN
        SET o_outcome = 'unknown_hold';
    ELSEIF v_state <> 'open' THEN
        SET o_outcome = 'resolved';
    ELSEIF v_expires_at >= v_now THEN
        SET o_outcome = 'live';
    ELSE
        SET o_outcome = 'expired';
        CALL ledger_drop_inner(p_request_id, 'expired', 'expired', NULL, NULL, NULL, NULL, v_now);
    END IF;
END //

CREATE OR REPLACE PROCEDURE ledger_expire(
    IN p_request_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Ledger: drops the hold of a call whose process died, once its time is over'
BEGIN
    DECLARE v_outcome VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    CALL ledger_expire_inner(p_request_id, v_outcome);
    COMMIT;
    SELECT v_outcome AS outcome;
END //

DELIMITER ;
