-- SPDX-License-Identifier: Apache-2.0
-- Sessions: a random token in a cookie; its SHA-256 lies here. Opening the same one again changes nothing.
DELIMITER //

CREATE OR REPLACE PROCEDURE session_open_inner(
    IN p_token_hash BINARY(32),
    IN p_account_id INT UNSIGNED,
    IN p_user_agent VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    IN p_network VARCHAR(50) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_life_s INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Internal: opens a session; an account keeps its newest 50'
BEGIN
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);
    DECLARE v_oldest BIGINT UNSIGNED;

    INSERT INTO session (token_hash, account_id, created_at, last_used_at, expires_at, user_agent, network)
    SELECT p_token_hash, p_account_id, v_now, v_now, v_now + INTERVAL p_life_s SECOND, p_user_agent, p_network
    FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM session WHERE token_hash = p_token_hash);
    SELECT id INTO v_oldest FROM session WHERE account_id = p_account_id ORDER BY id DESC LIMIT 1 OFFSET 50;
    IF v_oldest IS NOT NULL THEN
        DELETE FROM session WHERE account_id = p_account_id AND id <= v_oldest;
    END IF;
END //

CREATE OR REPLACE PROCEDURE session_open(
    IN p_token_hash BINARY(32),
    IN p_account_id INT UNSIGNED,
    IN p_user_agent VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    IN p_network VARCHAR(50) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_life_s INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Opens a session. SHA-256 of its token, account, browser, network of the client, seconds that it lives'
BEGIN
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    CALL session_open_inner(p_token_hash, p_account_id, p_user_agent, p_network, p_life_s);
    COMMIT;
    SELECT 'opened' AS outcome;
END //

CREATE OR REPLACE PROCEDURE reset_sessions(
    IN p_email VARCHAR(254) CHARACTER SET utf8mb4
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Operator: signs an account out everywhere. E-mail address'
BEGIN
    DECLARE v_account_id INT UNSIGNED;

    CALL account_find_inner(p_email, v_account_id);
    DELETE FROM session WHERE account_id = v_account_id;
    SELECT v_account_id AS account_id, TRIM(p_email) AS email, ROW_COUNT() AS sessions_ended;
END //

DELIMITER ;
