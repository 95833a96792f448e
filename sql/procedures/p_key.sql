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
    IN p_email VARCHAR(254) CHARACTER SET utf8mb4,
    IN p_name VARCHAR(120) CHARACTER SET utf8mb4
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
    DECLARE v_id INT UNSIGNED;
    DECLARE v_deleted_at DATETIME(6);
    DECLARE v_message VARCHAR(400) CHARACTER SET utf8mb4;

    SELECT id, deleted_at INTO v_id, v_deleted_at FROM api_key WHERE id = p_id;
    IF v_id IS NULL THEN
        SET v_message = CONCAT('There is no key ', COALESCE(p_id, 'NULL'), '; v_key lists them.');
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = v_message;
    ELSEIF p_enabled AND v_deleted_at IS NOT NULL THEN
        SET v_message = CONCAT('Key ', p_id, ' was deleted by its owner and stays refused; make a new one.');
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = v_message;
    END IF;
    UPDATE api_key SET enabled = p_enabled WHERE id = p_id;
    SELECT id AS key_id, name, CONCAT(key_prefix, '...', key_last4) AS api_key, enabled FROM api_key WHERE id = p_id;
END //

CREATE OR REPLACE PROCEDURE disable_key(
    IN p_key_id INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Operator: refuses new calls with a key. Number of the key, as in v_key'
BEGIN
    CALL key_enable_inner(p_key_id, 0);
END //

CREATE OR REPLACE PROCEDURE enable_key(
    IN p_key_id INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Operator: lets a disabled key call again. Number of the key, as in v_key'
BEGIN
    CALL key_enable_inner(p_key_id, 1);
END //

-- Replaces the list of models of a key. p_models: a JSON array of names or aliases; NULL: every model. o_unknown is
-- the first name that is none; then nothing has changed. A list that no longer counts stays, for a call that has just
-- read that it does.
CREATE OR REPLACE PROCEDURE key_models_inner(
    IN p_key_id INT UNSIGNED,
    IN p_models TEXT CHARACTER SET utf8mb4,
    OUT o_unknown VARCHAR(96) CHARACTER SET utf8mb4
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Internal: replaces the list of models that a key may call'
BEGIN
    DECLARE v_id INT UNSIGNED;

    SELECT id INTO v_id FROM api_key WHERE id = p_key_id FOR UPDATE;
    SELECT j.name INTO o_unknown
    FROM JSON_TABLE(COALESCE(p_models, '[]'), '$[*]' COLUMNS (
            n FOR ORDINALITY, name VARCHAR(96) CHARACTER SET utf8mb4 PATH '$')) j
        LEFT JOIN model m ON m.name = CONVERT(j.name USING ascii)
        LEFT JOIN model_alias a ON a.alias = CONVERT(j.name USING ascii)
    WHERE m.id IS NULL AND a.model_id IS NULL
    ORDER BY j.n LIMIT 1;
    IF o_unknown IS NULL AND p_models IS NOT NULL THEN
        DELETE FROM api_key_model WHERE key_id = p_key_id;
        INSERT INTO api_key_model (key_id, model_id)
        SELECT DISTINCT p_key_id, COALESCE(m.id, a.model_id)
        FROM JSON_TABLE(COALESCE(p_models, '[]'), '$[*]' COLUMNS (
                name VARCHAR(96) CHARACTER SET utf8mb4 PATH '$')) j
            LEFT JOIN model m ON m.name = CONVERT(j.name USING ascii)
            LEFT JOIN model_alias a ON a.alias = CONVERT(j.name USING ascii);
    END IF;
    IF o_unknown IS NULL THEN
        UPDATE api_key SET models_limited = p_models IS NOT NULL WHERE id = p_key_id;
    END IF;
END //

CREATE OR REPLACE PROCEDURE set_key_models(
    IN p_key_id INT UNSIGNED,
    IN p_models TEXT CHARACTER SET utf8mb4
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Operator: models that a key may call. Number of the key, names with commas between them; NULL: every model'
BEGIN
    DECLARE v_id INT UNSIGNED;
    DECLARE v_unknown VARCHAR(96) CHARACTER SET utf8mb4;
    DECLARE v_message VARCHAR(400) CHARACTER SET utf8mb4;
    DECLARE v_json TEXT CHARACTER SET utf8mb4;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SELECT id INTO v_id FROM api_key WHERE id = p_key_id;
    IF v_id IS NULL THEN
        SET v_message = CONCAT('There is no key ', COALESCE(p_key_id, 'NULL'), '; v_key lists them.');
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = v_message;
    ELSEIF TRIM(p_models) = '' THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT =
            'Name the models with commas between them; NULL lets the key call every model.';
    END IF;
    SET v_json = CONCAT('[', REGEXP_REPLACE(JSON_QUOTE(TRIM(p_models)), '[[:space:]]*,[[:space:]]*', '","'), ']');
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    CALL key_models_inner(p_key_id, v_json, v_unknown);
    IF v_unknown IS NOT NULL THEN
        SET v_message = CONCAT('There is no model ', v_unknown, '; table model has those that there are.');
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = v_message;
    END IF;
    COMMIT;
    SELECT k.id AS key_id, k.name, IF(k.models_limited, (SELECT GROUP_CONCAT(m.name ORDER BY m.name SEPARATOR ', ')
        FROM api_key_model x JOIN model m ON m.id = x.model_id WHERE x.key_id = k.id), 'every model') AS models
    FROM api_key k WHERE k.id = p_key_id;
END //

DELIMITER ;
