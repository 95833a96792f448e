-- SPDX-License-Identifier: Apache-2.0
DELIMITER //

-- The key is made and hashed in variables only: a statement with the key in it would end up in a binary log.
CREATE OR REPLACE PROCEDURE key_add_inner(
    IN p_account_id INT UNSIGNED,
    IN p_member_id INT UNSIGNED,
    IN p_name VARCHAR(120) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    OUT o_key_id INT UNSIGNED,
    OUT o_key CHAR(55) CHARACTER SET ascii COLLATE ascii_bin
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Internal: makes an API key'
BEGIN
    DECLARE v_hash BINARY(32);
    DECLARE v_prefix CHAR(11) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_last4 CHAR(4) CHARACTER SET ascii COLLATE ascii_bin;

    SET o_key = CONCAT('sk-aig-', LOWER(HEX(RANDOM_BYTES(24))));
    SET v_hash = UNHEX(SHA2(o_key, 256)), v_prefix = LEFT(o_key, 11), v_last4 = RIGHT(o_key, 4);
    INSERT INTO api_key (account_id, member_id, name, key_hash, key_prefix, key_last4)
    VALUES (p_account_id, p_member_id, COALESCE(p_name, ''), v_hash, v_prefix, v_last4);
    SET o_key_id = LAST_INSERT_ID();
END //

CREATE OR REPLACE PROCEDURE create_key(
    IN p_email VARCHAR(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    IN p_name VARCHAR(120) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Operator: makes an API key and shows it, this once. E-mail of the account, name of the key'
BEGIN
    DECLARE v_account_id, v_key_id INT UNSIGNED;
    DECLARE v_key CHAR(55) CHARACTER SET ascii COLLATE ascii_bin;

    CALL account_find_inner(p_email, v_account_id);
    CALL key_add_inner(v_account_id, NULL, p_name, v_key_id, v_key);
    SELECT v_key_id AS key_id, v_key AS api_key, 'Copy it now: only its hash is stored.' AS note;
END //

CREATE OR REPLACE PROCEDURE key_enable_inner(
    IN p_id INT UNSIGNED,
    IN p_enabled TINYINT
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Internal: enables or disables a key'
BEGIN
    DECLARE v_message VARCHAR(400) CHARACTER SET utf8mb4;

    IF NOT EXISTS (SELECT 1 FROM api_key WHERE id = p_id) THEN
        SET v_message = CONCAT('There is no key ', COALESCE(p_id, 'NULL'), '; v_key lists them.');
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = v_message;
    END IF;
    UPDATE api_key SET enabled = p_enabled WHERE id = p_id;
    SELECT id AS key_id, name, CONCAT(key_prefix, '...', key_last4) AS api_key, enabled FROM api_key WHERE id = p_id;
END //

CREATE OR REPLACE PROCEDURE disable_key(
    IN p_id INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Operator: refuses new calls with a key. Number of the key, as in v_key'
BEGIN
    CALL key_enable_inner(p_id, 0);
END //

CREATE OR REPLACE PROCEDURE enable_key(
    IN p_id INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Operator: lets a disabled key call again. Number of the key, as in v_key'
BEGIN
    CALL key_enable_inner(p_id, 1);
END //

DELIMITER ;
