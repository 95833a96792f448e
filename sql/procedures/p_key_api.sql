-- SPDX-License-Identifier: Apache-2.0
-- Whatever is only looked at is read by SELECT ... INTO: a subquery in an IF would lock the rows that it reads.
--
-- What customers do with keys, for the program: p_actor_id is the account that is signed in. Each answers one row:
-- outcome (ok or why not), detail, id. The program makes a key and passes only its hash.
DELIMITER //

-- own: the actor's key. manage: the key of another member of a team that the actor owns or administers.
CREATE OR REPLACE PROCEDURE key_access_inner(
    IN p_actor_id INT UNSIGNED,
    IN p_key_id INT UNSIGNED,
    OUT o_access VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin
)
SQL SECURITY DEFINER
READS SQL DATA
COMMENT 'Internal: what an account may do with a key; NULL: it does not see it'
BEGIN
    SELECT IF(k.account_id = p_actor_id, 'own', IF(me.role = 'owner' OR (me.role = 'admin' AND m.role = 'member'),
        'manage', NULL)) INTO o_access
    FROM api_key k
        LEFT JOIN team_member m ON m.id = k.member_id
        LEFT JOIN team_member me ON me.team_id = m.team_id AND me.account_id = p_actor_id AND me.enabled
    WHERE k.id = p_key_id AND k.deleted_at IS NULL;
END //

