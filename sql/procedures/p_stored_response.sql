-- SPDX-License-Identifier: Apache-2.0
DELIMITER //

-- Who a key stands for: the account that pays and the account that owns the key.
CREATE OR REPLACE PROCEDURE stored_scope_inner(
    IN p_key_id INT UNSIGNED,
    OUT o_account_id INT UNSIGNED,
    OUT o_owner_id INT UNSIGNED
)
SQL SECURITY DEFINER
READS SQL DATA
COMMENT 'Internal: whose stored responses a key may use'
BEGIN
    SELECT COALESCE(t.account_id, k.account_id), k.account_id INTO o_account_id, o_owner_id
    FROM api_key k LEFT JOIN team_member m ON m.id = k.member_id LEFT JOIN team t ON t.id = m.team_id
    WHERE k.id = p_key_id;
END //

-- Keeps a response. Repeating it changes nothing. If the previous response has been deleted meanwhile, the chain is
-- broken, which its readers notice.
CREATE OR REPLACE PROCEDURE stored_response_put(
    IN p_id CHAR(31) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_key_id INT UNSIGNED,
    IN p_previous_id CHAR(31) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_days SMALLINT UNSIGNED,
    IN p_sealed MEDIUMBLOB,
    IN p_item_ids MEDIUMTEXT CHARACTER SET utf8mb4
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Program: keeps a response for so many days; p_item_ids is a JSON array of the ids of its output items'
BEGIN
    DECLARE v_account_id, v_owner_id INT UNSIGNED;
    DECLARE v_depth SMALLINT UNSIGNED DEFAULT 0;
    DECLARE v_bytes INT UNSIGNED DEFAULT 0;
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    CALL stored_scope_inner(p_key_id, v_account_id, v_owner_id);
    IF v_owner_id IS NULL THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'stored_response_put: there is no such key';
    END IF;
    SELECT COALESCE(MAX(depth), 0), COALESCE(MAX(chain_bytes), 0) INTO v_depth, v_bytes
    FROM stored_response
    WHERE id = p_previous_id AND account_id = v_account_id AND owner_id = v_owner_id AND expires_at > v_now;
    INSERT INTO stored_response (id, account_id, owner_id, previous_id, depth, chain_bytes, created_at, expires_at,
        sealed)
    VALUES (p_id, v_account_id, v_owner_id, p_previous_id, v_depth + 1, v_bytes + LENGTH(p_sealed), v_now,
        v_now + INTERVAL p_days DAY, p_sealed)
    ON DUPLICATE KEY UPDATE id = p_id;
    INSERT IGNORE INTO stored_item (response_id, item_id)
    SELECT p_id, j.item_id
    FROM JSON_TABLE(p_item_ids, '$[*]' COLUMNS (item_id VARCHAR(96) CHARACTER SET ascii COLLATE ascii_bin PATH '$')) j
    WHERE j.item_id IS NOT NULL;
    COMMIT;
    SELECT v_depth + 1 AS depth;
END //

-- The responses from one back to the first, newest first. An answer whose last row still names a previous one is
-- not the whole chain: some of it has been deleted.
CREATE OR REPLACE PROCEDURE stored_response_chain(
    IN p_id CHAR(31) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_key_id INT UNSIGNED,
    IN p_max SMALLINT UNSIGNED
)
SQL SECURITY DEFINER
READS SQL DATA
COMMENT 'Program: a stored response and those that it went on from, at most so many'
BEGIN
    DECLARE v_account_id, v_owner_id INT UNSIGNED;
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);

    CALL stored_scope_inner(p_key_id, v_account_id, v_owner_id);
    WITH RECURSIVE chain AS (
        SELECT id, previous_id, 1 AS n FROM stored_response
        WHERE id = p_id AND account_id = v_account_id AND owner_id = v_owner_id AND expires_at > v_now
        UNION ALL
        SELECT r.id, r.previous_id, c.n + 1
        FROM chain c JOIN stored_response r ON r.id = c.previous_id AND r.account_id = v_account_id
            AND r.owner_id = v_owner_id AND r.expires_at > v_now
        WHERE c.n < p_max
    )
    SELECT r.id, r.previous_id, r.depth, r.chain_bytes, TO_BASE64(r.sealed) AS sealed
    FROM chain c JOIN stored_response r ON r.id = c.id
    ORDER BY c.n;
END //

-- The responses that have the items of a JSON array of ids, each once, at most so many of them and 16 MiB.
CREATE OR REPLACE PROCEDURE stored_response_items(
    IN p_item_ids MEDIUMTEXT CHARACTER SET utf8mb4,
    IN p_key_id INT UNSIGNED,
    IN p_max SMALLINT UNSIGNED
)
SQL SECURITY DEFINER
READS SQL DATA
COMMENT 'Program: the stored responses that have the items of these ids'
BEGIN
    DECLARE v_account_id, v_owner_id INT UNSIGNED;
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);

    CALL stored_scope_inner(p_key_id, v_account_id, v_owner_id);
    SELECT r.id, r.previous_id, r.depth, r.chain_bytes, TO_BASE64(r.sealed) AS sealed
    FROM (SELECT s.id, SUM(LENGTH(s.sealed)) OVER (ORDER BY s.id DESC) AS bytes
            FROM (SELECT DISTINCT i.response_id
                    FROM JSON_TABLE(p_item_ids, '$[*]'
                        COLUMNS (item_id VARCHAR(96) CHARACTER SET ascii COLLATE ascii_bin PATH '$')) j
                        JOIN stored_item i ON i.item_id = j.item_id) f
                JOIN stored_response s ON s.id = f.response_id AND s.account_id = v_account_id
                    AND s.owner_id = v_owner_id AND s.expires_at > v_now
            ORDER BY s.id DESC LIMIT p_max) n
        JOIN stored_response r ON r.id = n.id
    WHERE n.bytes <= 16 * 1024 * 1024
    ORDER BY r.id DESC;
END //

CREATE OR REPLACE PROCEDURE stored_response_delete(
    IN p_id CHAR(31) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_key_id INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Program: deletes a stored response of the key''s owner'
BEGIN
    DECLARE v_account_id, v_owner_id INT UNSIGNED;

    CALL stored_scope_inner(p_key_id, v_account_id, v_owner_id);
    DELETE FROM stored_response WHERE id = p_id AND account_id = v_account_id AND owner_id = v_owner_id;
    SELECT ROW_COUNT() AS deleted;
END //

CREATE OR REPLACE PROCEDURE stored_response_purge()
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Cron: deletes stored responses whose time is over'
BEGIN
    DECLARE v_rows, v_deleted BIGINT UNSIGNED DEFAULT 0;

    REPEAT
        DELETE FROM stored_response WHERE expires_at <= UTC_TIMESTAMP(6) LIMIT 200;
        SET v_rows = ROW_COUNT(), v_deleted = v_deleted + v_rows;
    UNTIL v_rows < 200 END REPEAT;
    SELECT v_deleted AS deleted;
END //

DELIMITER ;
