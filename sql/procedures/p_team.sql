-- SPDX-License-Identifier: Apache-2.0
DELIMITER //

CREATE OR REPLACE PROCEDURE team_add_inner(
    IN p_name VARCHAR(120) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    IN p_account_id INT UNSIGNED,
    OUT o_team_id INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Internal: makes a team with its payer as owner'
BEGIN
    INSERT INTO team (name, account_id) VALUES (TRIM(p_name), p_account_id);
    SET o_team_id = LAST_INSERT_ID();
    INSERT INTO team_member (team_id, account_id, role) VALUES (o_team_id, p_account_id, 'owner');
    INSERT INTO team_payer (team_id, account_id) VALUES (o_team_id, p_account_id);
END //

-- Ends a membership at the wish of the team: from now on its keys are refused, also if the member should come back. Keys are locked before the
-- membership, as everywhere.
CREATE OR REPLACE PROCEDURE member_remove_inner(
    IN p_member_id INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Internal: ends a membership and disables its keys'
BEGIN
    UPDATE api_key SET enabled = 0 WHERE member_id = p_member_id;
    UPDATE team_member SET enabled = 0 WHERE id = p_member_id;
    UPDATE team t JOIN team_member m ON m.team_id = t.id SET t.transfer_member_id = NULL
    WHERE m.id = p_member_id AND t.transfer_member_id = p_member_id;
END //

-- A new owner pays from now on; the one before stays as admin. Running calls are charged to whom they were held for.
CREATE OR REPLACE PROCEDURE team_transfer_inner(
    IN p_team_id INT UNSIGNED,
    IN p_member_id INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Internal: makes a member owner and payer of its team'
BEGIN
    DECLARE v_account_id INT UNSIGNED;

    SELECT account_id INTO v_account_id FROM team_member WHERE id = p_member_id;
    UPDATE team_member SET role = 'admin' WHERE team_id = p_team_id AND role = 'owner' AND id <> p_member_id;
    UPDATE team_member SET role = 'owner' WHERE id = p_member_id;
    UPDATE team SET account_id = v_account_id, transfer_member_id = NULL WHERE id = p_team_id;
    INSERT IGNORE INTO team_payer (team_id, account_id) VALUES (p_team_id, v_account_id);
END //

CREATE OR REPLACE PROCEDURE create_team(
    IN p_name VARCHAR(120) CHARACTER SET utf8mb4,
    IN p_payer_email VARCHAR(254) CHARACTER SET utf8mb4
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Operator: makes a team. Name, e-mail of the account that pays, which becomes its owner'
BEGIN
    DECLARE v_account_id, v_team_id INT UNSIGNED;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    IF TRIM(COALESCE(p_name, '')) = '' THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'A team needs a name.';
    END IF;
    START TRANSACTION;
    CALL account_find_inner(p_payer_email, v_account_id);
    CALL team_add_inner(p_name, v_account_id, v_team_id);
    COMMIT;
    SELECT t.id AS team_id, t.name, m.id AS owner_member_id
    FROM team t JOIN team_member m ON m.team_id = t.id WHERE t.id = v_team_id;
END //

CREATE OR REPLACE PROCEDURE add_member(
    IN p_team_id INT UNSIGNED,
    IN p_email VARCHAR(254) CHARACTER SET utf8mb4,
    IN p_role VARCHAR(32) CHARACTER SET ascii
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Operator: adds a member to a team or lets one back in. Team, e-mail, role (owner, admin, member)'
BEGIN
    DECLARE v_account_id, v_team_id INT UNSIGNED;
    DECLARE v_message VARCHAR(400) CHARACTER SET utf8mb4;

    CALL account_find_inner(p_email, v_account_id);
    SELECT id INTO v_team_id FROM team WHERE id = p_team_id;
    IF v_team_id IS NULL THEN
        SET v_message = CONCAT('There is no team ', COALESCE(p_team_id, 'NULL'), '; v_team lists them.');
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = v_message;
    ELSEIF COALESCE(p_role, '') COLLATE ascii_bin NOT IN ('owner', 'admin', 'member') THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'The role must be owner, admin or member.';
    END IF;
    INSERT INTO team_member (team_id, account_id, role) VALUES (p_team_id, v_account_id, p_role)
    ON DUPLICATE KEY UPDATE role = p_role, enabled = 1;
    SELECT m.id AS member_id, t.name AS team, a.email, m.role
    FROM team_member m JOIN team t ON t.id = m.team_id JOIN account a ON a.id = m.account_id
    WHERE m.team_id = p_team_id AND m.account_id = v_account_id;
END //

CREATE OR REPLACE PROCEDURE remove_member(
    IN p_member_id INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Operator: refuses new calls with the keys of a member. Number of the membership, as in v_team'
BEGIN
    DECLARE v_team_id INT UNSIGNED;
    DECLARE v_message VARCHAR(400) CHARACTER SET utf8mb4;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SELECT team_id INTO v_team_id FROM team_member WHERE id = p_member_id;
    IF v_team_id IS NULL THEN
        SET v_message = CONCAT('There is no membership ', COALESCE(p_member_id, 'NULL'), '.');
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = v_message;
    END IF;
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    UPDATE team_member SET enabled = 0 WHERE id = p_member_id;
    UPDATE team SET transfer_member_id = NULL WHERE transfer_member_id = p_member_id AND id = v_team_id;
    COMMIT;
    SELECT id AS member_id, team_id, enabled FROM team_member WHERE id = p_member_id;
END //

CREATE OR REPLACE PROCEDURE transfer_team(
    IN p_team_id INT UNSIGNED,
    IN p_email VARCHAR(254) CHARACTER SET utf8mb4
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Operator: makes a member owner and payer of its team. Team, e-mail of the member'
BEGIN
    DECLARE v_account_id, v_member_id INT UNSIGNED;
    DECLARE v_message VARCHAR(400) CHARACTER SET utf8mb4;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    CALL account_find_inner(p_email, v_account_id);
    SELECT id INTO v_member_id FROM team_member
    WHERE team_id = p_team_id AND account_id = v_account_id AND enabled;
    IF v_member_id IS NULL THEN
        SET v_message = CONCAT(p_email, ' is no member of team ', COALESCE(p_team_id, 'NULL'), '; v_team lists them.');
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = v_message;
    END IF;
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    CALL team_transfer_inner(p_team_id, v_member_id);
    COMMIT;
    SELECT t.id AS team_id, t.name AS team, a.email AS payer
    FROM team t JOIN account a ON a.id = t.account_id WHERE t.id = p_team_id;
END //

CREATE OR REPLACE PROCEDURE create_team_key(
    IN p_member_id INT UNSIGNED,
    IN p_name VARCHAR(120) CHARACTER SET utf8mb4
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Operator: makes an API key for which the team pays, and shows it, this once. Membership, name of the key'
BEGIN
    DECLARE v_account_id, v_key_id INT UNSIGNED;
    DECLARE v_key CHAR(55) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_message VARCHAR(400) CHARACTER SET utf8mb4;

    SELECT account_id INTO v_account_id FROM team_member WHERE id = p_member_id AND enabled;
    IF v_account_id IS NULL THEN
        SET v_message = CONCAT('There is no enabled membership ', COALESCE(p_member_id, 'NULL'), '.');
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = v_message;
    END IF;
    CALL key_add_inner(v_account_id, p_member_id, p_name, v_key_id, v_key);
    SELECT v_key_id AS key_id, v_key AS api_key, 'Copy it now: only its hash is stored.' AS note;
END //

DELIMITER ;
