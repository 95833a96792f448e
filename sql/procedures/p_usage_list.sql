-- SPDX-License-Identifier: Apache-2.0
-- Calls, newest first, for the program. However many there are, one question reads at most p_scan rows of each source
-- (the account, and each key whose calls somebody else pays for).
DELIMITER //

-- Adds the calls of one source that match to usage_pick. o_cut: the last position that was read, if there may be more
-- behind it. A position is the time and the number of a call, as text that sorts like both.
CREATE OR REPLACE PROCEDURE usage_pick_inner(
    IN p_account_id INT UNSIGNED,
    IN p_key_id INT UNSIGNED,
    IN p_from DATETIME(6),
    IN p_to DATETIME(6),
    IN p_before_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_model_id INT UNSIGNED,
    IN p_status VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_text VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    IN p_scan INT UNSIGNED,
    OUT o_cut VARCHAR(60) CHARACTER SET ascii COLLATE ascii_bin
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Internal: calls of an account or a key that match'
BEGIN
    DECLARE v_read INT UNSIGNED;

    CREATE OR REPLACE TEMPORARY TABLE usage_read (
        request_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, created_at DATETIME(6) NOT NULL,
        PRIMARY KEY (request_id, created_at)) ENGINE=MEMORY;
    IF p_key_id IS NULL THEN
        INSERT INTO usage_read SELECT u.request_id, u.created_at FROM usage_log u FORCE INDEX (account_created_at)
        WHERE u.account_id = p_account_id AND u.created_at >= p_from AND u.created_at <= p_to
            AND (u.created_at < p_to OR u.request_id < p_before_id)
        ORDER BY u.created_at DESC, u.request_id DESC LIMIT p_scan;
    ELSE
        INSERT INTO usage_read SELECT u.request_id, u.created_at FROM usage_log u FORCE INDEX (key_created_at)
        WHERE u.key_id = p_key_id AND u.created_at >= p_from AND u.created_at <= p_to
            AND (u.created_at < p_to OR u.request_id < p_before_id)
        ORDER BY u.created_at DESC, u.request_id DESC LIMIT p_scan;
    END IF;
    SELECT COUNT(*), MIN(CONCAT(DATE_FORMAT(created_at, '%Y-%m-%dT%H:%i:%s.%f'), '_', request_id)) INTO v_read, o_cut FROM usage_read;
    IF v_read < p_scan THEN
        SET o_cut = NULL;
    END IF;
    INSERT IGNORE INTO usage_pick
    SELECT r.request_id, r.created_at, CONCAT(DATE_FORMAT(r.created_at, '%Y-%m-%dT%H:%i:%s.%f'), '_', r.request_id)
    FROM usage_read r STRAIGHT_JOIN usage_log u ON u.request_id = r.request_id AND u.created_at = r.created_at
        JOIN model m ON m.id = u.model_id JOIN api_key k ON k.id = u.key_id
    WHERE (p_model_id IS NULL OR u.model_id = p_model_id) AND (p_status IS NULL OR u.status = p_status)
        AND (p_text IS NULL OR LOCATE(p_text, CONCAT_WS(' ', u.request_id, m.name, u.provider, u.upstream_model, k.name)) > 0);
    DROP TEMPORARY TABLE usage_read;
END //

-- Without p_key_id: the calls that the account pays for and those of its own keys of other payers' teams. With it:
-- those of a key that it owns, pays for or administers. The first row has only cut: where reading stopped, if it did.
CREATE OR REPLACE PROCEDURE usage_list(
    IN p_actor_id INT UNSIGNED,
    IN p_key_id INT UNSIGNED,
    IN p_from DATETIME(6),
    IN p_to DATETIME(6),
    IN p_before_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_model_id INT UNSIGNED,
    IN p_status VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_text VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    IN p_rows INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'API: calls of an account or a key, newest first, at most p_rows'
BEGIN
    DECLARE v_key_id INT UNSIGNED;
    DECLARE v_scan INT UNSIGNED DEFAULT IF(p_model_id IS NULL AND p_status IS NULL AND p_text IS NULL, p_rows, 5000);
    DECLARE v_cut, v_cut_here VARCHAR(60) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_over, v_allowed BOOLEAN DEFAULT FALSE;
    DECLARE team_keys CURSOR FOR
        SELECT k.id FROM api_key k JOIN team_member m ON m.id = k.member_id JOIN team t ON t.id = m.team_id
        WHERE k.account_id = p_actor_id AND t.account_id <> p_actor_id AND k.last_used_at >= p_from
        ORDER BY k.last_used_at DESC LIMIT 50;
    DECLARE CONTINUE HANDLER FOR NOT FOUND SET v_over = TRUE;

    SELECT p_key_id IS NULL OR p_actor_id IS NULL OR EXISTS (
            SELECT 1 FROM api_key k LEFT JOIN team_member m ON m.id = k.member_id LEFT JOIN team t ON t.id = m.team_id
                LEFT JOIN team_member me ON me.team_id = t.id AND me.account_id = p_actor_id AND me.enabled
            WHERE k.id = p_key_id AND (k.account_id = p_actor_id OR t.account_id = p_actor_id
                OR me.role = 'owner' OR (me.role = 'admin' AND m.role = 'member'))) INTO v_allowed;
    IF NOT v_allowed THEN
        SET p_key_id = 0; -- nobody's
    END IF;
    CREATE OR REPLACE TEMPORARY TABLE usage_pick (
        request_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, created_at DATETIME(6) NOT NULL,
        place CHAR(57) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        PRIMARY KEY (request_id, created_at)) ENGINE=InnoDB;
    IF p_key_id IS NULL THEN
        CALL usage_pick_inner(p_actor_id, NULL, p_from, p_to, p_before_id, p_model_id, p_status, p_text, v_scan, v_cut);
        OPEN team_keys;
        one_key: LOOP
            FETCH team_keys INTO v_key_id;
            IF v_over THEN
                LEAVE one_key;
            END IF;
            CALL usage_pick_inner(NULL, v_key_id, p_from, p_to, p_before_id, p_model_id, p_status, p_text, v_scan, v_cut_here);
            SET v_cut = COALESCE(GREATEST(v_cut, v_cut_here), v_cut, v_cut_here);
        END LOOP;
        CLOSE team_keys;
    ELSE
        CALL usage_pick_inner(NULL, p_key_id, p_from, p_to, p_before_id, p_model_id, p_status, p_text, v_scan, v_cut);
    END IF;
    SELECT NULL AS request_id, NULL AS created_at, v_cut AS place, NULL AS model, NULL AS provider, NULL AS hedged_from,
        NULL AS status, NULL AS http_status, NULL AS stream, NULL AS estimated, NULL AS key_id, NULL AS key_name,
        NULL AS team_id, NULL AS team, NULL AS member, NULL AS input_tokens, NULL AS cached_tokens, NULL AS output_tokens,
        NULL AS charge_usd, NULL AS first_byte_ms, NULL AS duration_ms
    UNION ALL
    SELECT r.* FROM (
        SELECT u.request_id, CONCAT(LEFT(DATE_FORMAT(u.created_at, '%Y-%m-%dT%H:%i:%s.%f'), 23), 'Z'), x.place, m.name,
            NULLIF(u.provider, ''), u.hedged_from, u.status, u.http_status, u.stream, u.estimated, u.key_id, k.name AS key_name,
            u.team_id, t.name AS team, IF(u.team_id IS NULL, NULL, o.email),
            u.input_tokens + u.cached_tokens + u.cache_write_5m_tokens + u.cache_write_1h_tokens, u.cached_tokens,
            u.output_tokens, u.charge_usd, u.first_byte_ms, u.duration_ms
        FROM usage_pick x STRAIGHT_JOIN usage_log u ON u.request_id = x.request_id AND u.created_at = x.created_at
            JOIN model m ON m.id = u.model_id JOIN api_key k ON k.id = u.key_id JOIN account o ON o.id = k.account_id
            LEFT JOIN team t ON t.id = u.team_id
        WHERE v_cut IS NULL OR x.place >= v_cut
        ORDER BY x.place DESC LIMIT p_rows) r;
    DROP TEMPORARY TABLE usage_pick;
END //

DELIMITER ;
