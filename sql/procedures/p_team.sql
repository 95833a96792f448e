-- SPDX-License-Identifier: Apache-2.0
DELIMITER //

CREATE OR REPLACE PROCEDURE create_team(
    IN p_name VARCHAR(120) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    IN p_payer_email VARCHAR(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
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
    INSERT INTO team (name, account_id) VALUES (TRIM(p_name), v_account_id);
    SET v_team_id = LAST_INSERT_ID();
    INSERT INTO team_member (team_id, account_id, role) VALUES (v_team_id, v_account_id, 'owner');
    COMMIT;
    SELECT t.id AS team_id, t.name, m.id AS owner_member_id
    FROM team t JOIN team_member m ON m.team_id = t.id WHERE t.id = v_team_id;
END //

CREATE OR REPLACE PROCEDURE add_member(
    IN p_team_id INT UNSIGNED,
    IN p_email VARCHAR(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    IN p_role VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Operator: adds a member to a team or lets one back in. Team, e-mail, role (owner, admin, member)'
BEGIN
    DECLARE v_account_id INT UNSIGNED;
    DECLARE v_message VARCHAR(400) CHARACTER SET utf8mb4;

    CALL account_find_inner(p_email, v_account_id);
    IF NOT EXISTS (SELECT 1 FROM team WHERE id = p_team_id) THEN
        SET v_message = CONCAT('There is no team ', COALESCE(p_team_id, 'NULL'), '; v_team lists them.');
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = v_message;
    ELSEIF COALESCE(p_role, '') NOT IN ('owner', 'admin', 'member') THEN
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
COMMENT 'Operator: refuses new calls with the keys of a member. Number of the membership, as in v_key'
BEGIN
    DECLARE v_message VARCHAR(400) CHARACTER SET utf8mb4;

    IF NOT EXISTS (SELECT 1 FROM team_member WHERE id = p_member_id) THEN
        SET v_message = CONCAT('There is no membership ', COALESCE(p_member_id, 'NULL'), '.');
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = v_message;
    END IF;
    UPDATE team_member SET enabled = 0 WHERE id = p_member_id;
    SELECT id AS member_id, team_id, enabled FROM team_member WHERE id = p_member_id;
END //

CREATE OR REPLACE PROCEDURE create_team_key(
    IN p_member_id INT UNSIGNED,
    IN p_name VARCHAR(120) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
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