-- p_set has a bit for each value that is to be set: 1 name, 2 cap, 4 period, 8 expiry, 16 models, 32 enabled.
CREATE OR REPLACE PROCEDURE key_apply_inner(
    IN p_key_id INT UNSIGNED,
    IN p_set INT UNSIGNED,
    IN p_name VARCHAR(120) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    IN p_cap_usd DECIMAL(18,9),
    IN p_period VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_expires_at DATETIME,
    IN p_models TEXT CHARACTER SET utf8mb4,
    IN p_enabled TINYINT,
    OUT o_unknown VARCHAR(96) CHARACTER SET utf8mb4
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Internal: sets properties of a key'
BEGIN
    DECLARE v_cap, v_spent, v_held DECIMAL(18,9);
    DECLARE v_period VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin;

    IF p_set & 16 THEN
        CALL key_models_inner(p_key_id, p_models, o_unknown);
    END IF;
    IF o_unknown IS NULL THEN
        IF p_set & 6 THEN
            SELECT cap_usd, cap_period INTO v_cap, v_period FROM api_key WHERE id = p_key_id FOR UPDATE;
            CALL set_cap_inner('key', p_key_id, IF(p_set & 2, p_cap_usd, v_cap), IF(p_set & 4, p_period, v_period),
                v_spent, v_held);
        END IF;
        UPDATE api_key SET name = IF(p_set & 1, p_name, name), expires_at = IF(p_set & 8, p_expires_at, expires_at),
            enabled = IF(p_set & 32, p_enabled, enabled)
        WHERE id = p_key_id;
    END IF;
END //

CREATE OR REPLACE PROCEDURE key_create(
    IN p_actor_id INT UNSIGNED,
    IN p_team_id INT UNSIGNED,
    IN p_key_hash BINARY(32),
    IN p_prefix CHAR(11) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_last4 CHAR(4) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_name VARCHAR(120) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    IN p_cap_usd DECIMAL(18,9),
    IN p_period VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_expires_at DATETIME,
    IN p_models TEXT CHARACTER SET utf8mb4
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'API: a customer makes a key, for itself or (p_team_id) for a team'
BEGIN
    DECLARE v_outcome VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT 'ok';
    DECLARE v_unknown VARCHAR(96) CHARACTER SET utf8mb4;
    DECLARE v_member_id, v_key_id, v_count INT UNSIGNED;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    SELECT id INTO v_key_id FROM api_key WHERE key_hash = p_key_hash AND account_id = p_actor_id;
    SELECT COUNT(*) INTO v_count FROM api_key WHERE account_id = p_actor_id AND deleted_at IS NULL;
    IF p_team_id IS NOT NULL THEN
        SELECT id INTO v_member_id FROM team_member
        WHERE team_id = p_team_id AND account_id = p_actor_id AND enabled;
    END IF;
    IF v_key_id IS NOT NULL THEN
        SET v_outcome = 'ok'; -- a repeated step: it was made already
    ELSEIF p_team_id IS NOT NULL AND v_member_id IS NULL THEN
        SET v_outcome = 'no_team';
    ELSEIF p_expires_at <= UTC_TIMESTAMP() THEN
        SET v_outcome = 'past';
    ELSEIF v_count >= 1000 THEN
        SET v_outcome = 'too_many_keys';
    ELSE
        INSERT INTO api_key (account_id, member_id, name, key_hash, key_prefix, key_last4)
        VALUES (p_actor_id, v_member_id, p_name, p_key_hash, p_prefix, p_last4);
        SET v_key_id = LAST_INSERT_ID();
        CALL key_apply_inner(v_key_id, 2 | 4 | 8 | 16, NULL, p_cap_usd, p_period, p_expires_at, p_models, NULL,
            v_unknown);
    END IF;
    IF v_unknown IS NOT NULL THEN
        SET v_outcome = 'unknown_model';
        ROLLBACK;
    END IF;
    COMMIT;
    SELECT v_outcome AS outcome, v_unknown AS detail, v_key_id AS id;
END //

CREATE OR REPLACE PROCEDURE key_change(
    IN p_actor_id INT UNSIGNED,
    IN p_key_id INT UNSIGNED,
    IN p_set INT UNSIGNED,
    IN p_name VARCHAR(120) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    IN p_cap_usd DECIMAL(18,9),
    IN p_period VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_expires_at DATETIME,
    IN p_models TEXT CHARACTER SET utf8mb4,
    IN p_enabled TINYINT
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'API: a customer changes a key; p_set tells which values count (see key_apply_inner)'
BEGIN
    DECLARE v_outcome VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT 'ok';
    DECLARE v_access VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_unknown VARCHAR(96) CHARACTER SET utf8mb4;
    DECLARE v_left BOOLEAN DEFAULT FALSE;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    CALL key_access_inner(p_actor_id, p_key_id, v_access);
    SELECT NOT m.enabled INTO v_left FROM api_key k JOIN team_member m ON m.id = k.member_id WHERE k.id = p_key_id;
    IF v_access IS NULL THEN
        SET v_outcome = 'no_key';
    ELSEIF p_set & 8 AND p_expires_at <= UTC_TIMESTAMP() THEN
        SET v_outcome = 'past';
    ELSEIF p_set & 32 AND p_enabled AND v_left THEN
        SET v_outcome = 'left_team';
    ELSE
        CALL key_apply_inner(p_key_id, p_set, p_name, p_cap_usd, p_period, p_expires_at, p_models, p_enabled, v_unknown);
    END IF;
    IF v_unknown IS NOT NULL THEN
        SET v_outcome = 'unknown_model';
        ROLLBACK;
    END IF;
    COMMIT;
    SELECT v_outcome AS outcome, v_unknown AS detail, p_key_id AS id;
END //

-- The old key is refused from now on; number, name, caps and list of models stay. Only for the owner of the key, who
-- alone may see the new one.
CREATE OR REPLACE PROCEDURE key_rotate(
    IN p_actor_id INT UNSIGNED,
    IN p_key_id INT UNSIGNED,
    IN p_key_hash BINARY(32),
    IN p_prefix CHAR(11) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_last4 CHAR(4) CHARACTER SET ascii COLLATE ascii_bin
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'API: a customer replaces the secret of a key'
BEGIN
    DECLARE v_access VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin;

    CALL key_access_inner(p_actor_id, p_key_id, v_access);
    IF v_access = 'own' THEN
        UPDATE api_key SET key_hash = p_key_hash, key_prefix = p_prefix, key_last4 = p_last4 WHERE id = p_key_id;
    END IF;
    SELECT CASE v_access WHEN 'own' THEN 'ok' WHEN 'manage' THEN 'not_yours' ELSE 'no_key' END AS outcome, NULL AS detail,
        p_key_id AS id;
END //

CREATE OR REPLACE PROCEDURE key_delete(
    IN p_actor_id INT UNSIGNED,
    IN p_key_id INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'API: a customer deletes a key: refused and hidden from now on, the row stays'
BEGIN
    DECLARE v_access VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin;

    CALL key_access_inner(p_actor_id, p_key_id, v_access);
    IF v_access IS NOT NULL THEN
        UPDATE api_key SET enabled = 0, deleted_at = UTC_TIMESTAMP() WHERE id = p_key_id;
    END IF;
    SELECT IF(v_access IS NULL, 'no_key', 'ok') AS outcome, NULL AS detail, p_key_id AS id;
END //

DELIMITER ;
